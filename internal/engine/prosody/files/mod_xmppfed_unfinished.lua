-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the memory of what is being read from streams. Stanzas are in memory as
-- soon as they begin, and a few bytes can be an element of hundreds, so an
-- estimate of that is bounded: for a stanza, for all that a connection sends
-- before it has proven anything, and for all together. Besides, parsers keep
-- every name that they have seen: each gets a new one between two stanzas when
-- it may have seen too many, without the other side noticing.
--
-- For that, streams are read tag by tag. A tag that has not arrived completely
-- waits here: expat would not look at it again, nor at all that follows, until
-- there is twice as much, so that stanzas were late.

module:set_global();

local filters = require "util.filters";
local connections = module:require "xmppfed_cut";
local group_of = module:require "xmppfed_group".of;
local streams = module:require "xmppfed_session";
local weigh = module:require "xmppfed_weight".of_text;
local xml = module:require "xmppfed_xml";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned
local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local clients, servers = module:shared("/*/c2s/sessions"), module:shared("/*/s2s/sessions"); -- connection -> session
local readers = setmetatable(module:shared("readers"), { __mode = "k" }); -- stream of util.xmppstream -> what is known of it
local totals = module:shared("totals"); -- pool -> bytes; too many until counted, because sessions end silently
totals.unproven, totals.proven = totals.unproven or 0, totals.proven or 0;
local limits; -- as rendered from internal/engine/prosody/limits.go

local max_tag = 128 * 1024; -- bytes; it is copied and looked at again with each part that arrives
local max_header = 4096; -- bytes; it is kept

local function read_limits()
	local all = module:get_option("xmppfed_limits");
	limits = {
		unproven = { each = all.unproven_bytes, all = all.unproven_bytes_in_all };
		proven = { each = all.stanza_bytes, all = all.unfinished_bytes };
		names = all.names_bytes;
	};
end

local function is_proven(session)
	return session.type ~= nil and not session.type:find("_unauthed", 1, true);
end

-- Bounds ---------------------------------------------------------------------------

local function set_weight(reader, pool, bytes)
	totals[reader.pool] = totals[reader.pool] - reader.weight;
	totals[pool] = totals[pool] + bytes;
	reader.pool, reader.weight = pool, bytes;
end

-- Forgets what has been read of a stream that ends.
local function drop(reader)
	counters["unfinished stanzas"] = (counters["unfinished stanzas"] or 0) + 1;
	reader.ended, reader.rest, reader.opening = true, nil, nil;
	set_weight(reader, reader.pool, 0);
	reader.reset(reader.stream);
end

-- Ends a stream: Prosody does when it gets this answer.
local function too_large(reader)
	drop(reader);
	return nil, "stanza-too-large";
end

-- Whose a stream is, and whether they are listed peers or users. Before that is proven, its address counts.
local function account_of(session)
	if is_proven(session) then
		if session.username then return "user "..session.username.."@"..session.host, true; end
		local _, theirs = streams.names(session);
		if theirs then
			local group = group_of(state.peers, theirs);
			return "domain "..group, state.peers and state.peers.peers[group] ~= nil;
		end
	end
	return "address "..streams.network(session.conn:ip()), false;
end

