-- SPDX-License-Identifier: Apache-2.0

-- Refuses one domain and its subdomains in both directions, as a server does that has somebody on its deny list.

local st = require "prosody.util.stanza";

local refused = module:get_option_string("refused_domain", "");
if refused == "" then
	return;
end

local function is_refused(domain)
	return domain == refused or domain ~= nil and domain:sub(-#refused - 1) == "." .. refused;
end

-- Before the stock handlers offer TLS (500) and the ways to authenticate, so that nothing else is said.
module:hook("s2s-stream-features", function(event)
	local session = event.origin;
	if is_refused(session.from_host) then
		session:close({ condition = "policy-violation", text = "Your domain is not allowed to federate with " .. module.host });
		return true;
	end
end, 1000);

-- Before mod_s2s (-1 and -10) connects to the other server.
module:hook("route/remote", function(event)
	if not is_refused(event.to_host) then
		return;
	end
	if event.stanza.attr.type ~= "error" and event.stanza.attr.type ~= "result" then
		event.origin.send(st.error_reply(event.stanza, "cancel", "not-allowed", "Federation with " .. refused .. " is not allowed"));
	end
	return true;
end, 1000);
