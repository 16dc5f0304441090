-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds connections that have not proven anything yet, of servers and of
-- clients, and the streams that one partner may have. When there are as many as
-- may be, the address with most of them gives one up, so that one address, or a
-- few, can't keep all others out; partners behind one address (NAT, a load
-- balancer) may have as many as there is room for.

module:set_global();

local filters = require "util.filters";
local timer = require "util.timer";
local connections = module:require "xmppfed_cut";
local group_of = module:require "xmppfed_group".of;
local memory = module:require "xmppfed_memory";
local network = module:require "xmppfed_session".network;

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local limits; -- as rendered from internal/engine/prosody/limits.go

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local function refuse(session, reason, text)
	counters[reason] = (counters[reason] or 0) + 1;
	connections.close(session, text);
end

-- Before authentication ------------------------------------------------------------

local kinds = { s2sin_unauthed = "servers", c2s_unauthed = "clients" };
local pools = { servers = {}, clients = {} }; -- { session, address } in the order of their coming

-- Without those that have authenticated or are gone.
local function prune(pool)
	local kept = {};
	for _, entry in ipairs(pool) do
		if kinds[entry.session.type] and not entry.session.destroyed then kept[#kept + 1] = entry; end
	end
	return kept;
end

-- The last comer of the address that has the most; that is the newcomer unless another address has more.
local function one_too_many(pool, newcomer)
	local count, latest = {}, {};
	for _, entry in ipairs(pool) do
		count[entry.address], latest[entry.address] = (count[entry.address] or 0) + 1, entry;
	end
	local most = newcomer.address;
	for ip, n in pairs(count) do
		if n > count[most] then most = ip; end
	end
	return latest[most];
end

local function admit(session)
	local kind = kinds[session.type];
	if not kind or session.destroyed or not session.close then return; end
	local pool, newcomer = pools[kind], { session = session, address = network(session.conn and session.conn:ip()) };
	if #pool >= limits.unauthenticated then pool = prune(pool); end
	pool[#pool + 1] = newcomer;
	pools[kind] = pool;
	if memory.above(limits.users_memory_percent) then
		refuse(session, "memory", "this server is short of memory");
	elseif #pool > limits.unauthenticated then
		local last = one_too_many(pool, newcomer);
		refuse(last.session, "connections of "..kind, "too many connections that are not authenticated");
	end
end

-- Called when a session begins, before it has everything that is needed to close it.
local function on_new(session)
	if kinds[session.type] then timer.add_task(0, function () admit(session); end); end
end

-- After it ---------------------------------------------------------------------------

-- The incoming streams of a group: how many, and the one that was opened first.
local function streams_of(group)
	local count, oldest = 0, nil;
	for session in pairs(prosody.incoming_s2s) do
		if session.type == "s2sin" and session.from_host and group_of(state.peers, session.from_host) == group then
			count = count + 1;
			if not oldest or session.xmppfed_opened < oldest.xmppfed_opened then oldest = session; end
		end
	end
	return count, oldest;
end

module:hook("s2sin-established", function (event)
	local session = event.session;
	if not session.from_host or session.xmppfed_admitted then return; end -- it may be told of several names
	session.xmppfed_admitted = true;
	local group = group_of(state.peers, session.from_host);
	local listed = state.peers and state.peers.peers[group];
	if not listed and memory.above(limits.strangers_memory_percent) then
		return refuse(session, "memory", "this server is short of memory");
	end
	local count, oldest = streams_of(group);
	-- The oldest gives way, which may be a dead one, so that nobody is kept out by streams that are forgotten.
	if count > limits.incoming_per_group then refuse(oldest, "incoming streams", "too many streams of "..group); end
end);

function module.load() filters.add_filter_hook(on_new); end
function module.unload() filters.remove_filter_hook(on_new); end

module:hook("config-reloaded", read_limits);
read_limits();
