-- SPDX-License-Identifier: Apache-2.0
--
-- Returns to their senders what was sent on a stream between servers that has
-- ended, and that the other side has not acknowledged (XEP-0198): a few stanzas at
-- a time, because there can be hundreds of each of hundreds of streams.

module:set_global();

local jid_host = require "util.jid".host;
local st = require "util.stanza";
local timer = require "util.timer";

local slice, pause = 50, 0.05; -- how many at a time, and seconds until the next
local max_waiting = 10000; -- senders of more are not told
local text = "the other server has not acknowledged this before the connection ended";

local waiting = module:shared("waiting"); -- ticking, first, last; number -> { name, attr }; survives a reload of this module
waiting.first, waiting.last = waiting.first or 1, waiting.last or 0;

local function give_back(entry)
	local host = prosody.hosts[jid_host(entry.attr.from)];
	if not host then return; end
	prosody.core_route_stanza(host, st.error_reply(st.stanza(entry.name, entry.attr), "wait", "remote-server-timeout", text));
end

local function serve()
	waiting.ticking = waiting[waiting.first] ~= nil;
	if not waiting.ticking then return; end
	timer.add_task(pause, serve);
	for _ = 1, slice do
		local entry = waiting[waiting.first];
		if not entry then return; end
		waiting[waiting.first] = nil;
		waiting.first = waiting.first + 1;
		give_back(entry);
	end
end

-- Of what a room says to an occupant, and of presence, one returned is enough: rooms
-- take those who can't be reached for gone.
local function is_repeated(attr, name, seen)
	if name ~= "presence" and attr.type ~= "groupchat" then return false; end
	local key = name.." "..attr.from.." "..attr.to;
	local before = seen[key];
	seen[key] = true;
	return before;
end

local function keep(stanza, seen)
	local attr = stanza.attr;
	if attr.type == "error" or attr.type == "result" or not attr.from or not attr.to then return; end
	if is_repeated(attr, stanza.name, seen) or waiting.last - waiting.first >= max_waiting then return; end
	waiting.last = waiting.last + 1;
	waiting[waiting.last] = { name = stanza.name, attr = { from = attr.from, to = attr.to, id = attr.id, type = attr.type } };
end

-- Before mod_smacks, which returns all of them at once.
local function on_destroyed(event)
	local session = event.session;
	local queue = session.outgoing_stanza_queue;
	if not queue then return; end
	session.smacks, session.outgoing_stanza_queue = false, nil;
	local seen = {};
	for stanza in queue:consume() do keep(stanza, seen); end
	if not waiting.ticking then serve(); end
end

module:hook("s2sin-destroyed", on_destroyed);
module:hook("s2sout-destroyed", on_destroyed);
