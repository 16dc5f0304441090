-- SPDX-License-Identifier: Apache-2.0
--
-- How much garbage may lie about before the next collection. Prosody begins one
-- whenever its memory has grown by 5 %, and so visits twenty bytes for each that it
-- takes: half of its time. Here that is a fixed amount of memory, however much of
-- it is in use; Lua rounds down to 4 %. Where 5 % are more than that amount, they stay.

module:set_global();

local default = 105; -- percent of what is in use at which a collection begins, as in util.startup
local most = 200; -- for a server that is small, and may grow before this looks again
local interval = 0.25; -- seconds

local function pace()
	local in_use = collectgarbage("count") * 1024;
	local garbage = module:get_option("xmppfed_limits").garbage_bytes;
	collectgarbage("setpause", math.floor(math.max(default, math.min(most, 100 + 100 * garbage / in_use))));
end

pace();
module:add_timer(interval, function ()
	pace();
	return interval;
end);

function module.unload() collectgarbage("setpause", default); end
