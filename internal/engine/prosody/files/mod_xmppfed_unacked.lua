-- SPDX-License-Identifier: Apache-2.0
--
-- Keeps the promise of an acknowledgement: a message is on disk before its sender,
-- such as a partner's server, is told that it was taken, and stays there until the
-- user's client acknowledges it. mod_smacks holds messages in memory only, for a
-- client that is gone for a while (or doesn't answer yet), and the newest 500 only.
-- Those that are left, by a server which was killed or a session that ended, go to
-- the offline messages; where there is no room for that they wait for it here.

local it = require "util.iterators";
local id = require "util.id";
local filters = require "util.filters";
local st = require "util.stanza";
local journal = module:require "xmppfed_journal";
local lists = module:require "xmppfed_lists";

local xmlns_sm2, xmlns_sm3 = "urn:xmpp:sm:2", "urn:xmpp:sm:3";
local all = math.maxinteger or 2^53; -- the number of every stanza
local xmlns_carbons, xmlns_mam = "urn:xmpp:carbons:2", "urn:xmpp:mam:2";

local retry = 10; -- seconds between two attempts to store what is left
local offline = module:open_store("offline", "archive");
local left = module:shared("left"); -- user -> { tokens = { [session that ended] = true }, stored = { [message] = true } }
local replayed = module:shared("/*/xmppfed/replayed"); -- host -> true, once in the life of the server
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local fates = setmetatable({}, { __mode = "k" }); -- stanza -> "kept" or "refused"
local messages = setmetatable({}, { __mode = "k" }); -- stanza -> what it is called, as several sessions may get the same

-- Those that would be offline messages if nobody were there.
local function is_kept(stanza)
	local kind = stanza.attr.type or "normal";
	return stanza.name == "message" and (not stanza.attr.xmlns or stanza.attr.xmlns == "jabber:client")
		and (kind == "chat" or kind == "normal")
		and not (stanza:get_child("sent", xmlns_carbons) or stanza:get_child("received", xmlns_carbons))
		and not stanza:get_child("result", xmlns_mam);
end

local function refuse(stanza)
	counters["messages to keep"] = (counters["messages to keep"] or 0) + 1;
	module:send(st.error_reply(stanza, "wait", "resource-constraint", volume.refusal));
end

-- Returns whether the stanza is on disk, for this session or another.
local function keep(stanza, session, number)
	local own = session.xmppfed_unacked;
	messages[stanza] = messages[stanza] or id.short();
	local entry = journal.entry(own.token, number, messages[stanza], stanza);
	if not (volume.full and session.hibernating) and journal.append(session.username, entry, own.moving) then
		own.last, fates[stanza] = number, "kept";
	end
	return fates[stanza] == "kept";
end

-- Comes just before the filter of mod_smacks, which counts the stanza.
local function on_sent(stanza, session)
	local queue = session.smacks and session.outgoing_stanza_queue;
	if not queue or not st.is_stanza(stanza) or not is_kept(stanza) then return stanza; end
	if keep(stanza, session, queue:count_acked() + queue:count_unacked() + 1) then return stanza; end
	if session.xmppfed_unacked.moving then
		session.xmppfed_unacked.moving = "failed"; -- for mod_xmppfed_offline, which has it on disk
	elseif not fates[stanza] then
		fates[stanza] = "refused";
		refuse(stanza);
	end
	return nil;
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
	if has_outstanding(user) or left[user] then
		journal.append(user, { t = own.token, h = number });
	else
		journal.clear(user);
	end
end

local function user_is_left(user)
	left[user] = left[user] or { tokens = {}, stored = {} };
	return left[user];
end

-- Moves what is left to the offline messages. Returns whether nothing is left, and if not, whether that is for want of room.
local function store_left(user)
	local list = left[user];
	if not list then return true; end
	local entries, err = journal.load(user);
	if not entries then
		module:log("error", "Reading messages that user %s has not acknowledged: %s", user, err);
		return false, false;
	end
	local moved = 0;
	for _, entry in ipairs(journal.outstanding(entries)) do
		if list.tokens[entry.t] and not list.stored[entry.m] then
			if not offline:append(user, nil, st.deserialize(entry.x), entry.w, "") then return false, true; end
			list.stored[entry.m], moved = true, moved + 1;
		end
	end
	left[user] = nil;
	if has_outstanding(user) then
		for token in pairs(list.tokens) do journal.append(user, { t = token, h = all }); end
	else
		journal.clear(user);
	end
	if moved > 0 then module:log("info", "Stored %d messages that user %s has not acknowledged", moved, user); end
	return true;
end

local function on_ack(session, stanza)
	local queue, number = session.outgoing_stanza_queue, tonumber(stanza.attr.h);
	if session.xmppfed_unacked and queue and number and number <= queue:count_acked() + queue:count_unacked() then
		settle(session, number);
	end
end

-- What mod_smacks still has of a session that ends it stores behind this, or returns to the sender. Before that goes what has
-- fallen out of its queue.
local function rescue(session)
	local own, queue = session.xmppfed_unacked, session.smacks and session.outgoing_stanza_queue;
	if not own or not own.last or own.first or not queue then return; end
	own.stored, own.count = {}, 0;
	own.first = queue:count_acked() + queue:count_unacked() - queue._queue:count() + 1; -- that mod_smacks still has
	if queue:resumable() then return; end
	for _, entry in ipairs(journal.load(session.username) or {}) do
		if entry.t == own.token and entry.s and entry.s > queue:count_acked() and entry.s < own.first then
			if not offline:append(session.username, nil, st.deserialize(entry.x), entry.w, "") then
				own.failed = true;
				return;
			end
			own.stored[entry.m] = true;
		end
	end
end

-- mod_smacks stores what a client has not acknowledged, in its order.
local function on_store(event)
	local session = event.origin;
	local own = session and session.xmppfed_unacked;
	if not own or not own.first or session.username ~= event.username then return nil; end
	if own.failed or not offline:append(event.username, nil, event.stanza, os.time(), "") then
		own.failed = true; -- and stays in the journal
	else
		own.count = own.count + 1;
	end
	return true;
end

local function leave(session)
	local own, user = session.xmppfed_unacked, session.username;
	local list = user_is_left(user);
	list.tokens[own.token] = true;
	for message in pairs(own.stored) do list.stored[message] = true; end
	for _, entry in ipairs(journal.outstanding(journal.load(user) or {})) do
		if own.count > 0 and entry.t == own.token and entry.s >= own.first then
			list.stored[entry.m], own.count = true, own.count - 1;
		end
	end
	module:log("error", "Storing messages that user %s has not acknowledged: there is no room; they wait for it", user);
end

local function on_end(event)
	local session = event.session;
	if session.xmppfed_unacked and session.xmppfed_unacked.failed then leave(session); else settle(session, all); end
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
module:hook("message/offline/handle", on_store, 10); -- before what is bounded
module:hook("resource-unbind", on_end, -10); -- mod_smacks has stored or returned its queue

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
local function find_left()
	lists.mend_all(module.host, function (store, user, count, err)
		module:log("error", "Reading %s of %s: %s entries were not written in full, and are dropped%s", store, user, count or "some",
			err and ", but "..err or "");
	end);
	for user in journal.users() do
		for _, entry in ipairs(journal.load(user) or {}) do user_is_left(user).tokens[entry.t] = true; end
	end
	for _, user in ipairs(it.to_array(it.keys(left))) do
		local _, no_room = store_left(user);
		if no_room then
			module:log("error", "Storing messages that users have not acknowledged: there is no room; they wait for it");
			break;
		end
	end
end

-- The session that gets offline messages that come while the user is there.
local function online(user)
	local own = prosody.hosts[module.host].sessions[user];
	for _, session in pairs(own and own.sessions or {}) do
		if session.presence and (session.priority or 0) >= 0 and not session.hibernating then return session; end
	end
end

module:add_timer(retry, function ()
	for _, user in ipairs(it.to_array(it.keys(left))) do
		local stored, no_room = store_left(user);
		if no_room then break; end
		local session = stored and online(user);
		if session then module:fire_event("message/offline/broadcast", { origin = session }); end
	end
	return retry;
end);

if not replayed[module.host] then
	replayed[module.host] = true;
	find_left();
end
for _, session in ipairs(sessions()) do
	if session.xmppfed_unacked then watch(session); end
end

function module.unload()
	for _, session in ipairs(sessions()) do filters.remove_filter(session, "stanzas/out", on_sent); end
end
