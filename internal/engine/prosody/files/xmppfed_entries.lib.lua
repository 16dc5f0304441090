-- SPDX-License-Identifier: Apache-2.0
--
-- Finds the entries of a list as Prosody writes them, without running any of it:
-- behind an entry that wasn't written in full, what people wrote can stand where
-- Lua expects code.

local envload = require "util.envload".envload;

local start, ending = "item(", ");\n"; -- no other place has this ending, as strings have no raw line breaks and numbers are finite
local plain = "^[%w_%s{}%[%]=;,.+-]*()"; -- tables, numbers and words

-- Where text goes on behind the string whose quotation mark is at `at`, or nil if it doesn't end in its line.
local function behind_string(text, at)
	repeat
		at = text:find('["\\\n]', at + 1);
		local byte = at and text:sub(at, at);
		if byte == "\\" then at = at + 1; end
	until byte ~= "\\";
	return at and text:sub(at, at) == '"' and at + 1 or nil;
end

-- Whether text is one entry from `at` to its end and has nothing that could call, loop or hide something in a comment.
-- Ends at the first sign of the contrary, so that text with many beginnings is read once.
local function is_data(text, at)
	at = at + #start;
	while at do
		local behind = text:match(plain, at);
		local part = text:sub(at, behind - 1);
		if part:find("--", 1, true) or part:find("%[[%[=]") then return false; end
		at = behind;
		if text:sub(at, at) ~= '"' then return text:sub(at) == ending; end
		at = behind_string(text, at);
	end
	return false;
end

-- Whether Prosody reads the entry; it has to be data.
local function can_be_read(text)
	local chunk = envload(text, "=list", { item = function () end });
	return chunk and pcall(chunk);
end

-- Where the first entry begins that can be read up to the end of piece, or nil.
local function readable_from(piece)
	local at = piece:find(start, 1, true);
	while at and not (is_data(piece, at) and can_be_read(piece:sub(at))) do at = piece:find(start, at + 1, true); end
	return at;
end

-- The ranges of text, { first, last }, that can't be read, and whether there is anything that can.
local function broken(text)
	local ranges, good, at = {}, false, 1;
	while at <= #text do
		local _, stop = text:find(ending, at, true);
		local piece = text:sub(at, stop or #text);
		local first = stop and readable_from(piece);
		if first then good = true; end
		if piece:sub(1, (first or #piece + 1) - 1):find("%S") then
			ranges[#ranges + 1] = { at, first and at + first - 2 or stop or #text };
		end
		at = (stop or #text) + 1;
	end
	return ranges, good;
end

-- Whether the file of a list, which is open, ends with the end of an entry.
local function is_whole(file)
	local size = file:seek("end");
	file:seek("set", math.max(0, size - #ending));
	return size == 0 or file:read("*a") == ending;
end

return { broken = broken, is_whole = is_whole };
