-- SPDX-License-Identifier: Apache-2.0
--
-- Which accounts there are and which there were, over restarts. Functions without
-- state. A ledger is { present = { name -> mark }, removed = { name -> { mark, left } } }.
-- A mark stands for a password: the same one has the same mark, one that can't be
-- used has none (false). left is for how many seconds more a removal can be undone.

-- Returns the ledger after the accounts became those of marks, and the names that were given to somebody else: they came
-- back with another password. An empty list is taken for a mistake; it removes nothing.
local function update(ledger, marks, grace)
	if next(marks) == nil then return ledger, {}; end
	local after, replaced = { present = {}, removed = {} }, {};
	for name, entry in pairs(ledger.removed) do
		local mark = marks[name];
		if mark == nil then
			after.removed[name] = entry;
		elseif mark == false then -- nobody can log in; who it is will be seen then
			after.removed[name] = { mark = entry.mark, left = grace };
		elseif entry.mark and entry.mark ~= mark then
			replaced[#replaced + 1] = name;
		end
	end
	for name, mark in pairs(marks) do
		if not after.removed[name] then after.present[name] = mark or ledger.present[name] or false; end
	end
	for name, mark in pairs(ledger.present) do
		if marks[name] == nil then after.removed[name] = { mark = mark, left = grace }; end
	end
	table.sort(replaced);
	return after, replaced;
end

-- Returns the ledger after the server has run for some more seconds, and the names whose removal can't be undone any more.
-- The clock has no part in it: it may jump.
local function pass(ledger, seconds, marks)
	local after, due = { present = ledger.present, removed = {} }, {};
	for name, entry in pairs(ledger.removed) do
		local left = marks[name] == nil and math.max(0, entry.left - seconds) or entry.left;
		after.removed[name] = { mark = entry.mark, left = left };
		if left == 0 then due[#due + 1] = name; end
	end
	table.sort(due);
	return after, due;
end

return { update = update, pass = pass };
