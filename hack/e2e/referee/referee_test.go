// SPDX-License-Identifier: Apache-2.0

package referee

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const (
	srv     = "_xmpp-server._tcp.cup.race.example. 300 IN SRV 0 0 5269 xmpp.cup.race.example."
	alice   = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=alice;e=1;k=1;h=2" "_xmpp-server._tcp.cup SRV"`
	bob     = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=bob;e=1;k=1;h=2" "_xmpp-server._tcp.cup SRV"`
	offered = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=alice;e=2;t=bob;k=1;h=2" "_xmpp-server._tcp.cup SRV"`
	index   = `alice._xmppfed.race.example. 300 IN TXT "v=xf1;o=alice;e=1;k=1;h=2" "own._xmppfed.cup TXT"`
	above   = `own._xmppfed.race.example. 300 IN TXT "v=xf1;o=bob;e=1;k=1;h=2" "_xmpp-server._tcp.cup SRV"`
	shareA  = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=alice;e=1;m=shared;k=1;h=2" "_xmpp-server._tcp.cup SRV 0 0 5269 xmpp.cup.race.example."`
	shareB  = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=bob;e=1;m=shared;k=1;h=2" "_xmpp-server._tcp.cup SRV 0 0 5269 bob.race.example."`
	idle    = `own._xmppfed.cup.race.example. 300 IN TXT "v=xf1;o=bob;e=1;m=shared;k=1;h=2"`
	srvB    = "_xmpp-server._tcp.cup.race.example. 300 IN SRV 0 0 5269 bob.race.example."
	foreign = `_xmpp-server._tcp.cup.race.example. 300 IN TXT "somebody else's"`
	strange = "_xmpp-server._tcp.cup.race.example. 300 IN SRV 0 0 666 xmpp.cup.race.example."
)

func records(t *testing.T, lines ...string) []dns.RR {
	t.Helper()
	var all []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// step is what one update removes and adds.
type step struct{ removed, added []string }

func add(lines ...string) step    { return step{added: lines} }
func remove(lines ...string) step { return step{removed: lines} }

func TestTheRefereeSeesEveryFoul(t *testing.T) {
	for name, test := range map[string]struct {
		steps []step
		// want is part of the only violation; empty if there is none.
		want string
	}{
		"a name is claimed":              {[]step{add(alice, srv, index)}, ""},
		"a name is released and claimed": {[]step{add(alice, srv, index), remove(alice, srv, index), add(bob, srv)}, ""},
		"an owner changes its record":    {[]step{add(alice, srv), {[]string{alice}, []string{strings.Replace(alice, "e=1", "e=2", 1)}}}, ""},
		"a name is released unasked":     {[]step{add(bob, srv), remove(bob, srv)}, "released although nobody told its owner bob"},
		"a name flips":                   {[]step{add(alice, srv), {[]string{alice}, []string{bob}}}, "went from owner alice to bob"},
		"a name is handed over":          {[]step{add(offered, srv), {[]string{offered, srv}, []string{bob, srv}}}, ""},
		"a record has two owners":        {[]step{add(alice, srv), add(above)}, "SRV has 2 owners: alice, bob"},
		"a record has no owner":          {[]step{add(srv)}, "has no owner"},
		"an owner has no record":         {[]step{add(alice)}, "does not exist"},
		"a record is left behind":        {[]step{add(alice, srv), remove(alice)}, "has no owner"},
		"a record is not its owner's":    {[]step{add(alice, strange)}, "which does not publish it"},
		"a record is added to another's": {[]step{add(alice, srv), add(strange)}, "which does not publish it"},
		"two share a name":               {[]step{add(shareA, srv), add(shareB, srvB), remove(shareA, srv)}, ""},
		"one of two has no record":       {[]step{add(shareA, srv), {[]string{srv}, []string{shareB, srvB}}}, "listed by its owner alice but does not exist"},
		"one of two is pushed out":       {[]step{add(shareB, srvB), {[]string{shareB, srvB}, []string{shareA, srv}}}, "went from owner bob to alice"},
		"one of two leaves unasked":      {[]step{add(shareB, srvB), add(shareA, srv), remove(shareB, srvB)}, "nobody told its owner bob"},
		"one of two leaves its record":   {[]step{add(shareB, srvB), add(shareA, srv), remove(shareA)}, "has no owner"},
		"two want a record alone":        {[]step{add(alice, srv), add(idle)}, "has 2 ownership records, of which not all are shared"},
		"a foreign record goes away":     {[]step{remove(foreign)}, "a foreign record was touched"},
		"a foreign record is added to":   {[]step{add(strings.Replace(foreign, "else's", "at all", 1))}, "a foreign record was touched"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Rules{
				Apex: "race.example.",
				Fits: func(owner string, rr dns.RR) bool {
					return rr.String() == records(t, srv)[0].String() || owner == "bob" && rr.String() == records(t, srvB)[0].String()
				},
				MayRelease: func(owner, anchor string) bool { return owner == "alice" && anchor == "cup.race.example." },
			}, records(t, foreign))
			for i, s := range test.steps {
				r.Observe(Delta{Serial: uint32(i + 2), Removed: records(t, s.removed...), Added: records(t, s.added...)})
			}
			got := r.Violations()
			if test.want == "" && len(got) != 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want one with %q", got, test.want)
			}
		})
	}
}

