-- SPDX-License-Identifier: Apache-2.0
--
-- What can be told of a server-to-server stream. Functions without state, for
-- Prosody 0.12 and 13, which keep some things in different places.

local array = require "util.array";
local net = require "util.net"; -- util.ip of 0.12 can't truncate addresses
local now = require "util.time".monotonic;
local verify_identity = require "util.x509".verify_identity;

local max_name = 253; -- bytes; unauthenticated names come from strangers and can be longer

local mapped = ("\0"):rep(10).."\255\255"; -- of IPv4 addresses in IPv6

-- The address to count for. One owner of an IPv6 address has all 2^64 of its network.
local function network(address)
	local packed = address and net.pton((address:gsub("%%.*", "")));
	if not packed then return "unknown"; end
	if #packed == 4 then return net.ntop(packed); end
	if packed:sub(1, 12) == mapped then return net.ntop(packed:sub(13)); end
	return net.ntop(packed:sub(1, 8)..("\0"):rep(8)).."/64";
end

local function names(session)
	if session.direction == "outgoing" then return session.from_host, session.to_host; end
	return session.to_host, session.from_host;
end

local function is_established(session)
	return session.type == "s2sin" or session.type == "s2sout";
end

local function peer_certificate(conn)
	if conn.ssl_peercertificate then return conn:ssl_peercertificate(); end
	local socket = conn:socket(); -- 0.12 leaves it to LuaSec
	return socket.getpeercertificate and socket:getpeercertificate();
end

-- Whether the other side's certificate is valid and names name. Prosody has
-- judged the name of the stream; a stream may carry others besides (XEP-0220).
local function is_certified(session, name)
	if not session.secure or session.cert_chain_status ~= "valid" then return false; end
	local _, theirs = names(session);
	if name == theirs and session.cert_identity_status == "valid" then return true; end
	local certificate = peer_certificate(session.conn);
	return certificate and verify_identity(name, "xmpp-server", certificate) or false;
end

-- SASL EXTERNAL is for the name of the stream; all others come by dialback.
local function mechanism(session, name)
	local _, theirs = names(session);
	return session.external_auth == "succeeded" and name == theirs and "EXTERNAL" or "dialback";
end

-- The names the other side has proven on an incoming stream.
local function proven(session)
	local list = {};
	for name, host in pairs(session.hosts or {}) do
		if host.authed then list[#list + 1] = name; end
	end
	table.sort(list);
	return list;
end

local function tls_version(session)
	local conn = session.secure and session.conn;
	if not conn then return ""; end
	local info;
	if conn.ssl_info then
		info = conn:ssl_info();
	else
		local socket = conn:socket();
		info = socket.info and socket:info();
	end
	return info and info.protocol or "";
end

local function queue(session)
	local waiting = session.sendq;
	if not waiting then return 0; end
	return waiting.count and waiting.count() or #waiting; -- 0.12 has a plain list
end

local function describe(session, name)
	local ours, theirs = names(session);
	name = name or theirs;
	return {
		direction = session.direction;
		bidirectional = session.incoming and session.outgoing and true or false;
		["local"] = (ours or ""):sub(1, max_name);
		remote = (name or ""):sub(1, max_name);
		secure = session.secure and true or false;
		tlsVersion = tls_version(session);
		authentication = is_established(session) and mechanism(session, name) or "";
		age = math.floor(now() - (session.xmppfed_opened or now()));
		queue = queue(session);
	};
end

-- All streams of this server, in a list: those that stand first, then those that are being opened.
local function all()
	local standing, opening = array(), array();
	local function add(session)
		(is_established(session) and standing or opening):push(session);
	end
	for session in pairs(prosody.incoming_s2s) do add(session); end
	for _, host in pairs(prosody.hosts) do
		for _, session in pairs(host.s2sout) do
			if session.direction == "outgoing" then add(session); end -- the others are bidirectional ones from above
		end
	end
	return standing:append(opening);
end

return {
	names = names, network = network, proven = proven, mechanism = mechanism, describe = describe, all = all, queue = queue,
	is_established = is_established, is_certified = is_certified,
};
