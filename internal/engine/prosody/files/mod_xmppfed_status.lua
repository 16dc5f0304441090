-- SPDX-License-Identifier: Apache-2.0
--
-- GET /xmppfed/ready   200 when the server can take federation traffic, else 503
--                      and the reason. Says nothing secret and needs no token.
-- GET /xmppfed/status  JSON for the operator; Authorization: Bearer <token>.

module:set_global();
module:depends("http");

local configmanager = require "core.configmanager";
local portmanager = require "core.portmanager";
local array = require "util.array";
local equals = require "util.hashes".equals;
local it = require "util.iterators";
local json = require "util.json";

local token_path = module:get_option_string("xmppfed_secret_dir").."/token";
local state = module:shared("/*/xmppfed/state"); -- written by mod_xmppfed
local streams = module:shared("/*/s2s/sessions"); -- connection -> session, of mod_s2s

module:hook("s2s-created", function (event)
	event.session.xmppfed_opened = os.time();
end);

local function is_listening(service)
	return it.count(portmanager.get_active_services():iter(service, nil, nil, nil)) > 0;
end

local function why_not_ready()
	if not is_listening("s2s") then return "s2s is not listening"; end
	if not state.certificate then return state.problem or "starting"; end
	for host in pairs(configmanager.getconfig()) do
		local active = host == "*" or rawget(prosody.hosts, host);
		if not active then return host.." is not active"; end
		if host ~= "*" and not (active.modules.s2s and active.modules.tls) then return host.." has no federation"; end
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

local function authentication(session)
	if session.type ~= "s2sin" and session.type ~= "s2sout" then return ""; end
	return session.external_auth == "succeeded" and "EXTERNAL" or "dialback";
end

local function tls_version(session)
	local conn = session.secure and session.conn;
	if not conn then return ""; end
	local info;
	if conn.ssl_info then
		info = conn:ssl_info();
	else -- 0.12 leaves it to LuaSec
		local socket = conn:socket();
		info = socket.info and socket:info();
	end
	return info and info.protocol or "";
end

local function describe(session)
	local outgoing = session.direction == "outgoing";
	return {
		direction = session.direction;
		bidirectional = session.incoming and session.outgoing and true or false;
		["local"] = (outgoing and session.from_host or session.to_host) or "";
		remote = (outgoing and session.to_host or session.from_host) or "";
		secure = session.secure and true or false;
		tlsVersion = tls_version(session);
		authentication = authentication(session);
		age = os.time() - (session.xmppfed_opened or os.time());
	};
end

local function read_token()
	local file = io.open(token_path, "rb");
	if not file then return nil; end
	local token = file:read("*a");
	file:close();
	return token ~= "" and token or nil;
end

local function status(event)
	local token, given = read_token(), (event.request.headers.authorization or ""):match("^Bearer (.+)$");
	if not (token and given and equals(given, token)) then
		event.response.headers.www_authenticate = "Bearer";
		return 401;
	end
	event.response.headers.content_type = "application/json";
	local sessions = array();
	for _, session in pairs(streams) do sessions:push(describe(session)); end
	return json.encode({
		engine = "Prosody";
		version = prosody.version;
		generation = state.generation or "";
		secretGeneration = state.secret_generation or "";
		configError = state.problem or "";
		certificate = state.certificate or { serial = "", notAfter = "" };
		hosts = array.collect(it.keys(prosody.hosts)):sort();
		sessions = sessions;
	});
end

module:provides("http", {
	name = "xmppfed";
	default_path = "/xmppfed";
	cors = { enabled = false };
	route = { ["GET /ready"] = ready, ["GET /status"] = status };
});
