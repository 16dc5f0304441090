-- SPDX-License-Identifier: Apache-2.0
--
-- What strangers learn of accounts: nothing. A stranger is who is neither of the audience
-- of accounts (peers.json) nor a contact who may see the user's presence. From strangers
-- messages and requests to see the presence arrive. For the rest they get the same answer
-- from every address, whether there is an account or not, and whether its user is there
-- or not (RFC 6120 sections 13.10.2 and 13.11, RFC 6121 section 8.5). So of messages that
-- can't be kept for one user they are not told; on a full volume that holds for all.

local is_contact_subscribed = require "core.rostermanager".is_contact_subscribed;
local user_exists = require "core.usermanager".user_exists;
local cache = require "util.cache";
local jid = require "util.jid";
local st = require "util.stanza";
local policy = module:require "xmppfed_policy";

local host = module.host;
local max_written = 64; -- to whom a session has written last

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local volume = module:shared("/*/xmppfed/volume"); -- full, refusal: written by mod_xmppfed_volume

-- Whether the sender is a stranger to the user of the address.
local function is_stranger(from, to)
	local _, domain = jid.split(from);
	if not domain or rawget(prosody.hosts, domain) or policy.admits(state.peers, "accounts", domain) then return false; end
	return not is_contact_subscribed(jid.node(to), host, jid.bare(from));
end

-- Whether a session of ours has told the sender that it is there: by a message, a request, or presence such as in a room.
local function is_acquainted(to, from)
	local session, bare = prosody.full_sessions[to], jid.bare(from);
	if not session then return false; end
	if session.xmppfed_written and session.xmppfed_written:get(bare) then return true; end
	for address in pairs(session.directed or {}) do
		if jid.bare(address) == bare then return true; end
	end
	return false;
end

local function on_written(event)
	local session, to = event.origin, event.stanza.attr.to;
	if session.type ~= "c2s" or not to then return nil; end
	session.xmppfed_written = session.xmppfed_written or cache.new(max_written);
	session.xmppfed_written:set(jid.bare(to), true);
end

local function unavailable(event)
	event.origin.send(st.error_reply(event.stanza, "cancel", "service-unavailable"));
	return true;
end

local function on_iq(event)
	local from, to, kind = event.stanza.attr.from, event.stanza.attr.to, event.stanza.attr.type;
	if kind ~= "get" and kind ~= "set" or not to or not is_stranger(from, to) or is_acquainted(to, from) then return nil; end
	return unavailable(event);
end

local kinds = { chat = true, error = true, groupchat = true, headline = true, normal = true };

-- Messages that would be answered with an error only where there is no account, or nobody there. Those of an unknown type
-- are normal ones (RFC 6121 section 5.2.2), also to modules that know of no others.
local function on_message(event)
	local attr = event.stanza.attr;
	if not kinds[attr.type] then attr.type = nil; end
	local from, to, kind = attr.from, attr.to, attr.type;
	if kind == "error" or not to then return nil; end
	if kind ~= "groupchat" and user_exists(jid.node(to), host) or not is_stranger(from, to) then return nil; end
	if kind == "groupchat" then
		if is_acquainted(to, from) then return nil; end
		return unavailable(event);
	end
	if volume.full and kind ~= "headline" then
		event.origin.send(st.error_reply(event.stanza, "wait", "resource-constraint", volume.refusal));
	else
		module:log("debug", "Discarded a message of %s to %s, which does not exist", from, to);
	end
	return true;
end

-- What the server itself answers to a message in the name of a user says that there is one.
local function on_answer(event)
	local origin, stanza = event.origin, event.stanza;
	if not origin or origin.type ~= "local" or stanza.name ~= "message" or stanza.attr.type ~= "error" then return nil; end
	local from, to = stanza.attr.from, stanza.attr.to;
	if not jid.node(from) or not is_stranger(to, from) then return nil; end
	local _, condition = stanza:get_error();
	if volume.full and condition == "resource-constraint" then return nil; end
	module:log("debug", "Not telling %s what became of a message to %s: %s", to, from, condition);
	return true;
end

-- A request to see the presence of nobody is taken as any other (RFC 6121 section 3.1.3).
local function on_presence(event)
	local stanza = event.stanza;
	local from, to = stanza.attr.from, stanza.attr.to;
	if stanza.attr.type ~= "subscribe" or not to or user_exists(jid.node(to), host) or not is_stranger(from, to) then return nil; end
	module:send(st.presence({ from = jid.bare(to), to = jid.bare(from), type = "unavailable" }));
	return true;
end

for _, kind in ipairs({ "bare", "full" }) do
	module:hook("iq/"..kind, on_iq, 1000);
	module:hook("message/"..kind, on_message, 1000);
	module:hook("presence/"..kind, on_presence, 1000);
	module:hook("pre-iq/"..kind, on_written, 1000);
	module:hook("pre-message/"..kind, on_written, 1000);
end
module:hook("route/remote", on_answer, 1000);
