-- SPDX-License-Identifier: Apache-2.0
--
-- Lets nobody but the operator in: Authorization: Bearer <token>.

local equals = require "util.hashes".equals;

local path = module:get_option_string("xmppfed_secret_dir").."/token";

local function read_token()
	local file = io.open(path, "rb");
	if not file then return nil; end
	local token = file:read("*a");
	file:close();
	return token ~= "" and token or nil;
end

-- Wraps a handler of HTTP requests.
return function (handler)
	return function (event)
		local token, given = read_token(), (event.request.headers.authorization or ""):match("^Bearer (.+)$");
		if not (token and given and equals(given, token)) then
			event.response.headers.www_authenticate = "Bearer";
			return 401;
		end
		event.response.headers.content_type = "application/json";
		return handler(event);
	end
end
