-- SPDX-License-Identifier: Apache-2.0
--
-- Holds every stream to the policy of the domain at its other end. Prosody's own
-- options stay at their strictest, TLS and a valid certificate for everybody;
-- here that is relaxed where a policy says so, and access is decided. So a
-- failure here closes doors. The last word is in the wrapper of
-- "s2s-authenticated", which no stream gets around; everything before it makes
-- refusals early and their reasons plain.

module:set_global();

local modulemanager = require "core.modulemanager";
local errors = require "util.error";
local nameprep = require "util.encodings".stringprep.nameprep;
local st = require "util.stanza";
local policy = module:require "xmppfed_policy";
local streams = module:require "xmppfed_session";

local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned

local function policy_of(name)
	return policy.lookup(state.peers, name);
end

local function refuse(session, text)
	-- The second form is for our users whose stanzas wait for this stream.
	local bounce = errors.new({ type = "cancel", condition = "policy-violation", text = text });
	session:close({ condition = "policy-violation", text = text }, nil, bounce);
end

-- Why session must not carry stanzas between ours and theirs, or nil.
local function problem(session, ours, theirs, mechanism)
	local facts = { secure = session.secure, certified = streams.is_certified(session, theirs), mechanism = mechanism };
	return policy.violation(policy_of(theirs), facts, ours, theirs);
end

local function without(stanza, name, xmlns)
	stanza:maptags(function (tag)
		if tag.name ~= name or tag.attr.xmlns ~= xmlns then return tag; end
	end);
end

-- Incoming streams ------------------------------------------------------------

local function before_features(event)
	local session = event.origin;
	if session.type ~= "s2sin_unauthed" then return; end
	local theirs = session.from_host; -- nil when they don't say; dialback will tell
	local own = policy_of(theirs);
	if theirs and own.access ~= "Allow" then
		refuse(session, policy.violation(own, session, session.to_host, theirs));
		return true;
	end
	if theirs and own.tls == "Disabled" and not session.secure then session.ssl_ctx = false; end -- mod_tls leaves it alone
end

local function after_features(event)
	local session, features = event.origin, event.features;
	if session.type ~= "s2sin_unauthed" then return; end
	local own = policy_of(session.from_host);
	if own.tls ~= "Required" and features:get_child("starttls", xmlns_tls) then
		without(features, "starttls", xmlns_tls); -- with its <required/>
		features:reset():tag("starttls", { xmlns = xmlns_tls }):up();
	end
	if own.authentication == "Dialback" then
		without(features, "mechanisms", xmlns_sasl);
		session.external_auth = nil;
	end
end

-- Answers an element of dialback. An error for it alone is enough on a stream
-- that carries stanzas of other names already (XEP-0220 section 2.4).
local function decline(session, stanza, text)
	if session.type ~= "s2sin" then
		refuse(session, text);
		return;
	end
	local attr = stanza.attr;
	session.sends2s(st.stanza("db:"..stanza.name, { from = attr.to, to = attr.from, id = attr.id, type = "error" })
		:tag("error", { type = "cancel" })
			:tag("policy-violation", { xmlns = xmlns_stanzas }):up()
			:tag("text", { xmlns = xmlns_stanzas }):text(text));
end

-- They want to prove a name by dialback.
local function on_result(event)
	local session, stanza = event.origin, event.stanza;
	local name = stanza.attr.from and nameprep(stanza.attr.from);
	if session.direction ~= "incoming" or not name then return; end
	local text = problem(session, stanza.attr.to, name, "dialback");
	if text then
		decline(session, stanza, text);
		return true;
	end
end

-- They ask about a name of ours.
local function on_verify(event)
	local session, stanza = event.origin, event.stanza;
	local name = stanza.attr.from and nameprep(stanza.attr.from);
	if session.direction ~= "incoming" or not name then return; end
	local text = policy.violation(policy_of(name), { secure = session.secure, certified = true }, stanza.attr.to, name);
	if text then
		decline(session, stanza, text);
		return true;
	end
end

-- Outgoing streams ------------------------------------------------------------

local function on_created(event)
	local session = event.session;
	if policy_of(session.to_host).tls == "Disabled" then session.ssl_ctx = false; end
end

local function no_encryption(session)
	if policy_of(session.to_host).tls == "Required" then
		refuse(session, ("%s offers no encryption (TLS), which the policy of %s requires")
			:format(session.to_host, session.from_host));
		return true;
	end
	session.ssl_ctx = false; -- mod_tls would try in spite of that
