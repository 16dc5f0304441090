-- SPDX-License-Identifier: Apache-2.0
--
-- Mends lists of which an entry was not written in full, because the server was
-- killed or its machine lost power. Prosody reads nothing of such a list, or
-- nothing behind the entry, and deletes the rest as if it had been delivered.

local files = require "core.storagemanager".olddm;
local envload = require "util.envload".envload;

local ending = ");\n"; -- of an entry; nothing else in a list has it, as strings have no raw line breaks

local function can_be_read(text)
	local chunk = envload(text, "=list", { item = function () end });
	return chunk and pcall(chunk);
end

-- Where the first entry begins that can be read up to the end of piece, or nil.
local function readable_from(piece)
	local at = 1;
	while at and not can_be_read(piece:sub(at)) do at = piece:find("item(", at + 1, true); end
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
		if first ~= 1 and piece:find("%S") then ranges[#ranges + 1] = { at, first and at + first - 2 or stop or #text }; end
		at = (stop or #text) + 1;
	end
	return ranges, good;
end

local function is_whole(file)
	local size = file:seek("end");
	file:seek("set", math.max(0, size - #ending));
	return size == 0 or file:read("*a") == ending;
end

-- Makes what can't be read blank, in place, as there may be no room for a copy. Returns how many entries that were.
local function mend(path)
	local file, err = io.open(path, "r+b");
	if not file then return nil, err; end
	if is_whole(file) then
		file:close();
		return 0;
	end
	file:seek("set", 0);
	local ranges, good = broken(file:read("*a"));
	local ok = true;
	for _, range in ipairs(good and ranges or {}) do
		file:seek("set", range[1] - 1);
		ok, err = file:write((" "):rep(range[2] - range[1]).."\n");
		if not ok then break; end
	end
	local closed, close_err = file:close();
	if not good then os.remove(path); end
	os.remove((path:gsub("%.list$", ".lidx"))); -- an index is made again
	if not (ok and closed) then return nil, err or close_err; end
	return #ranges;
end

-- Mends every list of a host and calls report(store, user, entries, err) for each that was broken.
local function mend_all(host, report)
	for store in files.stores(true, host) do
		for user in files.users(host, store, "list") do
			local count, err = mend(files.getpath(user, host, store, "list"));
			if count ~= 0 then report(store, user, count, err); end
		end
	end
end

return { mend_all = mend_all };
