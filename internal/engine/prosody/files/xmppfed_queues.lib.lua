-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the memory of what clients have not acknowledged (XEP-0198), of which
-- mod_smacks keeps the newest 500 stanzas of each session. Where there is too much,
-- the largest queue is emptied: its client can't resume its session any more, and
-- its messages are on disk (mod_xmppfed_unacked).

local weight_of = module:require "xmppfed_weight".of;

local added = 900; -- bytes of what mod_smacks adds to a stanza
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local all = module:shared("/*/xmppfed/queues"); -- bytes, of all hosts

local function queue_of(session)
	local own = session.xmppfed_unacked;
	own.queue = own.queue or { first = 1, last = 0, bytes = 0 }; -- number of a stanza -> its weight
	return own.queue;
end

-- Notes that the stanzas of session up to a number are in memory no more.
local function forget(session, number)
	local queue = queue_of(session);
	while queue.first <= queue.last and queue.first <= number do
		local bytes = queue[queue.first] or 0;
		queue[queue.first] = nil;
		queue.first, queue.bytes, all.bytes = queue.first + 1, queue.bytes - bytes, all.bytes - bytes;
	end
end

local function empty(session)
	local stanzas = session.outgoing_stanza_queue._queue;
	while stanzas:pop() do end
	forget(session, queue_of(session).last);
	counters["unacknowledged stanzas"] = (counters["unacknowledged stanzas"] or 0) + 1;
end

-- Calls back with each session of a user of a host that has a queue.
local function each_of(user, visit)
	for _, session in pairs(user and user.sessions or {}) do
		if session.xmppfed_unacked and session.outgoing_stanza_queue then visit(session); end
	end
end

local function each(visit)
	for _, host in pairs(prosody.hosts) do
		for _, user in pairs(host.sessions or {}) do each_of(user, visit); end
	end
end

local function largest(walk)
	local found;
	walk(function (session)
		if not found or queue_of(session).bytes > queue_of(found).bytes then found = session; end
	end);
	return found;
end

-- Makes room for so many bytes more among what the walk visits.
local function make_room(bytes, most, total, walk)
	while total() + bytes > most do
		local session = largest(walk);
		if not session or queue_of(session).bytes == 0 then return; end
		empty(session);
	end
end

-- Notes that mod_smacks is about to keep a stanza of session, with the given number.
local function add(session, number, stanza)
	local limits, bytes = module:get_option("xmppfed_limits"), weight_of(stanza) + added;
	local function of_user(visit) each_of(prosody.hosts[module.host].sessions[session.username], visit); end
	local function user_total()
		local total = 0;
		of_user(function (other) total = total + queue_of(other).bytes; end);
		return total;
	end
	make_room(bytes, limits.unacked_bytes, user_total, of_user);
	make_room(bytes, limits.unacked_bytes_in_all, function () return all.bytes; end, each);
	forget(session, number - 1 - session.outgoing_stanza_queue._queue:count());
	local queue = queue_of(session);
	if queue.first > queue.last then queue.first = number; end
	queue.last, queue[number] = number, bytes;
	queue.bytes, all.bytes = queue.bytes + bytes, all.bytes + bytes;
end

all.bytes = 0;
each(function (session) all.bytes = all.bytes + queue_of(session).bytes; end);

return { add = add, forget = forget };
