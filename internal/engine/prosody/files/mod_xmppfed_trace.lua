-- SPDX-License-Identifier: Apache-2.0
--
-- Notes on every stream how far it came and what ended it, for the answers of
-- mod_xmppfed_ping. The notes live in the session, as xmppfed_trace, and end
-- with it.

module:set_global();

local errors = require "util.error";
local now = require "util.time".monotonic;

local latest = module:shared("latest"); -- trace: of the stream that is being created, for mod_xmppfed_route

local function note(session, stage)
	if session.direction == "outgoing" and session.xmppfed_trace then session.xmppfed_trace.stage = stage; end
end

local function stream_error(condition, text)
	return { condition = condition, text = text or "" };
end

-- mod_s2s passes on a stream error it has received as "condition (text)".
local function received(reason)
	local condition, text = reason:match("^([a-z][a-z-]+) %((.*)%)$");
	condition = condition or reason:match("^[a-z][a-z-]+$");
	return condition and stream_error(condition, text);
end

local function note_close(trace, reason, remote_reason)
	trace.ended = true;
	if reason == false then
		trace.failure = "the partner closed the stream";
	elseif type(reason) == "string" then
		trace.sent = stream_error(reason);
	elseif reason then
		trace.sent = stream_error(reason.condition or "undefined-condition", reason.text);
	elseif type(remote_reason) == "string" then
		trace.received = received(remote_reason);
		trace.failure = trace.received and "" or remote_reason;
	end
end

module:hook("s2s-created", function (event) -- connected; close is set by now
	local session = event.session;
	session.xmppfed_opened = now();
	session.xmppfed_trace = session.xmppfed_trace or { stage = "answer" }; -- an incoming one; may carry stanzas both ways
	local close = session.close;
	function session:close(reason, remote_reason, ...)
		local trace = self.xmppfed_trace;
		if trace and not trace.ended then note_close(trace, reason, remote_reason); end
		return close(self, reason, remote_reason, ...);
	end
end);

module:hook("s2sout-connected", function (event) note(event.session, "stream"); end);
module:hook("s2sout-established", function (event) note(event.session, "answer"); end);

-- First of all who hear of it, so that they find the notes complete.
module:hook("s2s-destroyed", function (event)
	local trace, reason = event.session.xmppfed_trace, event.reason;
	if not trace or trace.ended then return; end
	trace.ended = true;
	if errors.is_err(reason) then reason = reason.text; end
	-- Which kind of address was looked up last in vain is a matter of chance.
	trace.failure = tostring(reason or "the connection was closed"):gsub(" in A+ lookup$", " in address lookup");
end, 1000);

local certificate_troubles = {
	{ "certificate has expired", "expired" };
	{ "certificate is not yet valid", "not yet valid" };
	{ "self signed certificate", "self-signed" };
	{ "self-signed certificate", "self-signed" };
};

-- What is wrong with the certificate itself; of its chain, nothing but that it isn't trusted.
local function certificate_trouble(session)
	if session.cert_chain_status == "valid" then
		return session.cert_identity_status ~= "valid" and "wrong name" or "";
	end
	local found = session.cert_chain_errors;
	local own = type(found) == "table" and found[1] or { found };
	for _, trouble in ipairs(certificate_troubles) do
		for _, text in pairs(own) do
			if text == trouble[1] then return trouble[2]; end
		end
	end
	return "untrusted";
end

module:hook("s2s-check-certificate", function (event) -- judged at 509
	local trace = event.session.xmppfed_trace;
	if trace then trace.certificate_trouble = event.cert and certificate_trouble(event.session) or "none was shown"; end
end, 500);

-- Authentication --------------------------------------------------------------

-- They turn our certificate down; mod_dialback goes on from there.
local function on_sasl_failure(session, failure)
	local trace = session.xmppfed_trace;
	if not trace then return; end
	trace.external = "unknown";
	for _, tag in ipairs(failure.tags) do
		if tag.name ~= "text" then trace.external = tag.name; end
	end
end

local function on_result(event)
	local session, stanza = event.origin, event.stanza;
	local trace = session.xmppfed_trace;
	if session.direction ~= "outgoing" or not trace or stanza.attr.type == "valid" then return; end
	local why = tostring(stanza.attr.type);
	for _, tag in ipairs(stanza.tags) do
		if tag.name == "error" and tag.tags[1] then why = tag.tags[1].name; end
	end
	trace.dialback, trace.unasked = why, not trace.asked;
end

-- The partner asks whether the key of our outgoing stream is ours.
local function on_verify(event)
	local session, attr = event.origin, event.stanza.attr;
	local host = session.direction == "incoming" and attr.to and prosody.hosts[attr.to];
	local stream = host and attr.from and host.s2sout[attr.from];
	if stream and stream.streamid == attr.id and stream.xmppfed_trace then stream.xmppfed_trace.asked = true; end
end

local function on_created(event)
	event.session.xmppfed_trace = { stage = "resolve" };
	latest.trace = event.session.xmppfed_trace;
end

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("s2sout-created", on_created, 2000);
	module:hook_tag("http://etherx.jabber.org/streams", "features", function (session)
		note(session, session.secure and "authenticate" or "tls");
	end, 2000);
	module:hook_tag("http://etherx.jabber.org/streams", "features", function (session)
		note(session, "authenticate"); -- mod_tls (500) has not taken over
	end, 400);
	module:hook("s2sout-authenticate-legacy", function (event) note(event.origin, "tls"); end, 2000);
	module:hook("s2sout-authenticate-legacy", function (event) note(event.origin, "authenticate"); end, 150);
	module:hook_tag("urn:ietf:params:xml:ns:xmpp-sasl", "failure", on_sasl_failure, 2000);
	module:hook("stanza/jabber:server:dialback:result", on_result, 2000);
	module:hook("stanza/jabber:server:dialback:verify", on_verify, 2000);
end
