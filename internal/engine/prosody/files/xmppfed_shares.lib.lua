-- SPDX-License-Identifier: Apache-2.0
--
-- Shares what is read in a second among the streams of a group of domains, and
-- among all groups of strangers. Streams that bring little have no part in it: one
-- is busy from the moment it has brought more than it may bring quietly, until it
-- has been quiet for ten seconds.

local quiet = 400; -- bytes that a stream may bring in a second without being busy
local burst = 4096; -- bytes that it may bring beyond that
local most = burst + 10 * quiet; -- bytes that are remembered of a busy one

local methods = {};
local mt = { __index = methods };

local function level(stream, time)
	return math.max(0, (stream.level or 0) - (time - (stream.at or time)) * quiet);
end

local function set_busy(self, stream, busy)
	if (self.busy[stream] or false) == busy then return; end
	local group = self.groups[stream.group] or { busy = 0, stranger = stream.stranger };
	local before = group.busy;
	group.busy = before + (busy and 1 or -1);
	self.groups[stream.group] = group.busy > 0 and group or nil;
	if group.stranger and (before == 0 or group.busy == 0) then self.strangers = self.strangers + (busy and 1 or -1); end
	self.busy[stream] = busy or nil;
end

-- Notes that a stream has brought some bytes. Of a stream it reads group, stranger
-- (whether it counts for all strangers together) and rate (how much it has by itself).
function methods:note(stream, bytes, time)
	stream.level, stream.at = math.min(most, level(stream, time) + bytes), time;
	if stream.level < burst or self.busy[stream] then return; end
	stream.level = most;
	set_busy(self, stream, true);
end

-- Forgets a stream: it has ended, or will be of another group.
function methods:forget(stream)
	set_busy(self, stream, false);
end

-- Finds out who has become quiet.
function methods:pass(time)
	local silent = {};
	for stream in pairs(self.busy) do
		if level(stream, time) < burst then silent[#silent + 1] = stream; end
	end
	for _, stream in ipairs(silent) do set_busy(self, stream, false); end
end

-- The bytes that may be read from a stream in a second, under limits.streams_at_full_rate, strangers_rate and least_rate.
function methods:rate(stream, limits)
	if not self.busy[stream] then return stream.rate; end
	local of_group = stream.rate * limits.streams_at_full_rate;
	if stream.stranger then of_group = math.min(of_group, limits.strangers_rate / self.strangers); end
	return math.max(limits.least_rate, math.min(stream.rate, of_group / self.groups[stream.group].busy));
end

local function new()
	return setmetatable({ busy = {}, groups = {}, strangers = 0 }, mt);
end

return { new = new };
