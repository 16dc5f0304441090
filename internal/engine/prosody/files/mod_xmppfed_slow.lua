-- SPDX-License-Identifier: Apache-2.0
--
-- Ends connections whose other side reads too slowly, or a server that doesn't
-- acknowledge what it reads (XEP-0198), before what is kept for it fills the memory:
-- by connection, by the group of domains behind it, and in all, those with the most
-- first. Senders are told.

module:set_global();

local st = require "util.stanza";
local timer = require "util.timer";
local connections = module:require "xmppfed_cut";
local group_of = module:require "xmppfed_group".of;
local sent = module:require "xmppfed_sent";
local streams = module:require "xmppfed_session";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local limits; -- as rendered from internal/engine/prosody/limits.go

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local text = "the other side reads or acknowledges too slowly";

-- Not at once, because the session may be in the middle of something.
local function cut(session)
	if session.xmppfed_cut then return; end
	session.xmppfed_cut = true;
	counters["slow readers"] = (counters["slow readers"] or 0) + 1;
	session.log("warn", "Closing the connection, because %s", text);
	local conn = session.conn;
	timer.add_task(0, function () connections.cut(conn, text); end);
end

local stanzas = { message = true, presence = true, iq = true };

-- Returns a stanza to its sender; rooms take those who can't be reached for gone.
local function bounce(event)
	local stanza = event.stanza;
	local kind = stanza.attr.type;
	if stanzas[stanza.name] and kind ~= "error" and kind ~= "result" then
		local reply = st.error_reply(stanza, "wait", "remote-server-timeout", text);
		prosody.core_route_stanza(prosody.hosts[event.from_host], reply);
	end
	return true;
end

local function is_slow(session)
	return connections.unsent(session.conn) > limits.unsent_bytes or sent.bytes(session) > limits.unacknowledged_bytes;
end

-- Before mod_s2s writes to a stream.
local function on_route(event)
	local host = prosody.hosts[event.from_host];
	local session = host and host.s2sout[event.to_host];
	if not session or not session.conn or not streams.is_established(session) then return nil; end
	if is_slow(session) then cut(session); end
	if session.xmppfed_cut then return bounce(event); end
end

-- Sessions for which something is kept, those with the most first.
local function slow_sessions()
	local list = {};
	local function add(session, group)
		local conn = session.conn;
		if not (conn and conn.conn) or session.xmppfed_cut then return; end
		local bytes = connections.unsent(conn) + sent.bytes(session);
		if bytes > 0 then list[#list + 1] = { session = session, group = group, bytes = bytes }; end
	end
	for _, session in ipairs(streams.all()) do
		local _, theirs = streams.names(session);
		add(session, theirs and "domain "..group_of(state.peers, theirs) or "address "..tostring(session.ip));
	end
	for jid, session in pairs(prosody.full_sessions) do add(session, "user "..jid:match("^[^/]*")); end
	table.sort(list, function (a, b) return a.bytes > b.bytes; end);
	return list;
end

local function sweep()
	local list, groups, total = slow_sessions(), {}, 0;
	for _, slow in ipairs(list) do
		groups[slow.group] = (groups[slow.group] or 0) + slow.bytes;
		total = total + slow.bytes;
	end
	for _, slow in ipairs(list) do
		if is_slow(slow.session) or groups[slow.group] > limits.unsent_bytes_per_group
			or total > limits.unsent_bytes_in_all then
			cut(slow.session);
			groups[slow.group] = groups[slow.group] - slow.bytes;
			total = total - slow.bytes;
		end
	end
end

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("route/remote", on_route, 10);
end

local function on_established(event) sent.watch(event.session); end

module:hook("s2sin-established", on_established);
module:hook("s2sout-established", on_established);
for _, session in ipairs(streams.all()) do
	if streams.is_established(session) then sent.watch(session); end
end

module:add_timer(1, function () sweep(); return 1; end);
module:hook("config-reloaded", read_limits);
read_limits();
