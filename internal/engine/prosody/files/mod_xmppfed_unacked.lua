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
local parse_xml = require "util.xml".parse;
local journal = module:require "xmppfed_journal";
local lists = module:require "xmppfed_lists";
local queues = module:require "xmppfed_queues";

local xmlns_sm2, xmlns_sm3 = "urn:xmpp:sm:2", "urn:xmpp:sm:3";
local all = math.maxinteger or 2^53; -- the number of every stanza
local xmlns_carbons, xmlns_mam = "urn:xmpp:carbons:2", "urn:xmpp:mam:2";

local retry = 10; -- seconds between two attempts to store what is left
local pause = 1; -- seconds until a journal in which nothing is outstanding is removed
local offline = module:open_store("offline", "archive");
local left = module:shared("left"); -- user -> { tokens = { [session that ended] = true }, stored = { [message] = true } }
local replayed = module:shared("/*/xmppfed/replayed"); -- host -> true, once in the life of the server
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local idle = {}; -- users whose journals are to be removed, as a set
local prefix, count = id.short(), 0; -- of the names of messages
-- The message that was given to a session last, as several sessions of the user may get the same one after the other: stanza, user,
-- name, fate ("kept" or "refused"), and text until it is written.
local latest = {};

-- Whether a message is for another session too, or can be had again from an archive.
local function is_copy(stanza)
	for _, tag in ipairs(stanza.tags) do
		local name, xmlns = tag.name, tag.attr.xmlns;
		if xmlns == xmlns_carbons and (name == "sent" or name == "received") or xmlns == xmlns_mam and name == "result" then return true; end
	end
	return false;
end

-- Those that would be offline messages if nobody were there.
local function is_kept(stanza)
	if stanza.name ~= "message" then return false; end
	local kind, xmlns = stanza.attr.type, stanza.attr.xmlns;
	return (kind == "chat" or kind == nil or kind == "normal") and (xmlns == nil or xmlns == "jabber:client") and not is_copy(stanza);
end

-- Those that mod_smacks counts and keeps.
local function is_counted(stanza)
	local xmlns = st.is_stanza(stanza) and (stanza.attr.xmlns or "jabber:client");
	return xmlns == "jabber:client" and not stanza.name:find(":", 1, true);
end

local function refuse(stanza)
	counters["messages to keep"] = (counters["messages to keep"] or 0) + 1;
	module:send(st.error_reply(stanza, "wait", "resource-constraint", volume.refusal));
end

-- Returns whether the stanza is on disk, for this session or another.
local function keep(stanza, session, number)
	local own, user = session.xmppfed_unacked, session.username;
	if latest.stanza ~= stanza or latest.user ~= user then
		count = count + 1;
		latest = { stanza = stanza, user = user, name = prefix..count };
	end
	local text = tostring(stanza);
	if not (volume.full and session.hibernating) and journal.append(user, own.token, number, latest.name, text, own.moving) then
		own.last, latest.fate = number, "kept";
	end
	latest.text = text;
	return latest.fate == "kept";
end

-- A client can't resume a session of which something has fallen out of the queue, so its messages needn't wait for that. Prosody 0.12
-- would not even answer it.
local function end_soon(session)
	local own = session.xmppfed_unacked;
	if own.ending or not session.hibernating or session.outgoing_stanza_queue:resumable() then return; end
	own.ending = true;
	module:add_timer(0, function ()
		own.ending = nil;
		if session.hibernating and not session.destroyed then session:close(); end
	end);
end

-- Comes just before the filter of mod_smacks, which counts the stanza.
local function on_sent(stanza, session)
	local queue = session.smacks and session.outgoing_stanza_queue;
	latest.text = nil;
	if not queue or not is_counted(stanza) then return stanza; end
	local number = queue:count_acked() + queue:count_unacked() + 1;
	if not is_kept(stanza) or keep(stanza, session, number) then
		queues.add(session, number, stanza);
		end_soon(session);
		return stanza;
	end
	if session.xmppfed_unacked.moving then
		session.xmppfed_unacked.moving = "failed"; -- for mod_xmppfed_offline, which has it on disk
	elseif not latest.fate then
		latest.fate = "refused";
		refuse(stanza);
	end
	return nil;
end

-- Comes just after the filter of mod_smacks. What goes to the client is the text that is on disk, so that it is made only once.
local function on_queued(stanza)
	return latest.stanza == stanza and latest.text or stanza;
end

local function has_outstanding(user)
	local sessions = prosody.hosts[module.host].sessions[user];
	for _, session in pairs(sessions and sessions.sessions or {}) do
		if session.xmppfed_unacked and session.xmppfed_unacked.last then return true; end
	end
	return false;
