-- SPDX-License-Identifier: Apache-2.0
--
-- The text of a journal, which is read as data and never run. Every line ends with
-- a full stop and says how long its text is, so that one which was not written in
-- full is known, wherever it ends:
--   + SESSION NUMBER MESSAGE TIME LENGTH TEXT.  a message that was given to a session
--   - SESSION NUMBER.                           the session has acknowledged its stanzas up to a number
--   = MESSAGE.                                  the message needs no keeping here any more
-- Line breaks in a text are written as \n, and \ as \\.

local escapes, unescapes = { ["\\"] = "\\\\", ["\n"] = "\\n" }, { ["\\"] = "\\", n = "\n" };

local function message(session, number, name, time, text)
	text = text:gsub("[\\\n]", escapes);
	return ("+ %s %d %s %d %d "):format(session, number, name, time, #text)..text..".\n";
end

local function acknowledgement(session, number)
	return ("- %s %d.\n"):format(session, number);
end

local function settlement(name)
	return ("= %s.\n"):format(name);
end

-- Returns the entry of a line, or nil when it is not whole.
local function parse_line(line)
	local session, number, name, time, length, text = line:match("^%+ (%S+) (%d+) (%S+) (%d+) (%d+) (.*)%.$");
	if session and #text == tonumber(length) then
		return { t = session, s = tonumber(number), m = name, w = tonumber(time), x = text:gsub("\\(.)", unescapes) };
	end
	session, number = line:match("^%- (%S+) (%d+)%.$");
	if session then return { t = session, h = tonumber(number) }; end
	name = line:match("^= (%S+)%.$");
	return name and { d = name };
end

-- Returns the entries of text, and how many lines were dropped because they are not whole.
local function parse(text)
	local entries, dropped = {}, 0;
	for line, ending in text:gmatch("([^\n]*)(\n?)") do
		local entry = ending ~= "" and parse_line(line);
		if entry then entries[#entries + 1] = entry; elseif line ~= "" then dropped = dropped + 1; end
	end
	return entries, dropped;
end

local function format(entry)
	if entry.h then return acknowledgement(entry.t, entry.h); end
	if entry.d then return settlement(entry.d); end
	return message(entry.t, entry.s, entry.m, entry.w, entry.x);
end

return { message = message, acknowledgement = acknowledgement, settlement = settlement, parse = parse, format = format };
