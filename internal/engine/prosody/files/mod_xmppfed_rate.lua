-- SPDX-License-Identifier: Apache-2.0
--
-- How much is read in a second from each stream that has been authenticated, by
-- whose it is: what a peer's policy says, else one rate for listed peers and one
-- for strangers. Before that mod_limits has set one for everybody. Prosody waits
-- after each read until the rate allows the next one, so that what comes faster
-- is read later; for how long a stream was behind is counted.

module:set_global();

local filters = require "util.filters";
local now = require "util.time".monotonic;
local group_of = module:require "xmppfed_group".of;
local policy = module:require "xmppfed_policy";
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

-- The name under which delays are counted. Strangers, who can have any number of names, have one together.
local function account_of(name)
	local group = group_of(state.peers, name);
	return state.peers and state.peers.peers[group] and group or "";
end

-- Counting -------------------------------------------------------------------------

-- A stream is behind as long as each read takes as much as one can take, because
-- more has come than the rate lets be read.
local full_read = 4096; -- bytes; Prosody's own for incoming connections, mod_xmppfed_outgoing's for others
local max_pause = 3; -- seconds between two such reads; the lowest rate needs one
local window = 10; -- seconds after which being behind is counted; less is a burst

local function count(bytes, session)
	local own, time = session.xmppfed_reading, now();
	if #bytes < full_read then
		own.began = nil;
	elseif not own.began or time - own.latest > max_pause then
		own.began = time;
	elseif time - own.began >= window then
		delays[own.account] = (delays[own.account] or 0) + math.floor(time - own.began);
		own.began = time;
	end
	own.latest = time;
	return bytes;
end

local function set_rate(session)
	local _, theirs = streams.names(session);
	if not theirs or not session.conn or not streams.is_established(session) then return; end
	session.xmppfed_reading = session.xmppfed_reading or {};
	session.xmppfed_reading.account = account_of(theirs);
	session.conn:setlimit(rate_of(theirs));
	filters.add_filter(session, "bytes/in", count); -- once, however often it is added
end

local function on_established(event) set_rate(event.session); end

module:hook("s2sin-established", on_established);
module:hook("s2sout-established", on_established);
module:hook("xmppfed-peers-changed", function ()
	for _, session in ipairs(streams.all()) do set_rate(session); end
end, -1); -- after those that have to end have ended

module:hook("config-reloaded", read_limits);
read_limits();