func TestOthersDoAsTheyAnnounce(t *testing.T) {
	r := New(Rules{Apex: "race.example."}, records(t, foreign))
	change := Delta{Serial: 2, Removed: records(t, foreign), Added: records(t, strings.Replace(foreign, "else's", "at all", 1))}
	r.Announce(change)
	if got := r.Violations(); len(got) != 1 || !strings.Contains(got[0], "did not happen") {
		t.Errorf("before it happens: got %q", got)
	}
	r.Observe(change)
	if got := r.Violations(); len(got) != 0 {
		t.Errorf("after it happened: got %q", got)
	}
	if got, want := fmt.Sprint(r.Foreign()), fmt.Sprint(lines(change.Added)); got != want {
		t.Errorf("foreign records: got %s, want %s", got, want)
	}
	if got := r.Counts(); got != (Counts{Foreign: 1}) {
		t.Errorf("counts: %+v", got)
	}
}

func TestTheRefereeCountsClaimsHandoversAndReleases(t *testing.T) {
	r := New(Rules{
		Apex: "race.example.",
		Fits: func(string, dns.RR) bool { return true }, MayRelease: func(string, string) bool { return true },
	}, nil)
	for _, s := range []step{add(alice, srv), remove(alice, srv), add(bob, srv), remove(bob, srv), add(bob, srv)} {
		r.Observe(Delta{Removed: records(t, s.removed...), Added: records(t, s.added...)})
	}
	if got, want := r.Counts(), (Counts{Updates: 5, Claims: 3, Handovers: 1, Releases: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := r.Owners(); len(got) != 1 || got["cup.race.example."] != "bob" {
		t.Errorf("owners: %v", got)
	}
}

func TestATransferIsSplitIntoItsSteps(t *testing.T) {
	soa := func(serial int) string {
		return fmt.Sprintf("race.example. 300 IN SOA ns1.race.example. hostmaster.race.example. %d 60 60 3600 60", serial)
	}
	deltas, err := split(records(t, soa(4), soa(2), foreign, soa(3), srv, alice, soa(3), soa(4), index, soa(4)))
	if err != nil {
		t.Fatal(err)
	}
	if len(deltas) != 2 || deltas[0].Serial != 3 || deltas[1].Serial != 4 || len(deltas[0].Removed) != 1 ||
		len(deltas[0].Added) != 2 || len(deltas[1].Removed) != 0 || len(deltas[1].Added) != 1 {
		t.Errorf("got %v", deltas)
	}
	if deltas, err := split(records(t, soa(4))); err != nil || len(deltas) != 0 {
		t.Errorf("nothing new: got %v %v", deltas, err)
	}
	if _, err := split(records(t, soa(4), srv, soa(4))); err == nil {
		t.Error("a whole zone does not say how it came about: got no error")
	}
}
