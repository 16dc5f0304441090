-- SPDX-License-Identifier: Apache-2.0
--
-- How near the server is to the memory limit of its container. Works without a
-- limit too: nothing is near then.

local pposix = require "util.pposix";
local now = require "util.time".monotonic; -- the clock of the node can be set

local limit_files = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" }; -- cgroup v2, v1
local no_limit = 2^50; -- bytes; cgroup v1 writes a number near 2^63 where there is no limit
local lifetime = 0.5; -- seconds for which a measurement is believed

local function first_line(path)
	local file = io.open(path);
	local line = file and file:read("*l");
	if file then file:close(); end
	return line;
end

local function read_limit()
	for _, path in ipairs(limit_files) do
		local bytes = tonumber(first_line(path));
		if bytes and bytes < no_limit then return bytes; end
	end
end

local function resident()
	local file = io.open("/proc/self/status");
	local text = file and file:read("*a") or "";
	if file then file:close(); end
	return (tonumber(text:match("VmRSS:%s+(%d+) kB")) or 0) * 1024;
end

-- Memory that the allocator keeps for reuse is still resident, but not in use.
local function measure()
	return math.max(0, resident() - (pposix.meminfo().unused or 0));
end

local limit = read_limit();
local measured, at = 0, -math.huge;

-- The bytes in use, and the limit or nil.
local function usage()
	local time = now();
	if time - at > lifetime then measured, at = measure(), time; end
	return measured, limit;
end

-- Whether more than the given part of the limit is in use.
local function above(percent)
	if not limit then return false; end
	return usage() * 100 > percent * limit;
end

return { usage = usage, above = above };
