-- SPDX-License-Identifier: Apache-2.0
--
-- What holds for a remote domain, as peers.json says. Functions without state:
-- mod_xmppfed keeps what parse returned, mod_xmppfed_peers enforces it.

local to_ascii = require "util.encodings".idna.to_ascii;
local json = require "util.json";

local fields = { "access", "tls", "authentication" };
local values = {
	access = { Allow = true, Deny = true };
	tls = { Required = true, Optional = true, Disabled = true };
	authentication = { Certificate = true, CertificateOrDialback = true, Dialback = true };
};

local audiences = {
	rooms = { Members = true, Peers = true, Everyone = true };
	accounts = { Contacts = true, Peers = true, Everyone = true };
};

-- For everybody while no policy is known, and for names that can't be looked up.
local nothing = { access = "Deny", tls = "Required", authentication = "Certificate" };

local function why_broken(policy, whose)
	if type(policy) ~= "table" then return whose.." is not an object"; end
	for _, field in ipairs(fields) do
		if not values[field][policy[field]] then return field.." of "..whose.." is missing or unknown"; end
	end
	if policy.rate ~= nil and type(policy.rate) ~= "number" then return "rate of "..whose.." is not a number"; end
	local route = policy.route;
	if route == nil then return nil; end
	if type(route) ~= "table" or type(route.host) ~= "string" or type(route.port) ~= "number" then
		return "route of "..whose.." has no host or port";
	end
end

-- Returns the policies, or nil and what is wrong with text.
local function parse(text)
	local policies = json.decode(text);
	if type(policies) ~= "table" or type(policies.peers) ~= "table" then return nil, "peers.json has no peers"; end
	local problem = why_broken(policies.defaults, "the defaults");
	for what, known in pairs(audiences) do
		if not known[policies[what]] then problem = problem or "the audience of "..what.." is missing or unknown"; end
	end
	for domain, policy in pairs(policies.peers) do
		problem = problem or why_broken(policy, tostring(domain));
	end
	if problem then return nil, problem; end
	return policies;
end

-- The one spelling of a name: A-labels, lower-case, without the root's dot.
local function canonical(name)
	local ascii = to_ascii(name);
	return ascii and (ascii:lower():gsub("%.+$", ""));
end

-- The policy of a domain: its own, else that of the nearest parent that has
-- one, else the defaults. No name at all gets the defaults.
local function lookup(policies, name)
	if not policies then return nothing; end
	local rest = name and canonical(name);
	if name and not rest then return nothing; end
	while rest do
		if policies.peers[rest] then return policies.peers[rest]; end
		rest = rest:match("^[^.]*%.(.+)$");
	end
	return policies.defaults;
end

-- Whether a remote domain is of the audience of what ("rooms", "accounts"): everyone, or the listed peers that are let in.
local function admits(policies, what, name)
	local own = lookup(policies, name);
	if not policies or own.access ~= "Allow" then return false; end
	return policies[what] == "Everyone" or policies[what] == "Peers" and own ~= policies.defaults;
end

-- Why a stream is against a policy, or nil. The stream is told by: secure (it
-- is encrypted), certified (its certificate is valid and names theirs) and
-- mechanism ("EXTERNAL", "dialback", or nil when none is judged).
local function violation(policy, stream, ours, theirs)
	local problem;
	if policy.access ~= "Allow" then
		problem = "does not allow federation with";
	elseif policy.tls == "Required" and not stream.secure then
		problem = "requires encryption (TLS) with";
	elseif policy.tls == "Disabled" and stream.secure then
		problem = "does not allow encryption (TLS) with";
	elseif policy.authentication == "Certificate" and not stream.certified then
		problem = "requires a valid certificate of";
	elseif policy.authentication == "Dialback" and stream.mechanism == "EXTERNAL" then
		problem = "requires dialback with";
	end
	return problem and ("policy of %s %s %s"):format(ours, problem, theirs);
end

return { parse = parse, lookup = lookup, admits = admits, violation = violation };
