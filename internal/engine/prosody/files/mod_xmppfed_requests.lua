-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the requests to see a user's presence (RFC 6121 section 3.1) that wait for
-- the user's answer: how many there are, of each domain and in all, how fast they
-- come, and how large they are. They are stored with the user's roster, which is
-- written as a whole, and delivered at each login.

local rostermanager = require "core.rostermanager";
local user_exists = require "core.usermanager".user_exists;
local jid = require "util.jid";
local st = require "util.stanza";
local buckets = module:require "xmppfed_buckets";
local groups = module:require "xmppfed_group";
local policy = module:require "xmppfed_policy";

local host = module.host;
local max_of_user, max_of_group = 200, 50;
local max_text = 512; -- bytes of what a request may say
local xmlns_nick = "http://jabber.org/protocol/nick";
local kept_attributes = { from = true, to = true, type = true, id = true, ["xml:lang"] = true };

local state = module:shared("/*/xmppfed/state"); -- peers
local counters = module:shared("/*/xmppfed/requests"); -- refused, for mod_xmppfed_status
counters.refused = counters.refused or 0;
local rates = buckets.new(4096, max_of_group, 60); -- user and group

-- Those who can make names without number count as one; own domains make none.
local function group_of(address)
	local _, domain = jid.split(address);
	return prosody.hosts[domain] and "" or groups.of(state.peers, domain);
end

local function by_group(pending)
	local counts, total, largest = {}, 0, nil;
	for address in pairs(pending) do
		local group = group_of(address);
		counts[group], total = (counts[group] or 0) + 1, total + 1;
		if not largest or counts[group] > counts[largest] then largest = group; end
	end
	return counts, total, largest;
end

local function drop_one(pending, group)
	for address in pairs(pending) do
		if group_of(address) == group then
			pending[address] = nil;
			return;
		end
	end
end

-- Whether one more request may wait. Where there are many, those of whom there are most give way.
local function make_room(user, from, pending)
	local group, counts, total, largest = group_of(from), by_group(pending);
	local own = counts[group] or 0;
	if group ~= "" and own >= max_of_group then return false; end
	if total >= max_of_user and counts[largest] <= own + 1 then return false; end
	if group ~= "" and not rates:take(user.." "..group) then return false; end
	if total >= max_of_user then drop_one(pending, largest); end
	return true;
end

local function is_short(tag)
	return #tag:get_text() <= max_text and not tag.tags[1];
end

-- Leaves of a request what a user can judge it by.
local function trim(stanza)
	for name, value in pairs(stanza.attr) do
		if not kept_attributes[name] or name == "id" and #value > max_text then stanza.attr[name] = nil; end
	end
	local kept = {};
	for _, tag in ipairs({ stanza:get_child("status") or false, stanza:get_child("nick", xmlns_nick) or false }) do
		if tag and is_short(tag) then kept[#kept + 1] = st.stanza(tag.name, { xmlns = tag.attr.xmlns }):text(tag:get_text()); end
	end
	for i = #stanza, 1, -1 do stanza[i] = nil; end
	for i = #stanza.tags, 1, -1 do stanza.tags[i] = nil; end
	for _, tag in ipairs(kept) do stanza:add_direct_child(tag); end
end

-- Strangers must not learn by it that there is such a user (mod_xmppfed_strangers).
local function refuse(origin, stanza)
	local _, domain = jid.split(stanza.attr.from);
	if prosody.hosts[domain] or policy.admits(state.peers, "accounts", domain) then
		local text = "Too many requests wait for an answer of this user";
		origin.send(st.error_reply(stanza, "wait", "resource-constraint", text));
	else
		module:send(st.presence({ from = jid.bare(stanza.attr.to), to = jid.bare(stanza.attr.from), type = "unavailable" }));
	end
	return true;
end

local function on_request(event)
	local origin, stanza = event.origin, event.stanza;
	if stanza.attr.type ~= "subscribe" then return nil; end
	local from, user = jid.bare(stanza.attr.from), jid.node(stanza.attr.to);
	if not user_exists(user, host) then return nil; end
	local roster = rostermanager.load_roster(user, host);
	local pending, item = roster[false].pending, roster[from];
	if pending[from] or item and (item.subscription == "from" or item.subscription == "both") then return nil; end
	trim(stanza);
	if make_room(user, from, pending) then return nil; end
	counters.refused = counters.refused + 1;
	return refuse(origin, stanza);
end

module:hook("presence/bare", on_request, 100);
module:hook("presence/full", on_request, 100);

-- Before requests are delivered at login: those of domains that are denied by now, and those above the bounds, go.
module:hook("presence/initial", function (event)
	local session = event.origin;
	local pending = session.roster[false].pending;
	local _, before = by_group(pending);
	for address in pairs(pending) do
		local _, domain = jid.split(address);
		local denied = not prosody.hosts[domain] and policy.lookup(state.peers, domain).access == "Deny";
		if denied then pending[address] = nil; end
	end
	local counts, total, largest = by_group(pending);
	while total > max_of_user or largest and largest ~= "" and counts[largest] > max_of_group do
		drop_one(pending, largest);
		counts, total, largest = by_group(pending);
	end
	if total < before then rostermanager.save_roster(session.username, host, session.roster); end
end, 100);
