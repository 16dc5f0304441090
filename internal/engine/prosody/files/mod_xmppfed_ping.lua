-- SPDX-License-Identifier: Apache-2.0
--
-- GET /xmppfed/ping?from=<our domain>&to=<a partner's>  sends one ping (XEP-0199)
-- and answers with JSON once it is known what came of it; Authorization: Bearer
-- <token>. Nothing is remembered between two requests.

module:set_global();
module:depends("http");

local array = require "util.array";
local formdecode = require "util.http".formdecode;
local id = require "util.id";
local json = require "util.json";
local nameprep = require "util.encodings".stringprep.nameprep;
local now = require "util.time".monotonic; -- the clock of the node can be set
local st = require "util.stanza";
local timer = require "util.timer";
local for_operator = module:require "xmppfed_token";
local streams = module:require "xmppfed_session";

local time_limit = 35; -- seconds; the operator waits a little longer
local grace = 2; -- seconds for an answer to arrive, on another stream, when the one of the ping has ended
local max_pings = 128;
local max_text = 1024; -- bytes of what a partner says

local pings, count = {}, 0; -- id of the stanza -> ping

-- The stream that carries stanzas from ours to theirs.
local function carrier(ours, theirs)
	local host = prosody.hosts[ours];
	return host and host.s2sout[theirs];
end

local function cut(text)
	return tostring(text or ""):sub(1, max_text);
end

local function cut_error(stream_error)
	return stream_error and { condition = cut(stream_error.condition), text = cut(stream_error.text) };
end

-- The text of what went wrong below or beside stream errors; what says most comes first.
local function failure(ping, trace, stage)
	if ping.answered then return ""; end
	if stage ~= "answer" then
		if trace.dialback then return "dialback: "..trace.dialback; end
		if trace.external then return "EXTERNAL: "..trace.external; end
	end
	return cut(ping.failure or trace.failure);
end

local function result(ping)
	local session = carrier(ping.from, ping.to);
	local stands = session and streams.is_established(session);
	local trace = not ping.answered and ping.trace or session and session.xmppfed_trace or {};
	local stage = (ping.answered or stands and not ping.trace) and "answer" or trace.stage or "";
	return {
		answered = ping.answered or false;
		seconds = now() - ping.started;
		condition = ping.condition or "";
		text = cut(ping.text);
		stage = stage;
		received = cut_error(trace.received);
		sent = cut_error(trace.sent);
		failure = failure(ping, trace, stage);
		certificateTrouble = trace.certificate_trouble or "";
		unasked = trace.unasked or false;
		addresses = trace.addresses or array();
		session = stands and streams.describe(session, ping.to) or nil;
	};
end

local function forget(ping)
	if not pings[ping.id] then return false; end
	pings[ping.id], count = nil, count - 1;
	ping.context:unhook("iq-result/host/"..ping.id, ping.on_reply);
	ping.context:unhook("iq-error/host/"..ping.id, ping.on_reply);
	timer.stop(ping.timer);
	return true;
end

local function finish(ping)
	if forget(ping) then ping.response:send(json.encode(result(ping))); end
end

local function is_partner(origin)
	return (origin.type == "s2sin" or origin.type == "s2sout") and not origin.dummy;
end

-- An answer, or the error with which our own server returns the stanza.
local function on_reply(ping, event)
	local stanza = event.stanza;
	if stanza.attr.from ~= ping.to then return nil; end
	if stanza.attr.type == "error" then
		local _, condition, text = stanza:get_error();
		ping.condition, ping.text = condition, text;
	end
	ping.answered = is_partner(event.origin);
	if ping.answered then
		finish(ping);
	else
		timer.add_task(0, function () finish(ping); end); -- the stream's end is reported after its stanzas are returned
	end
	return true;
end

-- A stream that a ping may have waited for has ended.
module:hook("s2s-destroyed", function (event)
	local session = event.session;
	local ours, theirs = streams.names(session);
	if not session.outgoing then return; end
	for _, ping in pairs(pings) do
		if ping.from == ours and ping.to == theirs then
			ping.trace = session.xmppfed_trace;
			timer.add_task(grace, function () finish(ping); end);
		end
	end
end);

local function send(from, to, response)
	local ping = { id = id.long(), from = from, to = to, response = response, started = now() };
	ping.context = module:context(from);
	function ping.on_reply(event) return on_reply(ping, event); end
	ping.context:hook("iq-result/host/"..ping.id, ping.on_reply);
	ping.context:hook("iq-error/host/"..ping.id, ping.on_reply);
	ping.timer = timer.add_task(time_limit, function ()
		ping.failure = "timeout";
		finish(ping);
	end);
	pings[ping.id], count = ping, count + 1;
	function response.on_destroy() forget(ping); end -- the operator has gone away
	local stanza = st.iq({ type = "get", id = ping.id, from = from, to = to });
	ping.context:send(stanza:tag("ping", { xmlns = "urn:xmpp:ping" }));
end

-- A domain in its normal form, or nil.
local function domain(text)
	return text and text:match("^[%w.-]+$") and nameprep(text);
end

local function on_request(event)
	local query = formdecode(event.request.url.query or "");
	local from, to = domain(query.from), domain(query.to);
	if not (from and to and rawget(prosody.hosts, from)) or rawget(prosody.hosts, to) then return 400; end
	if count >= max_pings then return 503; end
	send(from, to, event.response);
	return true;
end

module:provides("http", {
	name = "xmppfed_ping";
	default_path = "/xmppfed";
	cors = { enabled = false };
	route = { ["GET /ping"] = for_operator(on_request) };
});

function module.unload()
	for _, ping in pairs(pings) do finish(ping); end
end