-- The readers of a pool in the order in which they have to go: of those together who have most. When strangers have more than
-- half, they are first.
local function heaviest(pool)
	local list, sums, total, of_strangers = {}, {}, 0, 0;
	for _, reader in pairs(readers) do
		local session = reader.session;
		if reader.pool ~= pool or not session or session.destroyed or not session.conn then
			if reader.pool == pool then reader.weight = 0; end
		elseif reader.weight > 0 then
			local account, known = account_of(session);
			list[#list + 1] = { reader = reader, account = account, known = known };
			sums[account] = (sums[account] or 0) + reader.weight;
			total = total + reader.weight;
			if not known then of_strangers = of_strangers + reader.weight; end
		end
	end
	totals[pool] = total;
	for _, entry in ipairs(list) do
		entry.last = entry.known and of_strangers > limits[pool].all / 2;
		entry.sum, entry.weight = sums[entry.account], entry.reader.weight;
	end
	table.sort(list, function (a, b)
		if a.last ~= b.last then return b.last; end
		if a.sum ~= b.sum then return a.sum > b.sum; end
		return a.weight > b.weight;
	end);
	return list;
end

-- Ends streams until there is some room again.
local function relieve(pool)
	local list = heaviest(pool);
	if totals[pool] <= limits[pool].all then return; end
	for _, entry in ipairs(list) do
		if totals[pool] <= limits[pool].all * 3 / 4 then return; end
		drop(entry.reader);
		connections.close(entry.reader.session, "too much is being read at a time");
	end
end

-- Counts data that arrives. Returns whether the stream may go on.
local function admit(reader, data)
	local pool = is_proven(reader.session) and "proven" or "unproven";
	if pool == "proven" and reader.weight == 0 and not data:find("<", 1, true) then return true; end -- between stanzas
	if reader.pool ~= pool then set_weight(reader, pool, reader.unfinished); end
	local bytes = weigh(data);
	reader.read, reader.unfinished = reader.read + bytes, reader.unfinished + bytes;
	set_weight(reader, pool, reader.weight + bytes);
	return reader.weight <= limits[pool].each;
end

-- Reading ----------------------------------------------------------------------------

-- Stands in for the session while a new parser is told how the stream began.
local listener = { notopen = true, thread = { run = function () end } };

-- The header of a stream that stood before this module was there.
local function usual_header(session)
	return ("<stream:stream xmlns='jabber:%s' xmlns:stream='http://etherx.jabber.org/streams'"
		.." xmlns:db='jabber:server:dialback'>"):format(session.username and "client" or "server");
end

-- Has a parser that is new go on where the one before ended. A client that resumes has another session since then (XEP-0198).
local function go_on(reader)
	local conn = reader.conn;
	local session = clients[conn] or servers[conn] or reader.session;
	reader.stream:set_session(listener);
	local ok, err = reader.feed(reader.stream, reader.header or usual_header(session));
	reader.stream:set_session(session);
	reader.session, reader.renewed, reader.read = session, false, 0;
	return ok, err;
end

-- Has text parsed that ends with a tag, or after it.
local function pass(reader, text)
	local session = reader.session;
	reader.completed, reader.begun = false, false;
	if session.notopen then reader.opening = (reader.opening or "")..text; end
	local ok, err = reader.feed(reader.stream, text);
	if ok and reader.opening and not session.notopen then
		reader.header, reader.opening, reader.completed = xml.header(reader.opening), nil, true;
		if #reader.header > max_header then return too_large(reader); end
	end
	return ok, err;
end

-- Has text parsed tag by tag, and notices where stanzas end.
local function pass_by_tags(reader, text)
	local from, ended = 1, nil;
	repeat
		local tag = text:find("<", from + 1, true);
		reader.by_tags = true;
		local ok, err = pass(reader, text:sub(from, (tag or 0) - 1));
		reader.by_tags = false;
		-- What came before a stream begins anew, encrypted, is no part of that.
		if not ok or reader.begun or reader.ended then return ok, err; end
		if reader.completed then ended = tag or #text + 1; end
		if reader.renewed then
			ok, err = go_on(reader);
			if not ok then return ok, err; end
		end
		from = tag;
	until not from;
	if ended then
		local left = text:sub(ended)..(reader.rest and reader.rest[1] or "");
		set_weight(reader, reader.pool, left:find("<", 1, true) and weigh(left) or 0);
	end
	return true;
end

-- What can be parsed of what has arrived, or nil if nothing can.
local function parsable(reader, data)
	local rest = reader.rest;
	if not rest then
		rest = { data, length = #data };
	else
		rest[#rest + 1], rest.length = data, rest.length + #data;
		reader.rest = rest;
		if not data:find("[<>;]") then return nil; end
	end
	local text = table.concat(rest);
	local stop = xml.whole(text);
	reader.rest = stop < #text and { text:sub(stop + 1), length = #text - stop } or nil;
	return stop > 0 and text:sub(1, stop) or nil;
end

-- Stands in for the function feed of a stream.
local function read(reader, data)
	if reader.ended then return true; end
	if not admit(reader, data) then return too_large(reader); end
	if totals[reader.pool] > limits[reader.pool].all then relieve(reader.pool); end
	if reader.ended then return true; end
	local text = parsable(reader, data);
	if reader.rest and reader.rest.length > max_tag then return too_large(reader); end
	if not text then return true; end
	if reader.pool == "proven" then return pass_by_tags(reader, text); end
	local ok, err = pass(reader, text);
	if reader.completed then reader.unfinished = weigh(data); end -- at most
	return ok, err;
end

-- Streams ----------------------------------------------------------------------------

local function attach(stream)
	local reader = readers[stream] or { stream = stream, pool = "unproven", weight = 0, read = 0, unfinished = 0 };
	readers[stream], reader.feed, reader.reset = reader, stream.feed, stream.reset;
	function stream.feed(_, data) return read(reader, data); end
	function stream.reset(...)
		reader.begun, reader.rest, reader.opening, reader.read, reader.unfinished = true, nil, nil, 0, 0;
		set_weight(reader, reader.pool, 0);
		return reader.reset(...);
	end
	return reader;
end

local function detach(reader)
	reader.stream.feed, reader.stream.reset = reader.feed, reader.reset;
	if reader.rest then reader.feed(reader.stream, table.concat(reader.rest)); end
	reader.feed, reader.rest = nil, nil;
end

local function on_bytes(data, session)
	local stream = session.stream;
	if stream then
		local reader = readers[stream];
		if not reader or not reader.feed then reader = attach(stream); end
		reader.session, reader.conn = session, session.conn;
	end
	return data;
end

-- Called by the parser at the end of a stanza. Where text is read tag by tag, nothing is left of it then but blanks.
local function on_stanza(stanza, session)
	local reader = readers[session.stream];
	if reader then
		reader.completed = true;
		if reader.by_tags and reader.read > limits.names then
			reader.reset(reader.stream);
			reader.renewed = true;
		end
	end
	return stanza;
end

local function watch(session)
	if session.type:find("^[cs]2s") then
		filters.add_filter(session, "bytes/in", on_bytes);
		filters.add_filter(session, "stanzas/in", on_stanza, 1000); -- before any that may keep the stanza
	end
end

function module.load()
	filters.add_filter_hook(watch);
	for _, sessions in ipairs({ clients, servers }) do
		for _, session in pairs(sessions) do watch(session); end
	end
end

function module.unload()
	filters.remove_filter_hook(watch);
	for _, sessions in ipairs({ clients, servers }) do
		for _, session in pairs(sessions) do
			filters.remove_filter(session, "bytes/in", on_bytes);
			filters.remove_filter(session, "stanzas/in", on_stanza);
		end
	end
	for _, reader in pairs(readers) do
		if reader.feed then detach(reader); end
	end
end

module:hook("config-reloaded", read_limits);
read_limits();
