-- SPDX-License-Identifier: Apache-2.0
--
-- GET /xmppfed/ready   200 when the server can take federation traffic, else 503
--                      and the reason. Says nothing secret and needs no token.
-- GET /xmppfed/alive   200 as long as the server answers at all.
-- GET /xmppfed/status  JSON for the operator; Authorization: Bearer <token>.

module:set_global();
module:depends("http");

local configmanager = require "core.configmanager";
local modulemanager = require "core.modulemanager";
local portmanager = require "core.portmanager";
local array = require "util.array";
local it = require "util.iterators";
local json = require "util.json";
local for_operator = module:require "xmppfed_token";
local memory = module:require "xmppfed_memory";
local streams = module:require "xmppfed_session";

local max_sessions = 1000; -- keeps the answer below 1 MiB even with the longest names
local state = module:shared("/*/xmppfed/state"); -- written by mod_xmppfed
local removed = module:shared("/*/xmppfed/removed"); -- written by mod_xmppfed_accounts
local requests = module:shared("/*/xmppfed/requests"); -- written by mod_xmppfed_requests
local logins = module:shared("/*/xmppfed/logins"); -- written by xmppfed_logins
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local delays = module:shared("/*/xmppfed_limits/delays"); -- written by mod_xmppfed_rate
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local outgoing = module:shared("/*/xmppfed_outgoing/known"); -- totals

local function is_listening(service)
	return it.count(portmanager.get_active_services():iter(service, nil, nil, nil)) > 0;
end

local needed = { "s2s", "tls", "xmppfed_peers", "xmppfed_outgoing", "xmppfed_dialback", "xmppfed_slow" }; -- modules of every host
local bounding = { "xmppfed_connections", "xmppfed_rate", "xmppfed_unfinished" }; -- modules of the whole server
local needed_of = { ["local"] = "xmppfed_strangers", component = "xmppfed_rooms" };

local function why_not_ready()
	if not is_listening("s2s") then return "s2s is not listening"; end
	if not state.certificate then return state.problem or "starting"; end
	for _, name in ipairs(bounding) do
		if not modulemanager.is_loaded("*", name) then
			return "what others may send is not bounded: module "..name.." is not loaded";
		end
	end
	for host in pairs(configmanager.getconfig()) do
		local active = host == "*" or rawget(prosody.hosts, host);
		if not active then return host.." is not active"; end
		local modules = host ~= "*" and active.modules;
		if modules and not modules[needed_of[active.type]] then return host.." is open to strangers: its module is not loaded"; end
		for _, name in ipairs(needed) do
			if modules and not modules[name] then return host.." has no federation: module "..name.." is not loaded"; end
		end
	end
end

local function ready(event)
	local reason = why_not_ready();
	event.response.headers.content_type = "text/plain; charset=utf-8";
	if reason then
		event.response.status_code = 503;
		return reason.."\n";
	end
	return "ready\n";
end

local function alive() return "alive\n"; end

-- Describes the streams, one entry for each name proven, and says how many there would be.
local function sessions()
	local list, total = array(), 0;
	for _, session in ipairs(streams.all()) do
		local names = streams.proven(session);
		if session.direction == "outgoing" or not names[1] then names = { false }; end
		for _, name in ipairs(names) do
			total = total + 1;
			if total <= max_sessions then list:push(streams.describe(session, name)); end
		end
	end
	return list, total;
end

-- Accounts are the same on every host.
local function removed_accounts()
	local most = 0;
	for _, count in pairs(removed) do most = math.max(most, count); end
	return most;
end

local function limits()
	local used, limit = memory.usage();
	local totals = outgoing.totals or {};
	return {
		memoryBytes = math.floor(used);
		memoryLimitBytes = math.floor(limit or 0);
		connecting = totals.connecting;
		waiting = totals.waiting;
		refused = counters;
		delayed = delays;
	};
end

local function status()
	local list, total = sessions();
	return json.encode({
		engine = "Prosody";
		version = prosody.version;
		generation = state.generation or "";
		secretGeneration = state.secret_generation or "";
		configError = state.problem or "";
		certificate = state.certificate or { serial = "", notAfter = "" };
		hosts = array.collect(it.keys(prosody.hosts)):sort();
		sessions = list;
		sessionsTotal = total;
		removedAccounts = removed_accounts();
		requestsRefused = requests.refused or 0;
		logins = { failed = logins.failed or 0, refused = logins.refused or 0 };
		limits = limits();
		volume = {
			bytes = math.floor(volume.bytes or 0);
			usedBytes = math.floor(volume.used or 0);
			files = volume.files or 0;
			usedFiles = volume.used_files or 0;
			full = volume.full or false;
		};
	});
end

module:provides("http", {
	name = "xmppfed";
	default_path = "/xmppfed";
	cors = { enabled = false };
	route = { ["GET /alive"] = alive, ["GET /ready"] = ready, ["GET /status"] = for_operator(status) };
});
