-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the names that the other side of an incoming stream has this server
-- verify by dialback (XEP-0220): how many at a time, how many in all, and how
-- many streams may be opened for it. What is beyond is told
-- <resource-constraint/>, name by name, and a stream that goes on is closed.

module:set_global();

local errors = require "util.error";
local nameprep = require "util.encodings".stringprep.nameprep;
local st = require "util.stanza";

local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";

local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local gate = module:shared("/*/xmppfed_outgoing/gate"); -- why_not_open
local asking = module:shared("asking"); -- "ours theirs" -> set of incoming sessions that wait for the verdict
local limits; -- as rendered from internal/engine/prosody/limits.go

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local function size(set)
	local n = 0;
	for _ in pairs(set or {}) do n = n + 1; end
	return n;
end

-- Why session may not have another name verified, or nil.
local function why_not_verify(session, ours, name)
	local pending = session.xmppfed_pending or {};
	if pending[name] or size(pending) >= limits.pending_names then return "pending names"; end
	if not session.hosts[name] and size(session.hosts) >= limits.names then return "names"; end
	local host = prosody.hosts[ours];
	if host and not host.s2sout[name] then return gate.why_not_open(name, true); end
end

local function decline(session, ours, name, condition)
	session.sends2s(st.stanza("db:result", { from = ours, to = name, type = "error" })
		:tag("error", { type = "wait" }):tag(condition, { xmlns = xmlns_stanzas }));
end

local function refuse(session, ours, name, reason)
	counters[reason] = (counters[reason] or 0) + 1;
	session.xmppfed_refused = (session.xmppfed_refused or 0) + 1;
	if session.xmppfed_refused > limits.refused_names then
		session:close({ condition = "resource-constraint", text = "too many names to verify" });
	else
		decline(session, ours, name, "resource-constraint");
	end
	return true;
end

local function note(session, ours, name)
	local key = ours.." "..name;
	asking[key] = asking[key] or {};
	asking[key][session] = true;
	session.xmppfed_pending = session.xmppfed_pending or {};
	session.xmppfed_pending[name] = ours;
end

local function forget(session, ours, name)
	local key = ours.." "..name;
	if session.xmppfed_pending then session.xmppfed_pending[name] = nil; end
	if not asking[key] then return; end
	asking[key][session] = nil;
	if next(asking[key]) == nil then asking[key] = nil; end
end

local function waiters(ours, name)
	local list = {};
	for session in pairs(asking[ours.." "..name] or {}) do list[#list + 1] = session; end
	return list;
end

-- Their key, after mod_xmppfed_peers has judged the name and before mod_dialback asks about it.
local function on_result(event)
	local session, attr = event.origin, event.stanza.attr;
	local ours, name = attr.to and nameprep(attr.to), attr.from and nameprep(attr.from);
	if session.direction ~= "incoming" or not (ours and name) then return nil; end
	local reason = why_not_verify(session, ours, name);
	if reason then return refuse(session, ours, name, reason); end
	note(session, ours, name);
end

-- The verdict on a key, before mod_dialback passes it on.
local function on_verdict(event)
	local stream, attr = event.origin, event.stanza.attr;
	if stream.direction ~= "outgoing" or not attr.from then return; end
	for _, session in ipairs(waiters(stream.from_host, attr.from)) do
		if session.streamid == attr.id then forget(session, stream.from_host, attr.from); end
	end
end

-- The end of a stream that was to bring a verdict; mod_dialback says nothing to those who wait for it.
local function on_end_of_verifier(stream, why)
	local ours, name = stream.from_host, stream.to_host;
	local condition = errors.is_err(why) and why.condition or "remote-server-timeout";
	for _, session in ipairs(waiters(ours, name)) do
		forget(session, ours, name);
		if not session.destroyed then decline(session, ours, name, condition); end
	end
end

module:hook("s2s-destroyed", function (event)
	local session = event.session;
	for name, ours in pairs(session.xmppfed_pending or {}) do forget(session, ours, name); end
	if session.direction == "outgoing" then on_end_of_verifier(session, event.reason); end
end);

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("stanza/jabber:server:dialback:result", on_result, 900);
	module:hook("stanza/jabber:server:dialback:verify", on_verdict, 900);
end

module:hook("config-reloaded", read_limits);
read_limits();
