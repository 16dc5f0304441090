-- SPDX-License-Identifier: Apache-2.0
--
-- Accounts from the mounted Secret, the same on every VirtualHost. mod_xmppfed
-- reads them, and again when the Secret changes, so nothing is kept here.
-- Passwords can't be changed over XMPP: the Secret is the source. How many may be
-- tried is bounded (xmppfed_logins).

local it = require "util.iterators";
local new_sasl = require "util.sasl".new;
local saslprep = require "util.encodings".stringprep.saslprep;
local secure_equals = require "util.hashes".equals;
local timer = require "util.timer";
local logins = module:require "xmppfed_logins";
local scram = module:require "xmppfed_scram";

local host = module.host;
local state = module:shared("/*/xmppfed/state"); -- accounts: localpart -> password

local provider = {};

local function accounts()
	return state.accounts or {};
end

local function get_password(username)
	local password = accounts()[username];
	password = password and saslprep(password);
	return password ~= "" and password or nil; -- SASLprep may leave nothing; that must not let anybody in
end

function provider.get_password(username)
	return get_password(username);
end

function provider.test_password(username, password)
	local expected, given = get_password(username), saslprep(password);
	if expected and given and secure_equals(expected, given) then
		return true;
	end
	return nil, "Auth failed. Invalid username or password.";
end

function provider.user_exists(username)
	return accounts()[username] ~= nil;
end

provider.is_enabled = provider.user_exists;

function provider.users()
	return next, accounts(), nil;
end

local function read_only()
	return nil, "Accounts are managed outside of this server.";
end

provider.set_password = read_only;
provider.create_user = read_only;
provider.delete_user = read_only;

-- Counts the attempt that session is about to make. It is judged only if there may be another one.
local function may_try(session, username)
	session.xmppfed_attempt, session.xmppfed_wait = logins.begin(session, username, provider.user_exists(username));
	return session.xmppfed_attempt;
end

-- The profile that lets util.sasl offer PLAIN and all of SCRAM.
local function profile_for(session)
	local profile = {};
	function profile.plain_test(_, username, password)
		if not may_try(session, username) then return false, nil; end
		return provider.test_password(username, password) or false, true;
	end
	for _, mechanism in ipairs({ "scram_sha_1", "scram_sha_256" }) do
		profile[mechanism] = function (_, username)
			if not may_try(session, username) then return nil; end
			return scram.keys(mechanism, username, get_password(username));
		end
	end
	return profile;
end

-- What was not judged is told apart from what was wrong, so that clients don't ask for another password.
local function tell_refusals(handler, session)
	local process, clean_clone = handler.process, handler.clean_clone;
	function handler:process(message)
		local status, condition, text = process(self, message);
		if status ~= "failure" or not session.xmppfed_wait then return status, condition, text; end
		return status, "temporary-auth-failure", "Too many logins have failed; try again in "..session.xmppfed_wait.." seconds";
	end
	function handler:clean_clone()
		return tell_refusals(clean_clone(self), session);
	end
	return handler;
end

function provider.get_sasl_handler(session)
	return tell_refusals(new_sasl(host, profile_for(session)), session);
end

module:provides("auth", provider);

-- The end of attempts ----------------------------------------------------------

local function close(session)
	session:close({ condition = "policy-violation", text = "Too many logins have failed" });
end

-- An attempt that was given up for another one stays counted.
module:hook("stanza/urn:ietf:params:xml:ns:xmpp-sasl:auth", function (event)
	local session = event.origin;
	if session.type ~= "c2s_unauthed" then return nil; end
	if logins.exhausted(session) then
		close(session);
		return true;
	end
	session.xmppfed_attempt, session.xmppfed_wait = nil, nil;
end, 100);

module:hook("authentication-failure", function (event)
	local session = event.session;
	local username = session.sasl_handler and session.sasl_handler.username;
	if session.xmppfed_wait then logins.refuse(session, username); else logins.fail(session, username); end
	session.xmppfed_attempt = nil;
	if logins.exhausted(session) then timer.add_task(0, function () close(session); end); end -- the answer goes first
end);

module:hook("authentication-success", function (event)
	local session = event.session;
	if session.xmppfed_attempt then logins.succeed(session.xmppfed_attempt, session.username); end
	session.xmppfed_attempt, session.xmppfed_failures = nil, nil;
end);

-- Changes of accounts -----------------------------------------------------------

-- Streams that were opened with a password that no longer counts are closed.
module:hook_global("xmppfed-accounts-changed", function (before)
	for username, password in pairs(before) do
		local user = accounts()[username] ~= password and prosody.hosts[host].sessions[username];
		for _, session in ipairs(user and it.to_array(it.values(user.sessions)) or {}) do
			session:close({ condition = "not-authorized", text = "The account was changed or removed" });
		end
	end
end);
