-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the memory of presence: it is kept for every client that is there, and in
-- every room for each who is inside, and is sent again to all who ask for it.

local st = require "util.stanza";
local weight_of = module:require "xmppfed_weight".of;

local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused

local function on_presence(event)
	local origin, stanza = event.origin, event.stanza;
	if stanza.attr.type == "error" or weight_of(stanza) <= module:get_option("xmppfed_limits").presence_bytes then return nil; end
	counters["size of presence"] = (counters["size of presence"] or 0) + 1;
	origin.send(st.error_reply(stanza, "modify", "policy-violation", "This presence says more than the server keeps"));
	return true;
end

-- What others send to users is not kept; what is too large for a client's queue xmppfed_queues knows.
local before = module:get_host_type() == "component" and "presence/" or "pre-presence/";
for _, kind in ipairs({ "bare", "full", "host" }) do module:hook(before..kind, on_presence, 1001); end
