// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// TestRate_ManyStreamsOfOneGroupShareIt has a stranger send much on many streams, below its domain, and another as much on each of
// two, later. Each stream is of a domain of its own.
func TestRate_ManyStreamsOfOneGroupShareIt(t *testing.T) {
	const many, few, kilobytes = 24, 2, 30
	each(t, func(t *testing.T, r *rig) {
		done := make(chan string, many+few)
		begin := func(group string, count int) {
			certificate := r.ca.KeyPair(t, "*."+group)
			for i := range count {
				name := fmt.Sprintf("n%d.%s", i, group)
				stream := r.open(prosodytest.Attempt{From: name, To: domain, Certificate: &certificate, External: true})
				t.Cleanup(stream.Close)
				r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3'/>" + bulk(name, kilobytes))).To(Succeed())
				go func() {
					for stream.Ack() != nil { // until what is before the question has been read
					}
					done <- group
				}()
			}
		}
		begin("many.example", many)
		begin("few.example", few)
		var order []string
		for range many + few {
			order = append(order, <-done)
		}
		t.Log(order)
		r.Expect(order[:many/2]).To(ContainElements("few.example", "few.example"))
		r.Expect(r.status().Limits.Refused).To(BeEmpty())
	})
}

// sharedRates is a script for the Lua of a real Prosody. It prints what is read in a second of one stream of each group when
// several are busy, and how that changes.
const sharedRates = `
local shares = dofile("/tmp/shares.lua").new();
local limits = { streams_at_full_rate = 4, strangers_rate = 100, least_rate = 2 };
local function stream(group, stranger, rate) return { group = group, stranger = stranger, rate = rate }; end
local listed, a, b = stream("listed", false, 100), stream("a", true, 30), stream("b", true, 30);
local function show(what)
	print(("%s %.2f %.2f %.2f"):format(what, shares:rate(listed, limits), shares:rate(a, limits), shares:rate(b, limits)));
end
local function busy(stream, time) shares:note(stream, 4096, time); end
show("quiet");
shares:note(a, 1000, 0); shares:note(a, 1000, 10);
show("little");
busy(listed, 20); busy(a, 20); busy(b, 20);
show("few");
local more = {};
for _, group in ipairs({ "listed", "a" }) do
	for i = 1, 7 do
		more[#more + 1] = stream(group, group == "a", 10);
		busy(more[#more], 20);
	end
end
show("many");
for i = 1, 100 do busy(stream("c", true, 30), 20); end
for i = 1, 17 do busy(stream("d"..i, true, 30), 20); end
show("crowd");
shares:pass(29);
show("after9");
busy(a, 29); shares:pass(31);
show("after11");
shares:forget(a);
show("gone");
`

func TestRate_IsSharedByBusyStreams(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			files, _ := r.render()
			r.WriteTmp(t, "shares.lua", files["xmppfed_shares.lib.lua"])
			r.WriteTmp(t, "rates.lua", sharedRates)
			out, err := r.Run(t, "lua5.4", "/tmp/rates.lua")
			r.Expect(err).NotTo(HaveOccurred(), out)
			r.Expect(strings.Split(strings.TrimSpace(out), "\n")).To(HaveExactElements(
				"quiet 100.00 30.00 30.00",
				"little 100.00 30.00 30.00",
				"few 100.00 30.00 30.00",
				"many 50.00 6.25 30.00", // two groups of strangers have 50 each, of which a has eight streams
				"crowd 50.00 2.00 5.00", // and now twenty
				"after9 50.00 2.00 5.00",
				"after11 100.00 30.00 30.00",
				"gone 100.00 30.00 30.00",
			))
		})
	}
}
