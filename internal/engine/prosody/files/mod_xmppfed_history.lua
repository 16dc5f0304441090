-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the memory of the messages that those who enter a room are shown, of each
-- room and of all. Where there is too much, the oldest go first, of the room that
-- has most.

local weight_of = module:require "xmppfed_weight".of;

local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local rooms = setmetatable(module:shared("/*/xmppfed/histories"), { __mode = "k" }); -- room -> bytes, of all room services
local weights = setmetatable({}, { __mode = "k" }); -- entry of a history -> bytes

local function weight(entry)
	weights[entry] = weights[entry] or weight_of(entry.stanza);
	return weights[entry];
end

-- Drops the oldest messages of a room until so many bytes are left.
local function trim(room, most)
	local history, bytes = room._history or {}, 0;
	for _, entry in ipairs(history) do bytes = bytes + weight(entry); end
	while bytes > most do
		bytes = bytes - weight(table.remove(history, 1));
		counters["history of rooms"] = (counters["history of rooms"] or 0) + 1;
	end
	rooms[room] = bytes;
end

local function largest()
	local total, found = 0, nil;
	for room, bytes in pairs(rooms) do
		total = total + bytes;
		if not found or bytes > rooms[found] then found = room; end
	end
	return total, found;
end

module:hook("muc-broadcast-message", function (event) -- when the room has added it
	local limits = module:get_option("xmppfed_limits");
	trim(event.room, limits.history_bytes);
	local total, room = largest();
	while total > limits.history_bytes_in_all do
		trim(room, math.max(0, rooms[room] - (total - limits.history_bytes_in_all)));
		total, room = largest();
	end
end, -10);
