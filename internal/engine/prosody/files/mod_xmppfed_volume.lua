-- SPDX-License-Identifier: Apache-2.0
--
-- How full the volume is that everything is stored on. Before it is full to the
-- last byte, messages for users who are away are not stored any more
-- (mod_xmppfed_offline), so that there is room left for what has to be written.

module:set_global();

local volume = module:shared("/*/xmppfed/volume"); -- bytes, used, files, used_files, full, refusal
local interval = 10; -- seconds

-- In the same words, whether the user is away, there, or does not exist.
volume.refusal = "The message can't be stored until the recipient has it";

-- Returns the size of the volume, and what is used and free of it: in kilobytes, or in files; nil where there is no such limit.
local function measure(kind)
	local pipe = io.popen("df -P -"..kind.." '"..prosody.paths.data.."' 2>/dev/null");
	local text = pipe and pipe:read("*a") or "";
	if pipe then pipe:close(); end
	local used, free = text:match("\n.-%s%d+%s+(%d+)%s+(%d+)%s+%d+%%");
	used, free = tonumber(used), tonumber(free);
	if used then return used + free, used, free; end
end

local function is_short(total, free, most)
	return total and free < math.min(total * module:get_option("xmppfed_limits").volume_reserve_percent / 100, most);
end

local was_full = false;

local function look()
	local limits = module:get_option("xmppfed_limits");
	local size, used, free = measure("k");
	local files, used_files, free_files = measure("i");
	local full = is_short(size, free, limits.volume_reserve_bytes / 1024) or is_short(files, free_files, limits.volume_reserve_files) or false;
	if full ~= was_full then
		module:log(full and "error" or "info", full and "The data volume is full: messages for users who are away are refused"
			or "The data volume has room again");
	end
	volume.bytes, volume.used, volume.files, volume.used_files = (size or 0) * 1024, (used or 0) * 1024, files or 0, used_files or 0;
	volume.full, was_full = full, full;
end

look();
module:add_timer(interval, function ()
	look();
	return interval;
end);
