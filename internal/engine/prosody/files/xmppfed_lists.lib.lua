-- SPDX-License-Identifier: Apache-2.0
--
-- Mends lists of which an entry was not written in full, because the server was
-- killed or its machine lost power. Prosody reads nothing of such a list, or
-- nothing behind the entry, and deletes the rest as if it had been delivered.

local files = require "core.storagemanager".olddm;
local entries = module:require "xmppfed_entries";

-- Makes what can't be read blank, in place, as there may be no room for a copy. Returns how many entries that were.
local function mend(path)
	local file, err = io.open(path, "r+b");
	if not file then return nil, err; end
	if entries.is_whole(file) then
		file:close();
		return 0;
	end
	file:seek("set", 0);
	local ranges, good = entries.broken(file:read("*a"));
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
