-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the streams that others can make this server open, and the stanzas that
-- wait for them. A crowd is served step by step: a stream waits for its turn
-- before it looks for an address. What is beyond the bounds is returned to its
-- sender with <resource-constraint/> and counted.

module:set_global();

local errors = require "util.error";
local now = require "util.time".monotonic; -- the clock of the node can be set
local st = require "util.stanza";
local timer = require "util.timer";
local group_of = module:require "xmppfed_group".of;
local memory = module:require "xmppfed_memory";
local streams = module:require "xmppfed_session";

local tick = 0.05; -- seconds between two looks at whose turn it is
local read_size = 4096; -- bytes, as of incoming connections
local burst = 0.05; -- seconds of handshakes that may begin at once: they stop everything else meanwhile
local tag_cost = 300; -- bytes of memory that an element takes beside its text

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local gate = module:shared("gate"); -- guard, for mod_xmppfed_route; why_not_open, for mod_xmppfed_dialback
local known = module:shared("known"); -- survives a reload of this module
known.entries = known.entries or {}; -- outgoing session -> { group, state, bytes, verify }
known.groups = known.groups or {}; -- name of a group -> how many streams it has
known.totals = known.totals or { total = 0, connecting = 0, verifying = 0, waiting = 0, queued = 0 };
local entries, groups, totals = known.entries, known.groups, known.totals;

local limits; -- as rendered from internal/engine/prosody/limits.go
local waiting = {}; -- entries that wait for their turn, first come first served
local ticking = false;
local budgets = { users = { tokens = 0, at = 0 }, verify = { tokens = 0, at = 0 } };
local creating = { bytes = 0 }; -- of the stream that mod_s2s opens next: verify, bytes; session once it is created

local function read_limits()
	limits = module:get_option("xmppfed_limits");
end

local function count(reason)
	counters[reason] = (counters[reason] or 0) + 1;
end

-- Streams ------------------------------------------------------------------------

local nothing = { total = 0, waiting = 0 };

-- Why no further stream to name may be opened, or nil. Streams to verify a name
-- are for strangers, and have to leave room for those of users.
function gate.why_not_open(name, verify)
	local theirs = groups[group_of(state.peers, name)] or nothing;
	local per_group = verify and limits.verify_streams_per_group or limits.streams_per_group;
	if memory.above(verify and limits.strangers_memory_percent or limits.users_memory_percent) then return "memory"; end
	if totals.total >= limits.streams or theirs.total >= per_group then return "outgoing streams"; end
	if totals.waiting >= limits.waiting or theirs.waiting >= limits.waiting_per_group then return "waiting streams"; end
end

local function add(entry, kind, step)
	entry.group[kind] = entry.group[kind] + step;
	totals[kind] = totals[kind] + step;
	if kind == "connecting" and entry.verify then totals.verifying = totals.verifying + step; end
end

local function move(entry, to)
	if entry.state == "waiting" or entry.state == "connecting" then add(entry, entry.state, -1); end
	if to == "waiting" or to == "connecting" then add(entry, to, 1); end
	entry.state = to;
end

-- Takes one of the handshakes that may begin in a second: they are what takes the processor's time.
local function may_begin(entry)
	local bucket, rate = budgets.users, limits.connects_per_second;
	if entry.verify then bucket, rate = budgets.verify, limits.verifies_per_second; end
	local time = now();
	bucket.tokens = math.min(rate * burst, bucket.tokens + (time - bucket.at) * rate);
	bucket.at = time;
	if bucket.tokens < 1 then return false; end
	bucket.tokens = bucket.tokens - 1;
	return true;
end

local function has_turn(entry)
	if totals.connecting >= limits.connecting or entry.group.connecting >= limits.connecting_per_group then return false; end
	if entry.verify and totals.verifying >= limits.verifying then return false; end
	return may_begin(entry);
end

local function go_on(entry, problem)
	local proceed = entry.proceed;
	entry.proceed = nil;
	move(entry, "connecting");
	proceed(problem);
end

