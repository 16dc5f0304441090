// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"

	. "github.com/onsi/gomega"
)

// tear writes lists as a real Prosody does, with an entry that ends at any of its bytes before one that is whole, and
// has them mended. What the people behind the messages wrote is code that a reader of such lists might run.
const tear = `package.path = "/usr/lib/prosody/?.lua;/usr/lib/?.lua;"..package.path
package.cpath = "/usr/lib/prosody/?.so;/usr/lib/?.so;"..package.cpath
debug.sethook(function() print("more than 1e9 instructions"); os.exit(1) end, "", 1e9)
local serialize = require "util.serialization".serialize
local broken = dofile("/tmp/entries.lua").broken
local function entry(data) return "item("..serialize(data)..");\n" end
local function expect(text, from, to, what)
	local ranges, good = broken(text)
	if not (good and #ranges == 1 and ranges[1][1] == from and ranges[1][2] == to) then
		print(("%s: want %d-%d, got %d of which the first is %s-%s"):format(what, from, to, #ranges,
			ranges[1] and ranges[1][1], ranges[1] and ranges[1][2]))
	end
end
local bodies = {}
for line in io.lines("/tmp/bodies") do bodies[#bodies + 1] = line end
local before = entry { "before", ["when"] = 1, with = { -1, 2.5, 1e300, -1e-300, true } }
for _, body in ipairs(bodies) do
	local whole = entry { { body, name = "body", attr = {} }, name = "message", attr = { from = body }, [body] = "x" }
	for cut = 1, #whole - #");\n" do
		expect(before..whole:sub(1, cut)..whole, #before + 1, #before + cut, body.." cut at "..cut)
	end
end
local many = entry { ("item("):rep(50000) }
expect(before..many:sub(1, -20)..before, #before + 1, #before + #many - 19, "many beginnings")
print("done")
`

var bodiesThatAreCode = []string{
	`hello`,
	`item(1) while true do end --`,
	`item(1); while true do end --`,
	`item({ '1' }) while true do end --`,
	`item({ [[x]], [==[y]==] }) for i = 1, 1/0 do end --`,
	`item({ 1, -- `,
	`item({ 1, --[[ `,
	`item({ (function() while true do end end)() }); --`,
	`item({ x"y", x{}, x[1], #x, not x, 2^2^2^2^2^2 });`,
	`item(1);`,
	`");\nitem(1);`,
	`\"); item({ 1 }); --\`,
	`(1/0)`, `item((1/0)`, `item({ ["x"] = 1`,
}

func TestEntries_AreFoundWithoutBeingRun(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			files, _ := r.render()
			r.WriteTmp(t, "entries.lua", files["xmppfed_entries.lib.lua"])
			r.WriteTmp(t, "bodies", strings.Join(bodiesThatAreCode, "\n")+"\n")
			r.WriteTmp(t, "tear.lua", tear)
			out, err := r.Run(t, "lua5.4", "/tmp/tear.lua")
			r.Expect(err).NotTo(HaveOccurred(), out)
			r.Expect(out).To(Equal("done\n"))
		})
	}
}
