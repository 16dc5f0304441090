-- SPDX-License-Identifier: Apache-2.0
--
-- A list on disk of the messages that were given to clients and that these have
-- not acknowledged (XEP-0198), one list for each user. Entries are
--   { t = session, s = number of the stanza there, m = message, w = time, x = stanza }
--   { t = session, h = number of the last stanza that was acknowledged }

local lfs = require "lfs";
local storagemanager = require "core.storagemanager";
local st = require "util.stanza";
local now = require "util.time".now;

local host = module.host;
local name = "xmppfed_journal";
local limits = module:get_option("xmppfed_limits");
local max_entries, max_bytes = limits.stored_messages, limits.stored_bytes; -- of a user
local patience = 5; -- seconds between two attempts to make room in a list that is full
local files = storagemanager.olddm;
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local counts = {}; -- user -> entries
local full = {}; -- user -> when to try again to make room

local function count(user)
	if not counts[user] then counts[user] = #(files.list_load(user, host, name) or {}); end
	return counts[user];
end

-- The entries of messages that no session has acknowledged, in their order, of each message the first.
local function outstanding(entries)
	local acknowledged, delivered, seen, result = {}, {}, {}, {};
	for _, entry in ipairs(entries) do
		if entry.h then acknowledged[entry.t] = math.max(acknowledged[entry.t] or 0, entry.h); end
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

-- Drops what is settled. Entries of one message in several sessions stay together or go together.
local function compact(user)
	local entries = files.list_load(user, host, name) or {};
	local open, kept = {}, {};
	for _, entry in ipairs(outstanding(entries)) do open[entry.m] = true; end
	for _, entry in ipairs(entries) do
		if entry.m and open[entry.m] then kept[#kept + 1] = entry; end
	end
	if files.list_store(user, host, name, kept) then counts[user] = #kept; end
end

local function size(user)
	return lfs.attributes(files.getpath(user, host, name, "list"), "size") or 0;
end

local function is_above(user, part)
	return count(user) >= max_entries * part or size(user) >= max_bytes * part;
end

local function has_room(user)
	if full[user] and now() < full[user] then return false; end
	if not is_above(user, 1) then return true; end
	compact(user);
	full[user] = is_above(user, 3/4) and now() + patience or nil; -- reading and writing a long list for every message would stop all others
	return not full[user];
end

-- Returns whether entry is on disk. What is only moved here from other messages of the user has no bound here.
local function append(user, entry, moved)
	if entry.x and not moved and not has_room(user) then return false; end
	local before = count(user);
	if not files.list_append(user, host, name, entry) then
		volume.full = true; -- until mod_xmppfed_volume looks again
		return false;
	end
	counts[user] = before + 1;
	return true;
end

-- Needs no room on the disk.
local function clear(user)
	os.remove(files.getpath(user, host, name, "lidx"));
	os.remove(files.getpath(user, host, name, "list"));
	counts[user], full[user] = nil, nil;
end

-- Returns the entries of user, or nil and what is wrong.
local function load(user)
	local entries, err = files.list_load(user, host, name);
	if err then return nil, err; end
	return entries or {};
end

local function entry(session, number, message, stanza)
	return { t = session, s = number, m = message, w = os.time(), x = st.preserialize(stanza) };
end

local function users()
	return files.users(host, name, "list");
end

return { append = append, clear = clear, entry = entry, load = load, outstanding = outstanding, users = users };
