-- SPDX-License-Identifier: Apache-2.0
--
-- Counts that fade, of at most size names: each name has room for burst events,
-- and every interval (seconds) makes room for one more. The names that were
-- looked at least recently are forgotten first.

local new_cache = require "util.cache".new;
local now = require "util.time".monotonic; -- the clock of the node can be set

local methods = {};
local mt = { __index = methods };

local function level(self, name, time)
	local entry = self.entries:get(name);
	if not entry then return 0; end
	return math.max(0, entry.level - math.max(0, time - entry.at) / self.interval);
end

-- Counts an event, or returns false and after how many seconds there is room for it.
function methods:take(name)
	local time = now();
	local after = level(self, name, time) + 1;
	if after > self.burst then return false, math.ceil((after - self.burst) * self.interval); end
	self.entries:set(name, { level = after, at = time });
	return true;
end

-- Takes an event back.
function methods:give(name)
	local time = now();
	local after = level(self, name, time) - 1;
	self.entries:set(name, after > 0 and { level = after, at = time } or nil);
end

local function new(size, burst, interval)
	return setmetatable({ entries = new_cache(size), burst = burst, interval = interval }, mt);
end

return { new = new };
