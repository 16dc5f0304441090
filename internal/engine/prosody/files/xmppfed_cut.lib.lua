-- SPDX-License-Identifier: Apache-2.0
--
-- The end of connections whose other side doesn't take what is sent, so that a
-- polite end would never come. Functions without state, for Prosody's backend epoll.

local timer = require "util.timer";

local patience = 5; -- seconds for the words of farewell

-- Ends a connection as Prosody does itself when a buffer is full.
local function cut(conn, why)
	if not conn.conn then return; end -- already gone
	conn:on("disconnect", why);
	conn:destroy();
end

-- Closes session with a stream error, and its connection for certain.
local function close(session, text)
	local conn = session.conn;
	session:close({ condition = "resource-constraint", text = text });
	if conn then timer.add_task(patience, function () cut(conn, text); end); end
end

-- The bytes that were written to a connection and that the kernel has not taken yet.
local function unsent(conn)
	local buffer = conn.writebuffer;
	if type(buffer) ~= "table" then return buffer and #buffer or 0; end
	if buffer._length then return #buffer; end
	local bytes = 0; -- 0.12 has a list of strings
	for _, chunk in ipairs(buffer) do bytes = bytes + #chunk; end
	return bytes;
end

return { cut = cut, close = close, unsent = unsent };
