-- SPDX-License-Identifier: Apache-2.0
--
-- The memory of what was sent on a stream between servers and that the other side
-- has not acknowledged (XEP-0198): mod_smacks keeps the last 500 stanzas, however
-- large they are.

local filters = require "util.filters";
local weight_of = module:require "xmppfed_weight".of;

local added = 900; -- bytes of what mod_smacks adds to a stanza

-- Takes from own what mod_smacks does not keep any more.
local function settle(own)
	local first = own.last - own.queue._queue:count() + 1;
	while own.first < first do
		own.bytes = own.bytes - (own[own.first] or 0);
		own[own.first] = nil;
		own.first = own.first + 1;
	end
end

-- After mod_smacks, which numbers what it keeps.
local function note(stanza, session)
	local queue = session.outgoing_stanza_queue;
	if not queue then return stanza; end
	local own, last = session.xmppfed_sent, queue:count_acked() + queue:count_unacked();
	if not own or own.queue ~= queue then
		own = { queue = queue, first = last, last = last - 1, bytes = 0 }; -- number -> bytes
		session.xmppfed_sent = own;
	end
	if last > own.last then
		own[last], own.last = weight_of(stanza) + added, last;
		own.bytes = own.bytes + own[last];
		settle(own);
	end
	return stanza;
end

-- Has what is sent on session be weighed from now on; once, however often it is called.
local function watch(session)
	filters.add_filter(session, "stanzas/out", note, -1000); -- mod_smacks has -999
end

-- The bytes of what was sent on session and not acknowledged.
local function bytes(session)
	local own = session.xmppfed_sent;
	if not own or own.queue ~= session.outgoing_stanza_queue then return 0; end
	settle(own);
	return own.bytes;
end

return { watch = watch, bytes = bytes };
