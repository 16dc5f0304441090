// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// loadedPeers is a script for the Lua of a real Prosody: it reads every case with the server's own library and compares
// with what was meant. A name that is looked up may be anything, and must neither fail nor find the policy of another.
const loadedPeers = `
package.path = "/usr/lib/prosody/?.lua;"..package.path;
package.cpath = "/usr/lib/prosody/?.so;"..package.cpath;
if not pcall(require, "prosody.loader") then pcall(require, "loader"); end
local json = require "util.json";
local policy = dofile("/tmp/policy.lua");
local function unhex(s) return (s:gsub("%x%x", function (b) return string.char(tonumber(b, 16)); end)); end
local file = assert(io.open("/tmp/cases.json"));
local cases = assert(json.decode(file:read("*a")));
for n, case in ipairs(cases) do
	local function fail(...) print("case "..n..":", ...); end
	local value = unhex(case.value);
	local policies, err = policy.parse(unhex(case.text));
	if not policies then
		fail(err);
	else
		local found;
		for domain, own in pairs(policies.peers) do
			if domain ~= "other.example" then
				if domain ~= value then fail("domain", domain); end
				if own.route.host ~= value or own.route.port ~= 5269 then fail("route", own.route.host, own.route.port); end
				found = true;
			end
		end
		if not found then fail("not there"); end
		if policies.defaults.access ~= "Deny" then fail("defaults"); end
		if policy.lookup(policies, value).tls == "Disabled" then fail("has the policy of another"); end
	end
end
print("checked "..#cases);
`

func TestHostilePeersStayStringsInTheRealProsody(t *testing.T) {
	type peerCase struct {
		Value string `json:"value"`
		Text  string `json:"text"`
	}
	denied := v1alpha1.PeerPolicy{Access: "Deny", TLS: "Required", Authentication: "Certificate"}
	var cases []peerCase
	for _, value := range append(hostile, randomStrings(500)...) {
		text, err := renderPeers(engine.Input{PeerDefaults: denied, Peers: []engine.Peer{
			{Domain: "other.example", Policy: plain},
			{Domain: value, Policy: strict, Route: &engine.Route{Host: value, Port: 5269}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, peerCase{Value: hex.EncodeToString([]byte(inJSON(t, value))), Text: hex.EncodeToString([]byte(text))})
	}
	list, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	library, err := files.ReadFile("files/xmppfed_policy.lib.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			s := prosodytest.New(t, version, nil, nil)
			s.WriteTmp(t, "policy.lua", string(library))
			s.WriteTmp(t, "cases.json", string(list))
			s.WriteTmp(t, "check.lua", loadedPeers)
			out, err := s.Run(t, "lua5.4", "/tmp/check.lua")
			if want := fmt.Sprintf("checked %d\n", len(cases)); err != nil || out != want {
				t.Fatalf("got %v and output %.2000s, want %q", err, out, want)
			}
		})
	}
}

// inJSON is what is left of value in JSON, which holds nothing but UTF-8.
func inJSON(t *testing.T, value string) (text string) {
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &text); err != nil {
		t.Fatal(err)
	}
	return text
}
