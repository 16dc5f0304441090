-- SPDX-License-Identifier: Apache-2.0
--
-- How much is read in a second from each stream that has been authenticated, by
-- whose it is: what a peer's policy says, else one rate for listed peers and one
-- for strangers. Before that mod_limits has set one for everybody.

module:set_global();

local policy = module:require "xmppfed_policy";
local streams = module:require "xmppfed_session";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local limits; -- as rendered from internal/engine/prosody/limits.go

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local function rate_of(name)
	local own = policy.lookup(state.peers, name);
	local listed = state.peers and own ~= state.peers.defaults;
	return own.rate or listed and limits.listed_rate or limits.stranger_rate;
end

local function set_rate(session)
	local _, theirs = streams.names(session);
	if theirs and session.conn and streams.is_established(session) then session.conn:setlimit(rate_of(theirs)); end
end

local function on_established(event) set_rate(event.session); end

module:hook("s2sin-established", on_established);
module:hook("s2sout-established", on_established);
module:hook("xmppfed-peers-changed", function ()
	for _, session in ipairs(streams.all()) do set_rate(session); end
end, -1); -- after those that have to end have ended

module:hook("config-reloaded", read_limits);
read_limits();
