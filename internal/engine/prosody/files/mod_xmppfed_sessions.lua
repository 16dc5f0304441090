-- SPDX-License-Identifier: Apache-2.0
--
-- Bounds the sessions of a user, of which each can keep a queue (XEP-0198), also
-- after its connection has broken. A new client always gets in: where there are too
-- many, the one that has been away for longest gives way, or else the one that has
-- been there for longest. What it has not acknowledged is passed on (mod_xmppfed_unacked).

local counters = module:shared("/*/xmppfed_limits/counters"); -- reason -> how often something was refused
local order = module:shared("/*/xmppfed/sessions"); -- last: number of the last event; survives a reload of this module
order.last = order.last or 0;

local function note(session)
	order.last = order.last + 1;
	session.xmppfed_order = order.last;
end

local function sessions_of(username)
	local user = prosody.hosts[module.host].sessions[username];
	return user and user.sessions or {};
end

-- Returns how many sessions of a user there are that are away, or that are not, and the first of them.
local function survey(username, away)
	local count, first = 0, nil;
	for _, session in pairs(sessions_of(username)) do
		if (session.hibernating and true or false) == away then
			count = count + 1;
			if not first or (session.xmppfed_order or 0) < (first.xmppfed_order or 0) then first = session; end
		end
	end
	return count, first;
end

local function close(session)
	session:close({ condition = "resource-constraint", text = "Too many sessions of this account: the oldest gives way" });
end

module:hook("pre-resource-bind", function (event)
	local username = event.session.username;
	if sessions_of(username)[event.resource] then return; end -- it takes that one's place
	local away, first_away = survey(username, true);
	local there, first_there = survey(username, false);
	if away + there < module:get_option("xmppfed_limits").user_sessions then return; end
	if not first_away then counters["sessions of a user"] = (counters["sessions of a user"] or 0) + 1; end
	close(first_away or first_there);
end);

module:hook("smacks-hibernation-start", function (event)
	note(event.origin);
	local away, first = survey(event.origin.username, true);
	if away > module:get_option("xmppfed_limits").user_sessions_away then close(first); end
end);
module:hook("smacks-hibernation-end", function (event) note(event.resumed); end);
module:hook("resource-bind", function (event) note(event.session); end);
