-- SPDX-License-Identifier: Apache-2.0
--
-- Keeps the promise of an acknowledgement: a message is on disk before its sender,
-- such as a partner's server, is told that it was taken, and stays there until the
-- user's client acknowledges it. mod_smacks holds messages in memory only, for a
-- client that is gone for a while (or doesn't answer yet), and the newest 500 only.
-- Those that a server which was killed has left go to the offline messages.

local id = require "util.id";
local filters = require "util.filters";
local st = require "util.stanza";
local journal = module:require "xmppfed_journal";

local xmlns_sm2, xmlns_sm3 = "urn:xmpp:sm:2", "urn:xmpp:sm:3";
local xmlns_carbons, xmlns_mam = "urn:xmpp:carbons:2", "urn:xmpp:mam:2";

local offline = module:open_store("offline", "archive");
local replayed = module:shared("/*/xmppfed/replayed"); -- host -> true, once in the life of the server
local messages = setmetatable({}, { __mode = "k" }); -- stanza -> what it is called, as several sessions may get the same

-- Those that would be offline messages if nobody were there.
local function is_kept(stanza)
	local kind = stanza.attr.type or "normal";
	return stanza.name == "message" and (not stanza.attr.xmlns or stanza.attr.xmlns == "jabber:client")
		and (kind == "chat" or kind == "normal")
		and not (stanza:get_child("sent", xmlns_carbons) or stanza:get_child("received", xmlns_carbons))
		and not stanza:get_child("result", xmlns_mam);
end

local function store_offline(user, entries)
	for _, entry in ipairs(entries) do
		if not offline:append(user, nil, st.deserialize(entry.x), entry.w, "") then return false; end
	end
	return true;
end

local function refuse(stanza)
	local text = "The message can't be stored until the recipient is back";
	if stanza.attr.type ~= "error" then module:send(st.error_reply(stanza, "wait", "resource-constraint", text)); end
end

-- Comes just before the filter of mod_smacks, which counts the stanza.
local function on_sent(stanza, session)
	local queue = session.smacks and session.outgoing_stanza_queue;
	if not queue or not st.is_stanza(stanza) or not is_kept(stanza) then return stanza; end
	local own, number = session.xmppfed_unacked, queue:count_acked() + queue:count_unacked() + 1;
	messages[stanza] = messages[stanza] or id.short();
	if journal.append(session.username, journal.entry(own.token, number, messages[stanza], stanza)) then
		own.last = number;
	elseif session.hibernating then
		refuse(stanza);
		return nil;
	end
	return stanza;
end

local function has_outstanding(user)
	local sessions = prosody.hosts[module.host].sessions[user];
	for _, session in pairs(sessions and sessions.sessions or {}) do
		if session.xmppfed_unacked and session.xmppfed_unacked.last then return true; end
	end
	return false;
end

-- Everything up to a number needs no keeping any more.
local function settle(session, number)
	local own, user = session.xmppfed_unacked, session.username;
	if not own or not own.last or number <= (own.settled or 0) then return; end
	own.settled = number;
	if number >= own.last then own.last = nil; end
	if has_outstanding(user) then
		journal.append(user, { t = own.token, h = number });
	else
		journal.clear(user);
	end
end

local function on_ack(session, stanza)
	local queue, number = session.outgoing_stanza_queue, tonumber(stanza.attr.h);
	if session.xmppfed_unacked and queue and number and number <= queue:count_acked() + queue:count_unacked() then
		settle(session, number);
	end
end

-- What has fallen out of the queue of mod_smacks goes first to the offline messages, where that puts the rest.
local function rescue(session)
	local own, queue = session.xmppfed_unacked, session.smacks and session.outgoing_stanza_queue;
	if not own or not own.last or not queue or queue:resumable() then return; end
	local first = queue:count_acked() + 1;
	local last = queue:count_acked() + queue:count_unacked() - queue._queue:count();
	local lost = {};
	for _, entry in ipairs(journal.load(session.username) or {}) do
		if entry.t == own.token and entry.s and entry.s >= first and entry.s <= last then lost[#lost + 1] = entry; end
	end
	if not store_offline(session.username, lost) then
		module:log("error", "Storing messages that user %s has not acknowledged: some are lost", session.username);
	end
end

local function watch(session)
	filters.add_filter(session, "stanzas/out", on_sent, -998);
end

module:hook("resource-bind", function (event)
	event.session.xmppfed_unacked = { token = id.short() };
	watch(event.session);
end);
module:hook("smacks-hibernation-end", function (event) -- with the filters of another stream
	local session = event.resumed;
	if not session.xmppfed_unacked then return; end
	watch(session);
	settle(session, session.outgoing_stanza_queue:count_acked());
end);
module:hook_tag(xmlns_sm2, "a", on_ack, 100);
module:hook_tag(xmlns_sm3, "a", on_ack, 100);
module:hook("pre-resource-unbind", function (event)
	if not event.session.resumption_token then rescue(event.session); end
end, 10);
module:hook("resource-unbind", function (event) -- mod_smacks has stored or returned its queue
	settle(event.session, math.maxinteger or 2^53);
end, -10);

local function sessions()
	local list = {};
	for _, user in pairs(prosody.hosts[module.host].sessions or {}) do
		for _, session in pairs(user.sessions) do list[#list + 1] = session; end
	end
	return list;
end

module:hook_global("server-stopping", function () -- before mod_smacks
	for _, session in ipairs(sessions()) do rescue(session); end
end, -80);

-- What the server before this one has left.
local function replay(user)
	local entries, err = journal.load(user);
	if not entries then
		module:log("error", "Reading messages that user %s has not acknowledged: %s", user, err);
		return;
	end
	local left = journal.outstanding(entries);
	if not store_offline(user, left) then
		module:log("error", "Storing messages that user %s has not acknowledged: there are %d, and no room", user, #left);
		return;
	end
	journal.clear(user);
	if left[1] then module:log("info", "Stored %d messages that user %s has not acknowledged", #left, user); end
end

if not replayed[module.host] then
	replayed[module.host] = true;
	local left = {};
	for user in journal.users() do left[#left + 1] = user; end
	for _, user in ipairs(left) do replay(user); end
end
for _, session in ipairs(sessions()) do
	if session.xmppfed_unacked then watch(session); end
end

function module.unload()
	for _, session in ipairs(sessions()) do filters.remove_filter(session, "stanzas/out", on_sent); end
end
