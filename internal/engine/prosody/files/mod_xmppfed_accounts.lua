-- SPDX-License-Identifier: Apache-2.0
--
-- Deletes what is stored of an account that was removed: when its name is given to
-- somebody else, at once and before anybody can log in; else after a time in which
-- the removal can be undone. Partners are told, and rooms forget the account. Nothing
-- is removed while the list of accounts is unknown or empty.

local lfs = require "lfs";
local storagemanager = require "core.storagemanager";
local hmac_sha256 = require "util.hashes".hmac_sha256;
local ledgers = module:require "xmppfed_ledger";

local host = module.host;
local grace = module:get_option_number("xmppfed_account_grace", 24 * 60 * 60);
local tick = math.max(1, math.min(60, grace / 2));
local secret_path = module:get_option_string("xmppfed_secret_dir").."/dialback-secret";

local state = module:shared("/*/xmppfed/state"); -- accounts: localpart -> password, empty when it can't be used
local counts = module:shared("/*/xmppfed/removed"); -- host -> number of accounts whose data are still there
local store = module:open_store("xmppfed_accounts"); -- the ledger, of no user
local files = storagemanager.olddm;
local endings = { "dat", "list", "journal" }; -- of the files of a user, whoever writes them
local unsaved; -- the ledger, while it can't be written

-- Passwords stay out of the volume: marks can't be tried against a list of words without the secret.
local function marks()
	local file = assert(io.open(secret_path, "rb"));
	local secret = file:read("*a");
	file:close();
	local result = {};
	for name, password in pairs(state.accounts) do
		result[name] = password ~= "" and hmac_sha256(secret, "xmppfed account "..name.."\0"..password, true);
	end
	return result;
end

-- The names that anything is stored of.
local function stored_names()
	local names = {};
	for directory in files.stores(true, host) do
		for _, ending in ipairs(endings) do
			for name in files.users(host, directory, ending) do names[name] = true; end
		end
	end
	return names;
end

-- The name of a store in which there is something of an account, or nil.
local function store_with(name)
	for directory in files.stores(true, host) do
		for _, ending in ipairs(endings) do
			if lfs.attributes(files.getpath(name, host, directory, ending), "mode") then return directory; end
		end
	end
end

-- Before there was a ledger, what is stored may be of accounts removed long ago. It is treated as if that had been now.
local function first_ledger()
	local ledger = { present = {}, removed = {} };
	for name in pairs(stored_names()) do
		if state.accounts[name] == nil then ledger.removed[name] = { mark = false, left = grace }; end
	end
	return ledger;
end

local function leave_rooms(jid)
	for _, other in pairs(prosody.hosts) do
		local rooms = other.modules.muc;
		for room in rooms and rooms.each_room() or function () end do
			if room:get_affiliation(jid) then room:set_affiliation(true, jid, nil); end
		end
	end
end

-- Returns whether nothing is left.
local function delete(name)
	prosody.events.fire_event("user-deleted", { username = name, host = host }); -- ends sessions, subscriptions and journals
	leave_rooms(name.."@"..host);
	for list in files.stores(name, host, "list") do
		module:open_store(list, "archive"):delete(name); -- which forgets how many there are, too
	end
	storagemanager.purge(name, host);
	local cache = prosody.hosts[host].roster_cache;
	if cache then cache:set(name.."@"..host, nil); end
	local left = store_with(name);
	if left then
		module:log("error", "Deleting what is stored of the former account %s: %s could not be removed", name, left);
		return false;
	end
	module:log("info", "Deleted what was stored of the former account %s", name);
	return true;
end

local function save(ledger)
	local count = 0;
	for _ in pairs(ledger.removed) do count = count + 1; end
	counts[host] = count;
	if store:set(nil, ledger) then
		unsaved = nil;
	else
		unsaved = ledger;
		module:log("error", "Writing down which accounts there are: the data volume can't be written to; trying again");
	end
end

local function load()
	if unsaved then return unsaved; end
	local ledger, err = store:get(nil);
	if err then module:log("error", "Reading which accounts there were: %s; nothing is deleted", err); end
	return ledger or not err and first_ledger();
end

local function on_change()
	if not prosody.start_time then return; end -- rosters and rooms are not there yet
	local ledger = state.accounts and load();
	if not ledger then return; end
	if next(state.accounts) == nil then
		module:log("warn", "The list of accounts is empty; what is stored of former ones stays until it has an entry");
	end
	local after, replaced = ledgers.update(ledger, marks(), grace);
	for name in pairs(after.removed) do
		if not ledger.removed[name] then
			module:log("info", "Account %s was removed; what is stored of it is deleted after %d seconds unless it comes back", name, grace);
		end
	end
	for _, name in ipairs(replaced) do delete(name); end
	save(after);
end

local function on_tick()
	local ledger = state.accounts and load();
	if not ledger or next(ledger.removed) == nil and not unsaved then return; end
	local after, due = ledgers.pass(ledger, tick, state.accounts);
	for _, name in ipairs(due) do
		if delete(name) then after.removed[name] = nil; end
	end
	save(after);
end

-- Whatever fails here, the server goes on.
local function guarded(f)
	return function ()
		local ok, err = xpcall(f, debug.traceback);
		if not ok then module:log("error", "Looking for former accounts: %s", err); end
	end
end

module:hook_global("xmppfed-accounts-changed", guarded(on_change), -10); -- after mod_auth_xmppfed has ended streams
module:hook_global("server-started", guarded(on_change)); -- nobody can log in before
module:add_timer(0, guarded(on_change)); -- for a domain that was added
module:add_timer(tick, function ()
	guarded(on_tick)();
	return tick;
end);

function module.unload() counts[host] = nil; end
