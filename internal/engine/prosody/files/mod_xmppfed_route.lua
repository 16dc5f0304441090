-- SPDX-License-Identifier: Apache-2.0
--
-- Where partners' servers are: at the place their policy names, else where the
-- DNS says. Prosody 0.12.3 has no event for this yet, so it is done where
-- mod_s2s of all versions asks, in the function that makes a resolver. For the
-- same reason this is where a stream waits for its turn (mod_xmppfed_outgoing).

module:set_global();

local basic = require "net.resolvers.basic";
local manual = require "net.resolvers.manual";
local service = require "net.resolvers.service";
local array = require "util.array";
local policy = module:require "xmppfed_policy";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local latest = module:shared("/*/xmppfed_trace/latest"); -- trace: of the stream this resolver is for
local gate = module:shared("/*/xmppfed_outgoing/gate"); -- guard: makes a resolver wait

local new_of_prosody = service.new;

local function new_resolver(domain, name, transport, extra)
	local route = policy.lookup(state.peers, domain).route;
	if not route then return new_of_prosody(domain, name, transport, extra); end
	if name == "xmpp-server" then return basic.new(route.host, route.port, transport, extra); end
	return manual.new({}, transport, extra); -- no direct TLS (XEP-0368)
end

local max_addresses = 16;

local function note(addresses, address)
	if #addresses < max_addresses then
		addresses:push(address);
	elseif #addresses == max_addresses then
		addresses:push(""); -- there are more
	end
end

-- Notes in trace the addresses to connect to.
local function noting(resolver, trace)
	local next_target = resolver.next;
	trace.addresses = trace.addresses or array();
	function resolver:next(callback)
		return next_target(self, function (found, address, ...)
			if found and trace.stage == "resolve" then trace.stage = "connect"; end
			if found then note(trace.addresses, address); end
			callback(found, address, ...);
		end);
	end
	return resolver;
end

function service.new(domain, name, transport, extra)
	if name ~= "xmpp-server" and name ~= "xmpps-server" then return new_of_prosody(domain, name, transport, extra); end
	local resolver = noting(new_resolver(domain, name, transport, extra), latest.trace or {});
	return gate.guard and gate.guard(resolver) or resolver;
end

function module.unload()
	service.new = new_of_prosody;
end
