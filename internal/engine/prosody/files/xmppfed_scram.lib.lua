-- SPDX-License-Identifier: Apache-2.0
--
-- The keys by which SCRAM (RFC 5802) judges a login. Names without an account get
-- salt and keys as well, always the same ones, so that nobody can tell them from
-- others: salts come from the name and a secret of the server. Keys are kept,
-- because deriving them takes milliseconds; for names without an account too, so
-- that the time it takes tells nothing either.

local new_cache = require "util.cache".new;
local hashes = require "util.hashes";
local get_hash = require "util.sasl.scram".get_hash;

local iterations = 10000;
local max_names = 2000; -- whose keys are kept

local hash = {
	scram_sha_1 = get_hash(hashes.sha1, hashes.hmac_sha1, hashes.pbkdf2_hmac_sha1);
	scram_sha_256 = get_hash(hashes.sha256, hashes.hmac_sha256, hashes.pbkdf2_hmac_sha256);
};

local secret_path = module:get_option_string("xmppfed_secret_dir").."/dialback-secret";
local kept = new_cache(max_names);

-- Something that is the same for a name and a purpose, and that nobody outside can work out.
local function derive(purpose, name)
	local file = assert(io.open(secret_path, "rb"));
	local secret = file:read("*a");
	file:close();
	return hashes.hmac_sha256(secret, "xmppfed "..purpose.." "..module.host.." "..name, true);
end

-- What Prosody asks a profile for: stored key, server key, iterations, salt, and that the account is enabled.
local function keys(mechanism, name, password)
	local id = mechanism.." "..name;
	local known = kept:get(id);
	if not known or known.password ~= password then
		local salt = derive("salt", name);
		local ok, stored_key, server_key = hash[mechanism](password or derive("password", name), salt, iterations);
		if not ok then return nil; end
		known = { password = password, salt = salt, stored_key = stored_key, server_key = server_key };
		kept:set(id, known);
	end
	return known.stored_key, known.server_key, iterations, known.salt, true;
end

return { keys = keys };
