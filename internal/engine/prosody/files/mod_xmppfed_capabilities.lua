-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds what mod_pep remembers of the clients of contacts, which is what they want to
-- be told (XEP-0163 section 4.3): it asks a client that it does not know, takes every
-- answer, also of those whom it has not asked, and forgets none but those that say
-- that they are gone.

local is_contact_subscribed = require "core.rostermanager".is_contact_subscribed;
local cache = require "util.cache";
local jid = require "util.jid";
local st = require "util.stanza";

local host = module.host;
local max_clients, max_of_contact = 2000, 20; -- of one user's contacts, and of one contact
local max_wanted, max_wanted_bytes = 64, 2048; -- nodes of one client, and their names

local xmlns_caps, xmlns_disco = "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info";
local known = module:shared("known"); -- user -> cache of the addresses of contacts' clients
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local farewell; -- presence that only mod_pep gets

-- Has mod_pep forget a client. That is nothing to be told about: those whose servers don't say that they are gone become many in time.
local function forget(user, client)
	known[user]:set(client, nil);
	farewell = st.presence({ from = client, to = jid.join(user, host), type = "unavailable" });
	module:fire_event("presence/bare", { origin = prosody.hosts[host], stanza = farewell });
end

-- Returns how many clients of a contact are known, and that of which nothing was heard for the longest time.
local function survey(clients, contact)
	local number, oldest = 0, nil;
	for client in clients:items() do
		if jid.bare(client) == contact then number, oldest = number + 1, client; end
	end
	return number, oldest;
end

local function make_room(user, client)
	local number, oldest = survey(known[user], jid.bare(client));
	if number >= max_of_contact then
		forget(user, oldest);
	elseif known[user]:count() >= max_clients then
		forget(user, (known[user]:tail()));
	end
end

local function learn(user, client)
	known[user] = known[user] or cache.new(max_clients);
	if not known[user]:get(client) then make_room(user, client); end
	known[user]:set(client, true);
end

module:hook("presence/bare", function (event)
	local attr = event.stanza.attr;
	local user = attr.to and jid.node(attr.to);
	if not user then return nil; end
	if attr.type == "unavailable" then
		if known[user] then known[user]:set(attr.from, nil); end
	elseif not attr.type and event.stanza:get_child("c", xmlns_caps) and is_contact_subscribed(user, host, jid.bare(attr.from)) then
		learn(user, attr.from);
	end
end, 20); -- before mod_pep

module:hook("presence/bare", function (event)
	return event.stanza == farewell or nil;
end, 5); -- after mod_pep

-- Whether what a client wants to be told is short enough to be remembered.
local function is_short(disco)
	local number, bytes = 0, 0;
	for _, tag in ipairs(disco.tags) do
		local node = tag.name == "feature" and tag.attr.var and tag.attr.var:match("^(.*)%+notify$");
		if node then number, bytes = number + 1, bytes + #node; end
	end
	return number <= max_wanted and bytes <= max_wanted_bytes;
end

module:hook("iq-result/bare/disco", function (event)
	local origin, stanza = event.origin, event.stanza;
	local from, to = stanza.attr.from, stanza.attr.to;
	local user, disco = to and jid.node(to) or origin.username, stanza:get_child("query", xmlns_disco);
	local own = jid.bare(from) == jid.join(user, host);
	if disco and is_short(disco) and (own or known[user] and known[user]:get(from)) then return nil; end
	counters["answers about clients"] = (counters["answers about clients"] or 0) + 1;
	return true;
end, 10); -- before mod_pep

module:hook_global("user-deleted", function (event)
	if event.host == host then known[event.username] = nil; end
end);
