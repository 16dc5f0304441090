// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// hostile are strings that mean something to Lua, to Prosody or to the template.
var hostile = []string{
	"", " ", "*", "a b", `"`, `'`, `\`, `\"`, `\\"`, "]]", "[[", "--", "--[[", "\n", "\r\n", "\x00", "\x00\"", "\xff\xfe",
	"\"\nVirtualHost \"evil.example", `" VirtualHost "evil.example`, `"; evil = true --`, "\\\nevil = true",
	`" .. Lua.os.getenv("HOME") .. "`, `]] os.execute("true") --[[`, "{{ .Generation }}", "%s%q", "\\u{22}", `\34`, `\x22`,
	"évil.example", "EVIL.example", "xn--vil-9la.example", "\u202eelpmaxe.live", "\u00ad", "a@b/c", "component_module", "__index",
	strings.Repeat("a", 70000), strings.Repeat(`"`, 3000),
}

// loaded is a script for the Lua of a real Prosody: it loads /tmp/<n>.cfg.lua for
// every case with the server's own parser and compares with what was meant. The
// names of hosts are compared as nameprep makes them; where it refuses one, the
// configuration must be refused. Anything else is printed and fails the test.
const loaded = `
package.path = "/usr/lib/prosody/?.lua;"..package.path;
package.cpath = "/usr/lib/prosody/?.so;"..package.cpath;
if not pcall(require, "prosody.loader") then pcall(require, "loader"); end
local config = require "core.configmanager";
local json = require "util.json";
local nameprep = require "util.encodings".stringprep.nameprep;
local function unhex(s) return (s:gsub("%x%x", function (b) return string.char(tonumber(b, 16)); end)); end
local function keys(t)
	local list = {};
	for k in pairs(t) do list[#list + 1] = tostring(k); end
	table.sort(list);
	return table.concat(list, "\0");
end

local file = assert(io.open("/tmp/cases.json"));
local cases = assert(json.decode(file:read("*a")));
assert(config.load("/tmp/base.cfg.lua", "lua"));
local global_keys = keys(config.getconfig()["*"]);

for n, case in ipairs(cases) do
	local function fail(...) print("case "..n..":", ...); end
	local expected, refused = { ["*"] = global_keys }, false;
	for _, host in ipairs(case.hosts) do
		local name = nameprep(unhex(host.name));
		if name == "*" then refused = "any"; end
		if not name then
			refused = true;
		elseif host.muc then
			expected[name] = keys({ component_module = 1, load_global_modules = 1, modules_enabled = 1, restrict_room_creation = 1 });
		else
			expected[name] = keys({ defined = 1 });
		end
	end
	local ok, _, err = config.load("/tmp/"..n..".cfg.lua", "lua");
	if refused == "any" then
		if ok and keys(config.getconfig()) ~= keys(expected) then fail("hosts", keys(config.getconfig())); end
	elseif refused then
		if ok or not tostring(err):find("contains forbidden characters", 1, true) then fail("not refused", ok, err); end
	elseif not ok then
		fail("refused", err);
	else
		local got = config.getconfig();
		if keys(got) ~= keys(expected) then fail("hosts", (("%q vs %q"):format(keys(got), keys(expected)))); end
		for host, wanted in pairs(expected) do
			if not rawget(got, host) or keys(rawget(got, host)) ~= wanted then fail("options of", host); end
		end
		if got["*"].xmppfed_generation ~= unhex(case.generation) then fail("generation"); end
	end
end
print("checked "..#cases);
`

type hostileCase struct {
	Generation string        `json:"generation"`
	Hosts      []hostileHost `json:"hosts"`
}

type hostileHost struct {
	Name string `json:"name"`
	MUC  bool   `json:"muc"`
}

func TestHostileStringsStayStringsInTheRealProsody(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			s := prosodytest.New(t, version, nil, map[string][]byte{engine.KeyDialbackSecret: []byte("x")})
			var cases []hostileCase
			write := func(name string, in engine.Input, generation string) {
				text, err := renderConfig(in, generation)
				if err != nil {
					t.Fatal(err)
				}
				s.WriteTmp(t, name, text)
			}
			write("base.cfg.lua", engine.Input{Domains: []string{"base.example"}, TrustedCAs: "PEM"}, "")
			for _, value := range append(hostile, randomStrings(500)...) {
				for _, in := range hostileInputs(value) {
					cases = append(cases, meant(in, value))
					write(fmt.Sprintf("%d.cfg.lua", len(cases)), in, value)
				}
			}
			list, err := json.Marshal(cases)
			if err != nil {
				t.Fatal(err)
			}
			s.WriteTmp(t, "cases.json", string(list))
			s.WriteTmp(t, "check.lua", loaded)
			out, err := s.Run(t, "lua5.4", "/tmp/check.lua")
			if want := fmt.Sprintf("checked %d\n", len(cases)); err != nil || out != want {
				t.Fatalf("got %v and output %.2000s, want %q", err, out, want)
			}
		})
	}
}

// hostileInputs puts value into every string that reaches the configuration.
func hostileInputs(value string) []engine.Input {
	cas := "PEM" + value
	return []engine.Input{
		{Domains: []string{value}, TrustedCAs: cas},
		{Domains: []string{"good.example", value}, TrustedCAs: cas},
		{Domains: []string{"good.example"}, GroupChat: value, TrustedCAs: cas},
		{Domains: []string{value}, GroupChat: "conference", TrustedCAs: cas},
	}
}

// meant is what a configuration rendered from in and generation has to load as.
func meant(in engine.Input, generation string) hostileCase {
	c := hostileCase{Generation: hex.EncodeToString([]byte(generation))}
	for _, domain := range in.Domains {
		c.Hosts = append(c.Hosts, hostileHost{Name: hex.EncodeToString([]byte(domain))})
		if in.GroupChat != "" {
			name := groupChatHost(in.GroupChat, domain)
			c.Hosts = append(c.Hosts, hostileHost{Name: hex.EncodeToString([]byte(name)), MUC: true})
		}
	}
	return c
}

// randomStrings are n strings of bytes that are likely to hurt, the same in every run.
func randomStrings(n int) []string {
	const likely = "\"'\\[]-=\n\r\x00\t {}();.,$%é\xff09azAZ"
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]string, n)
	for i := range out {
		b := make([]byte, 1+random.IntN(40))
		for j := range b {
			b[j] = likely[random.IntN(len(likely))]
		}
		out[i] = string(b)
	}
	return out
}
