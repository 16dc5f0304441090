// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// judged is a script for the Lua of a real Prosody that says what it finds wrong with files/xmppfed_policy.lib.lua.
const judged = `
package.path = "/usr/lib/prosody/?.lua;"..package.path;
package.cpath = "/usr/lib/prosody/?.so;"..package.cpath;
if not pcall(require, "prosody.loader") then pcall(require, "loader"); end
local policy = dofile("/tmp/policy.lua");
local count = 0;
local function expect(what, got, want)
	count = count + 1;
	if got ~= want then print(("%s: got %q, want %q"):format(what, tostring(got), tostring(want))); end
end

local complete = '{"access":"Allow","tls":"Required","authentication":"Certificate"}';
local function wrong(defaults, peers)
	return select(2, policy.parse('{"rooms":"Peers","accounts":"Contacts","defaults":'..defaults..',"peers":'..peers..'}'));
end
expect("an audience of rooms that is none", select(2, policy.parse('{"rooms":"Contacts","accounts":"Peers","defaults":'..complete..',"peers":{}}')),
	"the audience of rooms is missing or unknown");
expect("no audience of accounts", select(2, policy.parse('{"rooms":"Peers","defaults":'..complete..',"peers":{}}')),
	"the audience of accounts is missing or unknown");
for text in ("@@[]@@null@@1@@{}@@{\"defaults\":"..complete.."}@@{\"defaults\":"..complete..",\"peers\":1}"):gmatch("@@([^@]*)") do
	expect(text, select(2, policy.parse(text)), "peers.json has no peers");
end
expect("null for defaults", wrong("null", "{}"), "access of the defaults is missing or unknown");
expect("no defaults", wrong("1", "{}"), "the defaults is not an object");
expect("an unknown value", wrong('{"access":"allow"}', "{}"), "access of the defaults is missing or unknown");
expect("no TLS policy", wrong('{"access":"Deny","authentication":"Dialback"}', "{}"), "tls of the defaults is missing or unknown");
expect("a peer without policy", wrong(complete, '{"a.b":{}}'), "access of a.b is missing or unknown");
expect("a list of peers", wrong(complete, "["..complete..",1]"), "2 is not an object");
expect("a route without port", wrong(complete, '{"a.b":'..complete:sub(1, -2)..',"route":{"host":"x"}}}'), "route of a.b has no host or port");
expect("a route that is text", wrong(complete, '{"a.b":'..complete:sub(1, -2)..',"route":"x:1"}}'), "route of a.b has no host or port");
expect("nothing wrong", wrong(complete, '{"a.b":'..complete..'}'), nil);

local one, two, defaults = {}, {}, {};
local policies = { defaults = defaults, peers = { ["gmail.com"] = one, ["conference.gmail.com"] = two, ["xn--mnchen-3ya.example"] = one } };
for name, want in pairs({
	["gmail.com"] = one; ["GMAIL.com"] = one; ["gmail.com."] = one; ["a.gmail.com"] = one; ["a.b.gmail.com"] = one;
	["conference.gmail.com"] = two; ["a.conference.gmail.com"] = two; ["münchen.example"] = one; ["a.MÜNCHEN.example"] = one;
	["com"] = defaults; ["notgmail.com"] = defaults; ["gmail.com.evil.example"] = defaults; ["gmail.co"] = defaults; ["example"] = defaults;
}) do
	expect("policy of "..name, policy.lookup(policies, name), want);
end
expect("policy of nobody", policy.lookup(policies, nil), defaults);
expect("policy of a name that can't be", policy.lookup(policies, "a_b.gmail.com").access, "Deny");
expect("policy while there is none", policy.lookup(nil, "gmail.com").access, "Deny");
expect("policy of nobody while there is none", policy.lookup(nil, nil).access, "Deny");

local function admits(audience, default_access)
	local known = {
		rooms = audience, defaults = { access = default_access or "Allow" },
		peers = { ["gmail.com"] = { access = "Allow" }, ["shut.example"] = { access = "Deny" } },
	};
	local found = "";
	for _, name in ipairs({ "gmail.com", "a.gmail.com", "shut.example", "other.example", "a_b.gmail.com" }) do
		found = found..(policy.admits(known, "rooms", name) and "1" or "0");
	end
	return found;
end
expect("everyone", admits("Everyone"), "11010");
expect("everyone who is let in", admits("Everyone", "Deny"), "11000");
expect("peers", admits("Peers"), "11000");
expect("members", admits("Members"), "00000");
expect("while there is no policy", policy.admits(nil, "rooms", "gmail.com"), false);

local function violation(access, tls, authentication, secure, certified, mechanism)
	local own = { access = access, tls = tls, authentication = authentication };
	return policy.violation(own, { secure = secure, certified = certified, mechanism = mechanism }, "us", "them");
end
local prefix = "policy of us ";
expect("denied", violation("Deny", "Required", "Certificate", true, true, "EXTERNAL"), prefix.."does not allow federation with them");
expect("plain", violation("Allow", "Required", "Dialback", false, false, "dialback"), prefix.."requires encryption (TLS) with them");
expect("encrypted", violation("Allow", "Disabled", "Dialback", true, false, "dialback"), prefix.."does not allow encryption (TLS) with them");
expect("no certificate", violation("Allow", "Required", "Certificate", true, false, "dialback"), prefix.."requires a valid certificate of them");
expect("EXTERNAL", violation("Allow", "Required", "Dialback", true, true, "EXTERNAL"), prefix.."requires dialback with them");
expect("all well", violation("Allow", "Required", "Certificate", true, true, "EXTERNAL"), nil);
expect("dialback on top", violation("Allow", "Required", "Certificate", true, true, "dialback"), nil);
expect("plain where it may be", violation("Allow", "Optional", "Dialback", false, false, "dialback"), nil);
print("checked "..count);
`

func TestPolicyIsReadAndFoundAsItIsMeant(t *testing.T) {
	library, err := files.ReadFile("files/xmppfed_policy.lib.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			s := prosodytest.New(t, version, nil, nil)
			s.WriteTmp(t, "policy.lua", string(library))
			s.WriteTmp(t, "check.lua", judged)
			if out, err := s.Run(t, "lua5.4", "/tmp/check.lua"); err != nil || out != "checked 48\n" {
				t.Fatalf("got %v and output:\n%s", err, out)
			}
		})
	}
}
