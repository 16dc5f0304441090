-- SPDX-License-Identifier: Apache-2.0
--
-- A list on disk of the messages that were given to clients and that these have
-- not acknowledged (XEP-0198), one for each user, to which one line (xmppfed_lines)
-- is appended for each message. The newest files stay open. Entries are
--   { t = session, s = number of the stanza there, m = message, w = time, x = text of the stanza }
--   { t = session, h = number of the last stanza that was acknowledged }
--   { d = message that needs no keeping any more }

local lfs = require "lfs";
local new_cache = require "util.cache".new;
local now = require "util.time".monotonic; -- the clock of the node can be set
local st = require "util.stanza";
local storagemanager = require "core.storagemanager";
local lines = module:require "xmppfed_lines";

local host = module.host;
local name, ending = "xmppfed_journal", "journal"; -- of the directory and of its files
local former = "list"; -- the ending of files that an earlier version has left, which are Prosody's lists
local limits = module:get_option("xmppfed_limits");
local max_entries, max_bytes = limits.stored_messages, limits.stored_bytes; -- of a user
local patience = 5; -- seconds between two attempts to make room in a journal that is full
local max_open = 64; -- files
local min_entries = 500; -- that a journal has before what is settled is dropped
local enoent = 2; -- the number of the error that a file is not there

local files = storagemanager.olddm;
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local shared = module:shared("/*/xmppfed/journals"); -- of all hosts
shared.open = shared.open or new_cache(max_open, function (_, file) file:close(); end); -- path -> file
local states = {}; -- user -> what is known of the journal: path, entries, bytes, due, settled, torn, full

-- Returns the text of a file, or nil and what is wrong; "" when there is none.
local function read(path)
	local file, err, code = io.open(path, "rb");
	if not file then return code == enoent and "" or nil, err; end
	local text, read_err = file:read("*a");
	file:close();
	return text, read_err;
end

local function close(path)
	local file = shared.open:get(path);
	shared.open:set(path, nil);
	if file then file:close(); end
end

-- What was not written in full stays, and so does not become part of the next line.
local function state_of(user)
	if states[user] then return states[user]; end
	local path = files.getpath(user, host, name, ending, true);
	local text = read(path) or "";
	local _, entries = text:gsub("\n", "%0");
	local has_former = lfs.attributes(files.getpath(user, host, name, former), "mode") ~= nil;
	states[user] = {
		path = path; entries = entries; bytes = #text; torn = text:find("[^\n]$") ~= nil;
		due = has_former and 0 or min_entries; settled = has_former;
	};
	return states[user];
end

-- The entries of messages that no session has acknowledged and that were not settled, in their order, of each message the first.
local function outstanding(entries)
	local acknowledged, delivered, seen, result = {}, {}, {}, {};
	for _, entry in ipairs(entries) do
		if entry.h then acknowledged[entry.t] = math.max(acknowledged[entry.t] or 0, entry.h); end
		if entry.d then delivered[entry.d] = true; end
	end
	for _, entry in ipairs(entries) do
		if entry.s and entry.s <= (acknowledged[entry.t] or 0) then delivered[entry.m] = true; end
	end
	for _, entry in ipairs(entries) do
		if entry.s and not delivered[entry.m] and not seen[entry.m] then
			seen[entry.m] = true;
			result[#result + 1] = entry;
		end
	end
	return result;
end

-- Returns the entries of user and how many were not written in full, or nil and what is wrong.
local function load(user)
	local list, list_err = files.list_load(user, host, name);
	if list_err then return nil, list_err; end
	local text, err = read(files.getpath(user, host, name, ending));
	if not text then return nil, err; end
	local entries, dropped = lines.parse(text);
	if not list then return entries, dropped; end
	for _, entry in ipairs(list) do
		if entry.x then entry.x = tostring(st.deserialize(entry.x)); end
	end
	for _, entry in ipairs(entries) do list[#list + 1] = entry; end
	return list, dropped;
end

local function remove_former(user)
	os.remove(files.getpath(user, host, name, "lidx"));
	os.remove(files.getpath(user, host, name, former));
end

-- Writes text in place of a file, which stays as it is when there is no room for that.
local function replace(path, text)
	local scratch = path.."~";
	local file = io.open(scratch, "wb");
	local ok = file and file:write(text);
	ok = file and file:close() and ok;
	if ok and os.rename(scratch, path) then return true; end
	os.remove(scratch);
	return false;
end

-- Drops what is settled. Entries of one message in several sessions stay together or go together.
local function compact(user, own)
	own.due = own.entries + min_entries; -- unless it succeeds
	local entries = load(user);
	if not entries then return; end
	local open, kept = {}, {};
	for _, entry in ipairs(outstanding(entries)) do open[entry.m] = true; end
	for _, entry in ipairs(entries) do
		if entry.m and open[entry.m] then kept[#kept + 1] = lines.format(entry); end
	end
	local text = table.concat(kept);
	if not replace(own.path, text) then return; end
	close(own.path);
	remove_former(user);
	own.entries, own.bytes, own.torn, own.settled = #kept, #text, false, false;
	own.due = math.max(min_entries, 2 * #kept);
end

local function is_above(own, part)
	return own.entries >= max_entries * part or own.bytes >= max_bytes * part;
end

local function has_room(user, own)
	if own.full and now() < own.full then return false; end
	if own.settled and own.entries >= own.due then compact(user, own); end
	if not is_above(own, 1) then return true; end
	compact(user, own);
	own.full = is_above(own, 3/4) and now() + patience or nil; -- reading and writing a long journal for every message would stop all others
	return not own.full;
end

local function open(path)
	local file = shared.open:get(path);
	if not file then
		file = io.open(path, "ab");
		if not file then return nil; end
		file:setvbuf("no"); -- every line is one write, and nothing of one that failed is written later
	end
	shared.open:set(path, file); -- as the newest
	return file;
end

-- Returns whether line is on disk.
local function write(own, line)
	local file = open(own.path);
	if own.torn then line = "\n"..line; end
	if not file or not file:write(line) then
		own.torn, own.bytes = true, lfs.attributes(own.path, "size") or own.bytes;
		volume.full = true; -- until mod_xmppfed_volume looks again
		return false;
	end
	own.torn = false;
	own.entries, own.bytes = own.entries + 1, own.bytes + #line;
	return true;
end

-- Notes that a session is given a message. Returns whether that is on disk. What is only moved here from other messages of the user
-- has no bound here.
local function append(user, session, number, message, text, moved)
	local own = state_of(user);
	if not moved and not has_room(user, own) then return false; end
	return write(own, lines.message(session, number, message, os.time(), text));
end

-- Notes that a session has acknowledged its stanzas up to a number. Returns whether that is on disk.
local function acknowledge(user, session, number)
	local own = state_of(user);
	own.settled = true;
	return write(own, lines.acknowledgement(session, number));
end

-- Notes that a message needs no keeping any more, whatever becomes of the sessions that were given it.
local function settle(user, message)
	local own = state_of(user);
	own.settled = true;
	write(own, lines.settlement(message));
end

-- Needs no room on the disk.
local function clear(user)
	local path = files.getpath(user, host, name, ending);
	close(path);
	remove_former(user);
	os.remove(path.."~");
	os.remove(path);
	states[user] = nil;
end

-- Returns an iterator over the users that have a journal.
local function users()
	local found = {};
	for _, kind in ipairs({ ending, former }) do
		for user in files.users(host, name, kind) do found[user] = true; end
	end
	return pairs(found);
end

return {
	acknowledge = acknowledge, append = append, clear = clear, load = load, outstanding = outstanding, settle = settle, users = users,
};
