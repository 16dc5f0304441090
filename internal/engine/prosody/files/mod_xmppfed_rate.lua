-- SPDX-License-Identifier: Apache-2.0
--
-- How much is read in a second from each stream that has been authenticated, by
-- whose it is: what a peer's policy says, else one rate for listed peers and one
-- for strangers. A group of domains with many busy streams has that of a few, which
-- they share, and all strangers share one (xmppfed_shares). Before that mod_limits
-- has set one rate for everybody. Prosody waits after each read until the rate
-- allows the next one, so that what comes faster is read later; for how long a
-- stream was behind is counted.

module:set_global();

local filters = require "util.filters";
local now = require "util.time".monotonic;
local group_of = module:require "xmppfed_group".of;
local policy = module:require "xmppfed_policy";
local shares = module:require "xmppfed_shares".new();
local streams = module:require "xmppfed_session";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local delays = module:shared("/*/xmppfed_limits/delays"); -- listed peer, or "" for all others -> seconds
local limits; -- as rendered from internal/engine/prosody/limits.go

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local function rate_of(name)
	local own = policy.lookup(state.peers, name);
	local listed = state.peers and own ~= state.peers.defaults;
	return own.rate or listed and limits.listed_rate or limits.stranger_rate;
end

-- Counting -------------------------------------------------------------------------

-- A stream is behind as long as each read takes as much as one can take, because
-- more has come than the rate lets be read.
local full_read = 4096; -- bytes; Prosody's own for incoming connections, mod_xmppfed_outgoing's for others
local max_pause = 10; -- seconds between two such reads; the lowest rate needs eight
local window = 10; -- seconds after which being behind is counted; less is a burst

local function count(own, bytes, time)
	if bytes < full_read then
		own.began = nil;
	elseif not own.began or time - own.latest > max_pause then
		own.began = time;
	elseif time - own.began >= window then
		delays[own.account] = (delays[own.account] or 0) + math.floor(time - own.began);
		own.began = time;
	end
	own.latest = time;
end

local function on_read(bytes, session)
	local own, time = session.xmppfed_reading, now();
	count(own, #bytes, time);
	shares:note(own, #bytes, time);
	session.conn:setlimit(shares:rate(own, limits)); -- before Prosody says how long to wait for the next read
	return bytes;
end

local function set_rate(session)
	local _, theirs = streams.names(session);
	if not theirs or not session.conn or not streams.is_established(session) then return; end
	local own, group = session.xmppfed_reading or {}, group_of(state.peers, theirs);
	local listed = state.peers and state.peers.peers[group];
	session.xmppfed_reading = own;
	shares:forget(own);
	own.group, own.stranger, own.rate = group, not listed, rate_of(theirs);
	own.account = listed and group or ""; -- strangers, who can have any number of names, have one together
	session.conn:setlimit(shares:rate(own, limits));
	filters.add_filter(session, "bytes/in", on_read); -- once, however often it is added
end

local function set_rates()
	for _, session in ipairs(streams.all()) do set_rate(session); end
end

local function on_established(event) set_rate(event.session); end

module:hook("s2sin-established", on_established);
module:hook("s2sout-established", on_established);
module:hook("s2s-destroyed", function (event)
	if event.session.xmppfed_reading then shares:forget(event.session.xmppfed_reading); end
end);
module:hook("xmppfed-peers-changed", set_rates, -1); -- after those that have to end have ended
module:hook("config-reloaded", read_limits);
module:add_timer(1, function ()
	shares:pass(now());
	return 1;
end);

function module.load() -- set_rates needs the limits
	read_limits();
	set_rates();
end

function module.unload()
	for _, session in ipairs(streams.all()) do filters.remove_filter(session, "bytes/in", on_read); end
end
