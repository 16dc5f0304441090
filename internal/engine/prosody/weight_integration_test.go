// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// weigh compares what stanzas take in the Lua of a real Prosody, which reads them as it does from a stream, with the estimate.
const weigh = `package.path = "/usr/lib/prosody/?.lua;/usr/lib/?.lua;"..package.path
package.cpath = "/usr/lib/prosody/?.so;/usr/lib/?.so;"..package.cpath
pcall(require, "prosody.loader")
if not package.loaded["prosody.loader"] then pcall(require, "loader") end
local parser = require "util.xmppstream"
local weight = dofile("/tmp/weight.lua")
local stanza
local session = { notopen = true }
local stream = parser.new(session, {
	default_ns = "jabber:server", streamopened = function() session.notopen = nil end,
	handlestanza = function(_, complete) stanza = complete end, error = function(_, ...) print("malformed", ...) end,
})
stream:feed("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>")
local function check(what, inner)
	stanza = nil
	collectgarbage() collectgarbage()
	local before = collectgarbage("count")
	stream:feed("<message>"..inner.."</message>")
	collectgarbage() collectgarbage()
	local taken, estimated = (collectgarbage("count") - before) * 1024, weight.of(stanza)
	if estimated < 0.9 * taken or estimated > 2 * taken then
		print(("%s: takes %d bytes, estimated are %d"):format(what, taken, estimated))
	end
end
local function many(count, form)
	local list = {}
	for i = 1, count do list[i] = form:gsub("#", ("%x"):format(i)) end
	return table.concat(list)
end
check("an empty one", many(50, "<a/>"))
check("small elements", many(20000, "<a/>"))
check("small elements of other namespaces", many(15000, "<a xmlns='u#'/>"))
check("elements in each other", ("<a>"):rep(20000)..("</a>"):rep(20000))
check("elements with attributes", many(10000, "<a b='#' c='#' d=''/>"))
check("attributes", "<a"..many(10000, " a#='#'").."/>")
check("elements with text", many(10000, "<a>#</a>"))
check("text between elements", many(10000, "#<a/>"))
check("a long text", "<body>"..("x"):rep(400000).."</body>")
check("a long attribute", "<a b='"..("x"):rep(400000).."'/>")
check("a list of rooms", "<query xmlns='http://jabber.org/protocol/disco#items'>"..
	many(3000, "<item jid='room#@conference.example.com' name='The room # (12)'/>").."</query>")
print("done")
`

func TestWeight_EstimatesWhatStanzasTake(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			files, _ := r.render()
			r.WriteTmp(t, "weight.lua", files["xmppfed_weight.lib.lua"])
			r.WriteTmp(t, "weigh.lua", weigh)
			out, err := r.Run(t, "lua5.4", "/tmp/weigh.lua")
			r.Expect(err).NotTo(HaveOccurred(), out)
			r.Expect(out).To(Equal("done\n"))
		})
	}
}
