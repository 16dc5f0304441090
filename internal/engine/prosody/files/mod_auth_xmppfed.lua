-- SPDX-License-Identifier: Apache-2.0
--
-- Accounts from the mounted Secret, the same on every VirtualHost. mod_xmppfed
-- reads them, and again when the Secret changes, so nothing is kept here.
-- Passwords can't be changed over XMPP: the Secret is the source.

local it = require "util.iterators";
local new_sasl = require "util.sasl".new;
local saslprep = require "util.encodings".stringprep.saslprep;
local secure_equals = require "util.hashes".equals;

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

-- The "plain" profile lets util.sasl offer PLAIN and all of SCRAM.
function provider.get_sasl_handler()
	return new_sasl(host, {
		plain = function(_, username)
			local password = get_password(username);
			return password or "", password and true;
		end;
	});
end

module:provides("auth", provider);

-- Streams that were opened with a password that no longer counts are closed.
module:hook_global("xmppfed-accounts-changed", function (before)
	for username, password in pairs(before) do
		local user = accounts()[username] ~= password and prosody.hosts[host].sessions[username];
		for _, session in ipairs(user and it.to_array(it.values(user.sessions)) or {}) do
			session:close({ condition = "not-authorized", text = "The account was changed or removed" });
		end
	end
end);
