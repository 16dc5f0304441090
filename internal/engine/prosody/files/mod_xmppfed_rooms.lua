-- SPDX-License-Identifier: Apache-2.0
--
-- Keeps strangers out of rooms: those who are neither ours nor of the audience of rooms
-- (peers.json). They get the same answer whether there is a room or not, unless the room
-- has made them members, which an invitation by one of our users does.

local jid = require "util.jid";
local st = require "util.stanza";
local muc = module:depends("muc");
local policy = module:require "xmppfed_policy";

local state = module:shared("/*/xmppfed/state"); -- peers: what xmppfed_policy.parse returned

local affiliated = { owner = true, admin = true, member = true };
local quiet = { error = true, result = true, unavailable = true }; -- types of what wants no answer

local function is_ours(address)
	local _, domain = jid.split(address);
	return domain ~= nil and rawget(prosody.hosts, domain) ~= nil;
end

local function is_stranger(address)
	local _, domain = jid.split(address);
	return not is_ours(address) and not policy.admits(state.peers, "rooms", domain);
end

local function is_member(room, address)
	return affiliated[room:get_affiliation(address)] or false;
end

local function on_stanza(event)
	local origin, stanza = event.origin, event.stanza;
	local from, ends = stanza.attr.from, quiet[stanza.attr.type];
	if not from or not is_stranger(from) then return nil; end
	local room = muc.get_room_from_jid(jid.bare(stanza.attr.to));
	if room and (is_member(room, from) or ends and room:get_occupant_by_real_jid(from)) then return nil; end
	if not ends then
		local text = "Rooms of "..module.host.." are open to listed partners and to those who are invited in the room";
		origin.send(st.error_reply(stanza, "auth", "forbidden", text));
	end
	return true;
end

for _, name in ipairs({ "iq", "message", "presence" }) do
	module:hook(name.."/bare", on_stanza, 1000);
	module:hook(name.."/full", on_stanza, 1000);
end

-- The list of rooms is empty for strangers.
module:hook("host-disco-items", function (event)
	if not is_stranger(event.stanza.attr.from) then return nil; end
	event.origin.send(event.reply);
	return true;
end, 1000);

module:hook("muc-invite", function (event)
	local room, invitee, inviter = event.room, event.stanza.attr.to, event.incoming.attr.from;
	if not is_ours(inviter) or not is_stranger(invitee) or room:get_affiliation(invitee) then return nil; end
	room:set_affiliation(true, jid.bare(invitee), "member", "Invited");
	room:save();
end);

-- Those who are in a room and may not be any more have to leave.
local function clear(room)
	local strangers = {};
	for nick, occupant in room:each_occupant() do
		if is_stranger(occupant.bare_jid) and not is_member(room, occupant.bare_jid) then strangers[#strangers + 1] = nick; end
	end
	for _, nick in ipairs(strangers) do room:set_role(true, nick, nil, "This room is for members and listed partners"); end
end

local function sweep()
	for room in muc.live_rooms() do clear(room); end
end

module:hook("muc-set-affiliation", function (event)
	if not affiliated[event.affiliation] then clear(event.room); end
end);
module:hook_global("xmppfed-peers-changed", sweep);
if state.peers then sweep(); end
