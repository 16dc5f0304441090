-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds what is stored for a user who is away, and answers with an error what
-- can't be stored, so that its sender knows. Offline messages leave the store for a
-- client only when there is room to keep them until it acknowledges them.

local lfs = require "lfs";
local files = require "core.storagemanager".olddm;
local datetime = require "util.datetime";
local jid = require "util.jid";
local st = require "util.stanza";

local host = module.host;
local retry = 10; -- seconds between two looks for room
local volume = module:shared("/*/xmppfed/volume"); -- written by mod_xmppfed_volume
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local offline = module:open_store("offline", "archive");
local waiting = module:shared("waiting"); -- user -> session that wants its offline messages

local function path(user)
	return files.getpath(user, host, "offline", "list");
end

local function stored_bytes(user)
	return lfs.attributes(path(user), "size") or 0;
end

local function refuse(stanza, reason, text)
	counters[reason] = (counters[reason] or 0) + 1;
	if stanza.attr.type ~= "error" then module:send(st.error_reply(stanza, "wait", "resource-constraint", text)); end
	return true;
end

module:hook("message/offline/handle", function (event)
	local stanza = event.stanza;
	local user = event.username or jid.node(stanza.attr.to);
	if volume.full then return refuse(stanza, "full volume", volume.refusal); end
	local ok, err = true, "quota-limit";
	if stored_bytes(user) < module:get_option("xmppfed_limits").stored_bytes then
		ok, err = offline:append(user, nil, stanza, os.time(), "");
	else
		ok = false;
	end
	if ok then return true; end
	if err == "quota-limit" then return refuse(stanza, "offline messages", "Too many messages wait for the recipient"); end
	volume.full = true; -- until mod_xmppfed_volume looks again
	return refuse(stanza, "full volume", volume.refusal);
end);

-- Whether there is room on the volume for a copy of the user's offline messages, as mod_xmppfed_unacked makes one.
local function has_room(user)
	local name = path(user)..".room";
	local file = io.open(name, "w");
	if not file then return false; end
	local ok = file:write((" "):rep(2 * stored_bytes(user) + 4096));
	ok = file:close() and ok;
	os.remove(name);
	return ok;
end

-- Sends everything, and deletes it when mod_xmppfed_unacked keeps it from now on. Returns whether that is so.
local function deliver(session)
	local user, own = session.username, session.xmppfed_unacked;
	own.moving = true;
	for _, stanza, when in offline:find(user) or function () end do
		stanza:tag("delay", { xmlns = "urn:xmpp:delay", from = host, stamp = datetime.datetime(when) }):up();
		session.send(stanza);
		if own.moving == "failed" then break; end
	end
	local ok = own.moving == true;
	own.moving = nil;
	return ok and offline:delete(user);
end

-- mod_offline does the same for clients that acknowledge nothing.
local function on_broadcast(event)
	local session = event.origin;
	local user = session.username;
	if not session.smacks or stored_bytes(user) == 0 then return nil; end
	if not (has_room(user) and deliver(session)) then
		if not waiting[user] then
			module:log("error", "Delivering the offline messages of user %s: the data volume is full; they wait for room", user);
		end
		waiting[user] = session;
	end
	return true;
end

module:hook("message/offline/broadcast", on_broadcast);

module:add_timer(retry, function ()
	for user, session in pairs(waiting) do
		waiting[user] = nil;
		if not session.destroyed and not session.hibernating then on_broadcast({ origin = session }); end
	end
	return retry;
end);