end

local function clear_idle()
	local users = idle;
	idle = {};
	for user in pairs(users) do
		if not left[user] and not has_outstanding(user) then journal.clear(user); end
	end
end

-- A client that is there acknowledges every few messages, and each would need a file of its own.
local function clear_soon(user)
	if next(idle) == nil then module:add_timer(pause, clear_idle); end
	idle[user] = true;
end

-- Everything up to a number needs no keeping any more.
local function settle(session, number)
	local own, user = session.xmppfed_unacked, session.username;
	if not own or not own.last or number <= (own.settled or 0) then return; end
	own.settled = number;
	if number >= own.last then own.last = nil; end
	if left[user] or has_outstanding(user) then
		journal.acknowledge(user, own.token, number);
	elseif number < all and journal.acknowledge(user, own.token, number) then
		clear_soon(user);
	else
		journal.clear(user);
	end
end

-- Returns whether there was room for a message among the offline messages.
local function store_offline(user, entry)
	local stanza, err = parse_xml(entry.x);
	if stanza then return offline:append(user, nil, stanza, entry.w, ""); end
	module:log("error", "Reading a message that user %s has not acknowledged: %s; it is dropped", user, err);
	return true;
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
			if not store_offline(user, entry) then return false, true; end
			list.stored[entry.m], moved = true, moved + 1;
		end
	end
	left[user] = nil;
	if has_outstanding(user) then
		for token in pairs(list.tokens) do journal.acknowledge(user, token, all); end
	else
		journal.clear(user);
	end
	if moved > 0 then module:log("info", "Stored %d messages that user %s has not acknowledged", moved, user); end
	return true;
end

local function on_ack(session, stanza)
	local queue, number = session.outgoing_stanza_queue, tonumber(stanza.attr.h);
	if session.xmppfed_unacked and queue and number and number % 1 == 0 and number <= queue:count_acked() + queue:count_unacked() then
		queues.forget(session, number);
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
			if not store_offline(session.username, entry) then
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
	if session.xmppfed_unacked then queues.forget(session, all); end
	if session.xmppfed_unacked and session.xmppfed_unacked.failed then leave(session); else settle(session, all); end
end

local function watch(session)
	filters.add_filter(session, "stanzas/out", on_sent, -998);
	filters.add_filter(session, "stanzas/out", on_queued, -1000);
end

module:hook("resource-bind", function (event)
	event.session.xmppfed_unacked = { token = id.short() };
	watch(event.session);
end);
module:hook("smacks-hibernation-end", function (event) -- with the filters of another stream
	local session = event.resumed;
	if not session.xmppfed_unacked then return; end
	watch(session);
	queues.forget(session, session.outgoing_stanza_queue:count_acked());
	settle(session, session.outgoing_stanza_queue:count_acked());
end);
module:hook_tag(xmlns_sm2, "a", on_ack, 100);
module:hook_tag(xmlns_sm3, "a", on_ack, 100);
module:hook("pre-resource-unbind", function (event)
	local session = event.session;
	local queue = session.smacks and session.outgoing_stanza_queue;
	if queue and session.resumption_token and not queue:resumable() then
		module:fire_event("pre-session-close", { session = session }); -- mod_smacks gives up the session
	end
	if not session.resumption_token then rescue(session); end
end, 10);
module:hook("message/offline/handle", on_store, 10); -- before what is bounded
module:hook("resource-unbind", on_end, -10); -- mod_smacks has stored or returned its queue
module:hook_global("user-deleted", function (event) -- when sessions have ended
	if event.host ~= module.host then return; end
	left[event.username] = nil;
	journal.clear(event.username);
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
local function find_left()
	lists.mend_all(module.host, function (store, user, count, err)
		module:log("error", "Reading %s of %s: %s entries were not written in full, and are dropped%s", store, user, count or "some",
			err and ", but "..err or "");
	end);
	for user in journal.users() do
		local entries, problem = journal.load(user);
		local list = user_is_left(user);
		if problem ~= 0 then
			module:log("error", "Reading messages that user %s has not acknowledged: %s", user,
				entries and problem.." were not written in full, and are dropped" or problem);
		end
		for _, entry in ipairs(entries or {}) do list.tokens[entry.t] = true; end
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
	for _, session in ipairs(sessions()) do
		filters.remove_filter(session, "stanzas/out", on_sent);
		filters.remove_filter(session, "stanzas/out", on_queued);
	end
	clear_idle();
end
