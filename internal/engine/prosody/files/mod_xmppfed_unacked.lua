-- SPDX-License-Identifier: Apache-2.0
--
-- Keeps the promise of an acknowledgement: a message is on disk before its sender,
-- such as a partner's server, is told that it was taken, and stays there until the
-- user's client acknowledges it. mod_smacks holds messages in memory only, for a
-- client that is gone for a while (or doesn't answer yet), and the newest 500 only.
-- Those that no client has acknowledged and no session of the user holds any more, as
-- the server was killed or a session ended, go to the clients that are there, or else
-- to the offline messages; where there is no room for that they wait for it here.

local datetime = require "util.datetime";
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
local xmlns_carbons, xmlns_mam, xmlns_delay = "urn:xmpp:carbons:2", "urn:xmpp:mam:2", "urn:xmpp:delay";

local retry = 10; -- seconds between two attempts to store what is left
local pause = 1; -- seconds until a journal in which nothing is outstanding is removed
local offline = module:open_store("offline", "archive");
local left = module:shared("left"); -- user who has messages that no session holds -> { [message that is stored elsewhere] = true }
local replayed = module:shared("/*/xmppfed/replayed"); -- host -> true, once in the life of the server
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local idle = {}; -- users whose journals are to be removed, as a set
local prefix, count = id.short(), 0; -- of the names of messages
-- The message that was given to a session last, as several sessions of the user may get the same one after the other: stanza, user,
-- name, fate ("kept" or "refused"), given (to a client that acknowledges nothing), and text until it is written.
local latest = {};
local stopping = false; -- the next server finds what is left

-- Whether a message is for another session too, or can be had again from an archive.
local function is_copy(stanza)
	for _, tag in ipairs(stanza.tags) do
		local name, xmlns = tag.name, tag.attr.xmlns;
		if xmlns == xmlns_carbons and (name == "sent" or name == "received") or xmlns == xmlns_mam and name == "result" then return true; end
	end
	return false;
end

local function is_personal(stanza)
	local kind, xmlns = stanza.attr.type, stanza.attr.xmlns;
	return stanza.name == "message" and (kind == "chat" or kind == nil or kind == "normal") and (xmlns == nil or xmlns == "jabber:client");
end

-- Those that would be offline messages if nobody were there.
local function is_kept(stanza)
	return is_personal(stanza) and not is_copy(stanza);
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

local function name_message(stanza, user)
	if latest.stanza == stanza and latest.user == user then return; end
	count = count + 1;
	latest = { stanza = stanza, user = user, name = prefix..count };
end

-- Returns whether the stanza is on disk, for this session or another.
local function keep(stanza, session, number)
	local own, user = session.xmppfed_unacked, session.username;
	name_message(stanza, user);
	local text = tostring(stanza);
	if not (volume.full and session.hibernating) and journal.append(user, own.token, number, latest.name, text, own.moving) then
		own.last, latest.fate = number, "kept";
		if latest.given then journal.settle(user, latest.name); end
	end
	latest.text = text;
	return latest.fate == "kept";
end

-- Notes that a client has got the stanza which acknowledges nothing: it would get it again from a session that ends.
local function give(stanza, session)
	if not st.is_stanza(stanza) or not is_kept(stanza) then return; end
	name_message(stanza, session.username);
	latest.given = true;
	if latest.fate == "kept" then journal.settle(session.username, latest.name); end
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
	if not queue then give(stanza, session); end
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

local function sessions_of(user)
	local own = prosody.hosts[module.host].sessions[user];
	return own and own.sessions or {};
end

local function has_outstanding(user)
	for _, session in pairs(sessions_of(user)) do
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
	queues.forget(session, number);
	if not own.last or number <= (own.settled or 0) then return; end
	own.settled = number;
	if number >= own.last then own.last = nil; end
	local ok = journal.acknowledge(user, own.token, number);
	if left[user] or has_outstanding(user) then return; end
	if ok then clear_soon(user); else journal.clear(user); end
end

-- Those that messages of others are sent to, and that are not away.
local function clients_of(user)
	local list = {};
	for _, session in pairs(sessions_of(user)) do
		if session.presence and (session.priority or 0) >= 0 and not session.hibernating then list[#list + 1] = session; end
	end
	return list;
end

-- Gives a message to the clients that are there. Returns nil if there are none, or whether one has taken it.
local function give_to_clients(user, entry, stanza)
	local clients = clients_of(user);
	if not clients[1] then return nil; end
	if not stanza:get_child("delay", xmlns_delay) then
		stanza:tag("delay", { xmlns = xmlns_delay, from = module.host, stamp = datetime.datetime(entry.w) }):up();
	end
	latest = { stanza = stanza, user = user, name = entry.m };
	for _, session in ipairs(clients) do
		local own = session.xmppfed_unacked or {};
		own.moving = true; -- it is in the journal already, and has no bound there
		session.send(stanza);
		own.moving = nil;
	end
	if latest.given then journal.settle(user, entry.m); end
	return latest.given or latest.fate == "kept";
end

-- Gives a message away, and notes that. Returns whether there was room.
local function give_away(user, entry)
	local stanza, err = parse_xml(entry.x);
	if not stanza then
		module:log("error", "Reading a message that user %s has not acknowledged: %s; it is dropped", user, err);
		return true;
	end
	local taken = give_to_clients(user, entry, stanza);
	if taken ~= nil then return taken; end
	if not offline:append(user, nil, stanza, entry.w, "") then return false; end
	journal.settle(user, entry.m);
	return true;
end

-- Returns the messages that sessions of the user hold, as a set.
local function held(user, entries)
	local settled, set = {}, {};
	for _, session in pairs(sessions_of(user)) do
		local own = session.xmppfed_unacked;
		if own and own.last then settled[own.token] = own.settled or 0; end
	end
	for _, entry in ipairs(entries) do
		if entry.s and settled[entry.t] and entry.s > settled[entry.t] then set[entry.m] = true; end
	end
	return set;
end

-- Gives away what no session holds any more. Returns whether nothing is left, and if not, whether that is for want of room.
local function give_away_left(user)
	local stored = left[user];
	local entries, err = journal.load(user);
	if not entries then
		module:log("error", "Reading messages that user %s has not acknowledged: %s", user, err);
		return false, false;
	end
	local moved, is_held = 0, held(user, entries);
	for _, entry in ipairs(journal.outstanding(entries)) do
		if not is_held[entry.m] and not stored[entry.m] then
			if not give_away(user, entry) then return false, true; end
			stored[entry.m], moved = true, moved + 1;
		end
	end
	left[user] = nil;
	if not has_outstanding(user) then journal.clear(user); end
	if moved > 0 then module:log("info", "Passed on %d messages that user %s has not acknowledged", moved, user); end
	return true;
end

local function on_ack(session, stanza)
	local queue, number = session.outgoing_stanza_queue, tonumber(stanza.attr.h);
	if session.xmppfed_unacked and queue and number and number % 1 == 0 and number <= queue:count_acked() + queue:count_unacked() then
		settle(session, number);
	end
end

-- A session that can't be resumed ends with its connection.
local function on_unbind(event)
	local session = event.session;
	local queue = session.smacks and session.outgoing_stanza_queue;
	if queue and session.resumption_token and not queue:resumable() then
		module:fire_event("pre-session-close", { session = session }); -- mod_smacks gives up the session
	end
end

-- What is left of a session that ends mod_smacks stores or returns to the sender; messages that are kept here it leaves alone.
local function on_failure(event)
	if event.session.xmppfed_unacked and is_personal(event.stanza) then return true; end
end

local function on_end(event)
	local session, user = event.session, event.session.username;
	local own = session.xmppfed_unacked;
	if not own then return; end
	queues.forget(session, all);
	if stopping or not own.last then return; end
	left[user] = left[user] or {};
	if not give_away_left(user) then
		module:log("error", "Passing on messages that user %s has not acknowledged: there is no room; they wait for it", user);
	end
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
	settle(session, session.outgoing_stanza_queue:count_acked());
end);
module:hook_tag(xmlns_sm2, "a", on_ack, 100);
module:hook_tag(xmlns_sm3, "a", on_ack, 100);
module:hook("pre-resource-unbind", on_unbind, 10);
module:hook("delivery/failure", on_failure, 10);
module:hook("resource-unbind", on_end, -10); -- when it is known which clients are there
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

module:hook_global("server-stopping", function () stopping = true; end, 100);

-- What the server before this one has left.
local function find_left()
	lists.mend_all(module.host, function (store, user, count, err)
		module:log("error", "Reading %s of %s: %s entries were not written in full, and are dropped%s", store, user, count or "some",
			err and ", but "..err or "");
	end);
	for user in journal.users() do
		local entries, problem = journal.load(user);
		left[user] = left[user] or {};
		if problem ~= 0 then
			module:log("error", "Reading messages that user %s has not acknowledged: %s", user,
				entries and problem.." were not written in full, and are dropped" or problem);
		end
	end
	for _, user in ipairs(it.to_array(it.keys(left))) do
		local _, no_room = give_away_left(user);
		if no_room then
			module:log("error", "Passing on messages that users have not acknowledged: there is no room; they wait for it");
			break;
		end
	end
end

module:add_timer(retry, function ()
	for _, user in ipairs(it.to_array(it.keys(left))) do
		local _, no_room = give_away_left(user);
		if no_room then break; end
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