local function serve_waiting()
	local before, deadline = waiting, now() - limits.wait_seconds;
	waiting = {};
	for _, entry in ipairs(before) do
		if has_turn(entry) then
			go_on(entry);
		elseif entry.since < deadline then
			count("waited too long");
			go_on(entry, "too many streams to other servers are being opened");
		else
			waiting[#waiting + 1] = entry;
		end
	end
	if waiting[1] then return tick; end
	ticking = false;
end

-- Calls proceed when the stream of session may look for an address, with a text when it may not.
local function wait_for_turn(session, proceed)
	local entry = entries[session];
	if not entry or entry.state ~= "new" then return proceed(); end -- it has had its turn, for another address
	entry.proceed, entry.since = proceed, now();
	move(entry, "waiting");
	if totals.waiting == 1 and has_turn(entry) then return go_on(entry); end
	waiting[#waiting + 1] = entry;
	if not ticking then
		ticking = true;
		timer.add_task(tick, serve_waiting);
	end
end

-- Makes resolver wait for the turn of the stream it is for.
function gate.guard(resolver)
	local session, next_target = creating.session, resolver.next;
	if not session then return resolver; end
	function resolver:next(callback)
		wait_for_turn(session, function (problem)
			if not problem then return next_target(self, callback); end
			self.last_error = errors.new({ type = "wait", condition = "resource-constraint", text = problem });
			callback(nil);
		end);
	end
	return resolver;
end

local function on_created(event)
	local name = group_of(state.peers, event.session.to_host);
	local group = groups[name] or { name = name, total = 0, connecting = 0, waiting = 0 };
	groups[name] = group;
	local entry = { group = group, state = "new", bytes = creating.bytes, verify = creating.verify };
	entries[event.session] = entry;
	add(entry, "total", 1);
	totals.queued = totals.queued + entry.bytes;
	creating = { session = event.session, bytes = 0 };
end

-- Prosody reads from connections that it has opened as much as there is, in one go, so that no rate would hold.
module:hook("s2sout-connected", function (event) event.session.conn:set_mode(read_size); end);

local function settle(entry)
	move(entry, "standing");
	totals.queued = totals.queued - entry.bytes;
	entry.bytes = 0;
end

module:hook("s2sout-established", function (event)
	local entry = entries[event.session];
	if entry then settle(entry); end
end);

module:hook("s2s-destroyed", function (event)
	local entry = entries[event.session];
	if not entry then return; end
	settle(entry);
	add(entry, "total", -1);
	entries[event.session] = nil;
	if entry.group.total == 0 then groups[entry.group.name] = nil; end
end);

-- Stanzas that wait --------------------------------------------------------------

local stanzas = { message = true, presence = true, iq = true };

-- The memory that a stanza takes while it waits, in bytes.
local function cost(stanza)
	local text = tostring(stanza);
	local _, tags = text:gsub("<", "<");
	return #text + tags * tag_cost;
end

local function bounce(event, reason)
	local stanza = event.stanza;
	local kind = stanza.attr.type;
	count(reason);
	if stanzas[stanza.name] and kind ~= "error" and kind ~= "result" then
		local text = "this server has too much to do for other servers; try again later";
		prosody.core_route_stanza(prosody.hosts[event.from_host], st.error_reply(stanza, "wait", "resource-constraint", text));
	end
	return true;
end

-- Before mod_s2s adds a stanza to those that wait for a stream.
local function on_route_waiting(event)
	local host = prosody.hosts[event.from_host];
	local session = host and host.s2sout[event.to_host];
	local entry = session and entries[session];
	if not entry or session.type ~= "s2sout_unauthed" then return nil; end
	if event.stanza.name == "db:verify" and session.dialback_key then return nil; end -- is sent at once
	local bytes = cost(event.stanza);
	local full = streams.queue(session) >= limits.send_queue or entry.bytes + bytes > limits.queued_bytes_per_stream;
	if full or totals.queued + bytes > limits.queued_bytes then return bounce(event, "waiting stanzas"); end
	entry.bytes = entry.bytes + bytes;
	totals.queued = totals.queued + bytes;
end

-- Before mod_s2s opens a stream for a stanza.
local function on_route_new(event)
	local verify = event.stanza.name == "db:verify";
	local reason = gate.why_not_open(event.to_host, verify);
	if reason then return bounce(event, reason); end
	local bytes = cost(event.stanza);
	if totals.queued + bytes > limits.queued_bytes then return bounce(event, "waiting stanzas"); end
	creating = { verify = verify, bytes = bytes };
end

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("s2sout-created", on_created, 1500);
	module:hook("route/remote", on_route_waiting, 0); -- mod_s2s has -1 for streams that exist
	module:hook("route/remote", on_route_new, -5); -- and -10 for new ones
end

function module.unload()
	gate.guard = nil;
	for _, entry in ipairs(waiting) do go_on(entry); end
	waiting = {};
end

module:hook("config-reloaded", read_limits);
read_limits();
