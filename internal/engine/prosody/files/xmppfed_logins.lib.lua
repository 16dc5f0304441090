-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds how many passwords can be tried. An attempt counts when it begins and is
-- taken back when it succeeds, so that one that never ends counts too.
--
-- Addresses from which a user has logged in before have a bound of their own for
-- that user, which no stranger elsewhere can use up. All other attempts count for
-- their address, whatever the name, and for the name, whatever the address.

local now = require "util.time".now;
local buckets = module:require "xmppfed_buckets";
local network = module:require "xmppfed_session".network;

local max_familiar = 8; -- addresses per user
local max_failures = 5; -- per connection
local max_name = 64; -- bytes of a name in the log

local shared = module:shared("/*/xmppfed/logins"); -- over all domains
shared.failed, shared.refused = shared.failed or 0, shared.refused or 0;
shared.addresses = shared.addresses or buckets.new(4096, 20, 30);
shared.users = shared.users or buckets.new(100000, 30, 60); -- of accounts
shared.nobodies = shared.nobodies or buckets.new(4096, 30, 60); -- names without an account, which strangers make up
shared.familiar = shared.familiar or buckets.new(4096, 10, 30); -- a user at an address
shared.told = shared.told or buckets.new(4096, 1, 60); -- addresses in the log, which strangers could fill otherwise

local store = module:open_store("xmppfed_logins"); -- user -> address -> time of the last login

local function familiar_addresses(username)
	return store:get(username) or {};
end

-- Counts an attempt of session to log in as username, or returns false and after how many seconds it may be made.
-- known says whether there is an account of that name.
local function begin(session, username, known)
	local address, user = network(session.ip), username.."@"..module.host;
	local attempt = { address = address };
	if known and familiar_addresses(username)[address] then
		attempt.spent = { { shared.familiar, user.." "..address } };
	else
		attempt.spent = { { shared.addresses, address }, { known and shared.users or shared.nobodies, user } };
	end
	for i, spent in ipairs(attempt.spent) do
		local ok, wait = spent[1]:take(spent[2]);
		if not ok then
			for j = 1, i - 1 do attempt.spent[j][1]:give(attempt.spent[j][2]); end
			return false, wait;
		end
	end
	return attempt;
end

local function remember(username, address)
	local addresses = familiar_addresses(username);
	local day = 24 * 60 * 60;
	if math.abs(now() - (addresses[address] or 0)) < day then return; end -- a clock that was wrong may have been ahead
	addresses[address] = now();
	local count, oldest = 0, nil;
	for other, time in pairs(addresses) do
		count = count + 1;
		if not oldest or time < addresses[oldest] then oldest = other; end
	end
	if count > max_familiar then addresses[oldest] = nil; end
	store:set(username, addresses);
end

-- The attempt was right.
local function succeed(attempt, username)
	for _, spent in ipairs(attempt.spent) do spent[1]:give(spent[2]); end
	remember(username, attempt.address);
end

local function log(what, session, username)
	module:log("warn", "%s: user %q of %s from address %s", what, (username or "?"):sub(1, max_name), module.host, session.ip or "unknown");
end

local function fail(session, username)
	shared.failed = shared.failed + 1;
	session.xmppfed_failures = (session.xmppfed_failures or 0) + 1;
	log("Login failed", session, username);
end

local function refuse(session, username)
	shared.refused = shared.refused + 1;
	session.xmppfed_failures = max_failures;
	if shared.told:take(network(session.ip)) then log("Login refused unseen after too many that failed", session, username); end
end

-- Whether no more attempts are taken on this connection.
local function exhausted(session)
	return (session.xmppfed_failures or 0) >= max_failures;
end

return { begin = begin, succeed = succeed, fail = fail, refuse = refuse, exhausted = exhausted };