end

local function on_features(session, features)
	if session.type ~= "s2sout_unauthed" then return; end
	local own = policy_of(session.to_host);
	if own.authentication == "Dialback" then without(features, "mechanisms", xmlns_sasl); end
	if session.secure then return; end
	local starttls = features:get_child("starttls", xmlns_tls);
	if not starttls then return no_encryption(session); end
	if own.tls ~= "Disabled" then
		session.ssl_ctx = session.ssl_ctx or nil; -- false when it was Disabled as the stream was created
	elseif starttls:get_child("required") then
		refuse(session, ("%s insists on encryption (TLS), which the policy of %s does not allow")
			:format(session.to_host, session.from_host));
		return true;
	end
end

-- Streams without features, of servers older than XMPP 1.0.
local function on_legacy(event)
	if not event.origin.secure then return no_encryption(event.origin); end
end

local stanzas = { message = true, presence = true, iq = true };

local function bounce(stanza, ours, theirs)
	local kind = stanza.attr.type;
	if not stanzas[stanza.name] or kind == "error" or kind == "result" then return; end
	local text = policy.violation(policy_of(theirs), {}, ours, theirs);
	prosody.core_route_stanza(prosody.hosts[ours], st.error_reply(stanza, "cancel", "not-allowed", text));
end

local function on_route(event)
	if policy_of(event.to_host).access == "Allow" then return; end
	bounce(event.stanza, event.from_host, event.to_host);
	return true;
end

-- Both ------------------------------------------------------------------------

-- mod_s2s refuses what is not encrypted. Where the policy allows it, it is told
-- for a moment that everything is fine.
local function as_if_encrypted(session, proceed)
	local before = session.secure;
	session.secure, session.authenticated_remote = true, true;
	local ok, result = pcall(proceed);
	session.secure = before;
	if not ok then error(result, 0); end
	return result;
end

local function on_authenticated(handlers, event_name, event)
	local session, name = event.session, event.host;
	local function proceed() return handlers(event_name, event); end
	if session.destroyed then return proceed(); end
	local text = problem(session, streams.names(session), name, event.mechanism);
	if text then
		refuse(session, text);
		return false;
	end
	if session.type == "s2sin_unauthed" and name ~= session.from_host then
		session.outgoing = nil; -- or mod_s2s would send to the name in the header what is for somebody else
	end
	if session.secure then return proceed(); end
	return as_if_encrypted(session, proceed);
end

-- Before mod_s2s (-1), which refuses invalid certificates, and after they are
-- judged (509). A stream that doesn't say whose it is can only go on to dialback.
module:hook("s2s-check-certificate", function (event)
	local own = event.host and policy_of(event.host);
	if not own or own.access == "Allow" and own.authentication ~= "Certificate" then return true; end
end);

-- Takes back what no longer is as the policies want it. Returns why the stream has to end, or nil.
local function why_close(session)
	local ours, theirs = streams.names(session);
	if not streams.is_established(session) then
		local own = theirs and policy_of(theirs);
		return own and own.access ~= "Allow" and policy.violation(own, {}, ours, theirs);
	end
	local proven = session.direction == "outgoing" and { theirs } or streams.proven(session);
	local reason, kept;
	for _, name in ipairs(proven) do
		local text = problem(session, ours, name, streams.mechanism(session, name));
		if text and name == theirs then return text; end
		if text then
			session.hosts[name].authed = nil; -- the stream may stay for its other names
			reason = text;
		end
		kept = kept or not text;
	end
	return not kept and reason;
end

module:hook("xmppfed-peers-changed", function ()
	for _, session in ipairs(streams.all()) do
		local reason = why_close(session);
		if reason then refuse(session, reason); end
	end
end);

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("s2s-stream-features", before_features, 1000);
	module:hook("s2s-stream-features", after_features, -1000);
	module:hook("stanza/jabber:server:dialback:result", on_result, 1000);
	module:hook("stanza/jabber:server:dialback:verify", on_verify, 1000);
	module:hook("s2sout-created", on_created, 1000);
	module:hook_tag("http://etherx.jabber.org/streams", "features", on_features, 600); -- before mod_tls, 500
	module:hook("s2sout-authenticate-legacy", on_legacy, 300); -- before mod_tls, 200
	module:hook("route/remote", on_route, 100); -- before mod_s2s, -1
	module:wrap_event("s2s-authenticated", on_authenticated);
	modulemanager.load(module.host, "s2s"); -- the configuration leaves it to us, now that nothing gets past
end
