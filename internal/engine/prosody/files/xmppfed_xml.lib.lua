-- SPDX-License-Identifier: Apache-2.0
--
-- Where the parts of XML end, in text of a stream as it arrives. Functions
-- without state. Text that isn't XML may be cut anywhere: its parser says so.

local character_data = "<![CDATA["; -- what follows may be passed on in pieces

-- Where the tag that begins at `at` ends, or nil if the end hasn't arrived. A ">" in quotation marks ends none.
local function tag_end(text, at)
	repeat
		at = text:find("['\">]", at + 1);
		local mark = at and text:sub(at, at);
		if mark == ">" then return at; end
		at = at and text:find(mark, at + 1, true);
	until not at;
end

-- How many bytes of text can be parsed: all but a tag or a reference to a character at its end that is not complete. Only the
-- last "<" can begin such a tag, because a tag can't have one within.
local function whole(text)
	local last = text:match("^.*()<");
	if last and text:sub(last, last + #character_data - 1) ~= character_data and not tag_end(text, last) then
		return last - 1;
	end
	local reference = text:match("()&[#%w]*$", last or 1);
	return reference and reference - 1 or #text;
end

-- The start tag of a stream, in what was read until it had been opened.
local function header(text)
	local at = text:find("<[^?!]");
	return text:sub(at, tag_end(text, at));
end

return { whole = whole, header = header };
