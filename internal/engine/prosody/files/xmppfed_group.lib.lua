-- SPDX-License-Identifier: Apache-2.0
--
-- Who is behind a domain, as far as limits go: names that one owner can make
-- without number count as one. That is the listed peer whose policy applies, or
-- else the registrable domain: the last two labels, or three where the last but
-- one is of those under which countries let people register (co.uk, com.au).
-- That is an approximation of the Public Suffix List; where it is wrong, strangers
-- share a limit, and listing a peer gives it one of its own.

local second_level = {
	ac = true, co = true, com = true, edu = true, go = true, gov = true, gob = true, ltd = true,
	me = true, mil = true, ne = true, net = true, nom = true, ["or"] = true, org = true, plc = true, sch = true,
};

local function registrable(name)
	local labels = {};
	for label in name:gmatch("[^.]+") do labels[#labels + 1] = label; end
	local n = #labels;
	local keep = n > 2 and #labels[n] == 2 and second_level[labels[n - 1]] and 3 or 2;
	return table.concat(labels, ".", math.max(1, n - keep + 1));
end

-- The group of a domain under the policies that xmppfed_policy.parse returned.
local function of(policies, name)
	local peers = policies and policies.peers or {};
	local rest = name:lower():gsub("%.+$", "");
	local whole = rest;
	while rest do
		if peers[rest] then return rest; end
		rest = rest:match("^[^.]*%.(.+)$");
	end
	return registrable(whole);
end

return { of = of, registrable = registrable };
