// SPDX-License-Identifier: Apache-2.0

// Package conformance is the test suite of providers: what package dns promises must hold with each of them, against
// the real thing.
package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Zone is a fresh zone with some records of others in it.
type Zone interface {
	// Provider of the zone. Each call gives a new one.
	Provider() dns.Provider
	// Losing is a provider whose first update is applied but its answer lost.
	Losing() dns.Provider
	// Edit changes the zone as somebody else would.
	Edit(dns.Change)
	// Dump is the zone's content, one sorted line per record.
	Dump() []string
}

// suite is one test's view of its zone.
type suite struct {
	*testing.T
	Zone
	apex string
}

// Run tests a provider; fresh gives each test a zone of its own.
func Run(t *testing.T, fresh func(t *testing.T) Zone) {
	tests := map[string]func(suite){
		"Records are created, changed and removed, and foreign records stay byte for byte":  lifecycle,
		"Nothing is written when the zone is as wanted":                                     idle,
		"A record that somebody changed or removed is put back":                             drift,
		"What is left out of the units is released without being named":                     releaseUnnamed,
		"A record moves from one anchor to another in one update":                           move,
		"The second owner of a name is told who has it, and gets it once it is released":    conflict,
		"A foreign record at the name is reported and left alone":                           foreignRecord,
		"A record of ExternalDNS is reported as such":                                       externalDNS,
		"An alias at the name is reported and left alone":                                   alias,
		"Records below a wildcard are published, as a wildcard owns nothing":                wildcard,
		"A lost answer to the first update does no harm":                                    lostReply,
		"A forged ownership record stops everything":                                        forged,
		"An ownership record that somebody removed is reported, and nothing is overwritten": lost,
		"Of many that claim a name at once exactly one gets it":                             race,
		"A name outside the zone is refused":                                                outside,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			z := fresh(t)
			test(suite{T: t, Zone: z, apex: z.Provider().Apex()})
		})
	}
}

func owner(n int) dns.Owner { return dns.Owner{ID: fmt.Sprintf("owner%03d", n)} }

func (s suite) signer() dns.Signer {
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		s.Fatal(err)
	}
	return signer
}

func (s suite) converge(p dns.Provider, o dns.Owner, units ...dns.Unit) (dns.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return dns.Converge(ctx, p, s.signer(), o, units)
}

// must converge with a provider of its own.
func (s suite) must(o dns.Owner, units ...dns.Unit) dns.Result {
	s.Helper()
	result, err := s.converge(s.Provider(), o, units...)
	if err != nil {
		s.Fatalf("converging: %v", err)
	}
	return result
}

// mustFail with the reason and with the words in the message, leaving the zone as it was.
func (s suite) mustFail(reason string, words []string, o dns.Owner, units ...dns.Unit) {
	s.Helper()
	before := s.Dump()
	_, err := s.converge(s.Provider(), o, units...)
	e, ok := dns.AsError(err)
	if !ok || e.Reason != reason {
		s.Fatalf("converging: got %v, want reason %s", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			s.Errorf("message %q does not contain %q", e.Message, w)
		}
	}
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone changed (-before +after):\n%s", diff)
	}
}

// units is what a Federation publishes: service records under the domain, addresses under the host.
func (s suite) units(port uint16, addresses ...string) []dns.Unit {
	host := "cup1." + s.apex
	srv := dns.SRV{Port: port, Target: host}
	domain := dns.Unit{Anchor: s.apex, Records: []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, s.apex, 300, srv),
		dns.SRVRecord(dns.ServiceXMPPServer, "conference."+s.apex, 300, srv),
	}}
	var parsed []netip.Addr
	for _, a := range addresses {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return []dns.Unit{domain, {Anchor: host, Records: dns.AddressRecords(host, 300, parsed)}}
}

// published fails unless the zone holds exactly the records of the units.
func (s suite) published(units ...dns.Unit) {
	s.Helper()
	for _, u := range units {
		for _, want := range u.Records {
			sets, err := s.Provider().Get(context.Background(), want.Key())
			if err != nil || len(sets) != 1 || !sets[0].Equal(want) {
				s.Errorf("reading %s: got %v %v, want %v", want.Key(), sets, err, want)
			}
		}
	}
}

func lifecycle(s suite) {
	before := s.Dump()
	first := s.units(5269, "203.0.113.130")
	if r := s.must(owner(1), first...); !r.Changed {
		s.Error("creating records: nothing changed")
	}
	s.published(first...)
	second := s.units(5299, "203.0.113.131", "203.0.113.132", "2001:db8::5")
	s.must(owner(1), second...)
	s.published(second...)
	third := s.units(5299, "2001:db8::5")
	a := dns.Key{Name: "cup1." + s.apex, Type: dns.TypeA}
	if r := s.must(owner(1), third...); !slices.Equal(r.Dropped, []dns.Key{a}) {
		s.Errorf("removing the IPv4 addresses: dropped %v, want %v", r.Dropped, a)
	}
	s.published(third...)
	if n := len(s.Dump()) - len(before); n != 3+3 {
		s.Errorf("the zone has %d records more than before, want 3 and 3 ownership records", n)
	}
	s.must(owner(1), dns.Unit{Anchor: s.apex}, dns.Unit{Anchor: "cup1." + s.apex})
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func idle(s suite) {
	s.must(owner(1), s.units(5269, "203.0.113.130")...)
	before, err := s.Provider().Zone(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	for range 3 {
		if r := s.must(owner(1), s.units(5269, "203.0.113.130")...); r.Changed {
			s.Error("a run on a zone that was as wanted changed it")
		}
	}
	after, err := s.Provider().Zone(context.Background())
	if err != nil || before.Serial != after.Serial {
		s.Errorf("serial was %d and is %d, %v", before.Serial, after.Serial, err)
	}
}

func drift(s suite) {
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	changed := units[0].Records[0]
	changed.Data = []dns.Data{dns.SRV{Port: 1, Target: "evil.example."}}
	s.Edit(dns.Change{Put: []dns.RRset{changed}, Drop: []dns.Key{units[1].Records[0].Key()}})
	s.must(owner(1), units...)
	s.published(units...)
	ttl := units[0].Records[0]
	ttl.TTL = 60
	s.Edit(dns.Change{Put: []dns.RRset{ttl}})
	s.must(owner(1), units...)
	s.published(units...)
}

func releaseUnnamed(s suite) {
	before := s.Dump()
	s.must(owner(1), s.units(5269, "203.0.113.130")...)
	other := dns.Unit{Anchor: "cup2." + s.apex, Records: dns.AddressRecords("cup2."+s.apex, 60, []netip.Addr{netip.MustParseAddr("203.0.113.140")})}
	if r := s.must(owner(1), other); len(r.Dropped) != 3 {
		s.Errorf("dropped %v, want three records", r.Dropped)
	}
	s.published(other)
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func move(s suite) {
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	units[0].Records = append(units[0].Records, units[1].Records...)
	if r := s.must(owner(1), units[0]); len(r.Dropped) != 0 {
		s.Errorf("dropped %v, want nothing", r.Dropped)
	}
	s.published(units[0])
}

func conflict(s suite) {
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	s.mustFail(v1alpha1.ReasonOwnershipConflict, []string{"owner001", "TXT own._xmppfed.", "update delete own._xmppfed."}, owner(2), s.units(5269, "203.0.113.131")...)
	s.must(owner(1))
	s.must(owner(2), units...)
	s.published(units...)
}

func foreignRecord(s suite) {
	units := s.units(5269, "203.0.113.130")
	for _, same := range []bool{false, true} {
		foreign := units[0].Records[0]
		if !same {
			foreign.Data = []dns.Data{dns.SRV{Port: 5269, Target: "old." + s.apex}}
		}
		s.Edit(dns.Change{Put: []dns.RRset{foreign}})
		s.mustFail(v1alpha1.ReasonRecordExistsUnowned, []string{foreign.Key().String() + " exists", "update delete _xmpp-server._tcp."}, owner(1), units...)
	}
	s.Edit(dns.Change{Drop: []dns.Key{units[0].Records[0].Key()}})
	s.must(owner(1), units...)
	// Records that come in the way later stop what is new, and nothing else.
	more := s.units(5269, "203.0.113.130", "2001:db8::5")
	s.Edit(dns.Change{Put: dns.AddressRecords("cup1."+s.apex, 300, []netip.Addr{netip.MustParseAddr("2001:db8::66")})})
	s.mustFail(v1alpha1.ReasonRecordExistsUnowned, []string{"AAAA cup1."}, owner(1), more...)
}

func externalDNS(s suite) {
	units := s.units(5269, "203.0.113.130")
	text := dns.TXT{"heritage=external-dns,external-dns/owner=default,external-dns/resource=service/web/front"}
	s.Edit(dns.Change{Put: []dns.RRset{
		units[1].Records[0],
		{Name: "a-cup1." + s.apex, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{text}},
	}})
	s.mustFail(v1alpha1.ReasonRecordExistsUnowned, []string{"ExternalDNS", "TXT a-cup1."}, owner(1), units...)
}

func alias(s suite) {
	units := s.units(5269, "203.0.113.130")
	name := "cup1." + s.apex
	s.Edit(dns.Change{Put: []dns.RRset{{Name: name, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}}})
	s.mustFail(v1alpha1.ReasonCNAMEConflict, []string{"CNAME elsewhere.example.", "update delete " + name + " CNAME"}, owner(1), units...)
	s.Edit(dns.Change{Drop: []dns.Key{{Name: name, Type: dns.TypeCNAME}}})
	s.must(owner(1), units...)
	s.published(units...)
}

func wildcard(s suite) {
	text := dns.TXT{`v=spf1 -all; "quoted" \ and ` + "\x00\xff"}
	s.Edit(dns.Change{Put: append(dns.AddressRecords("*."+s.apex, 300, []netip.Addr{netip.MustParseAddr("203.0.113.99")}),
		dns.RRset{Name: "*." + s.apex, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{text}})})
	before := s.Dump()
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	s.published(units...)
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func lostReply(s suite) {
	units := s.units(5269, "203.0.113.130")
	r, err := s.converge(s.Losing(), owner(1), units...)
	if err != nil || !r.Changed {
		s.Errorf("creating: got %v %v, want a change and no error", r, err)
	}
	s.published(units...)
	changed := s.units(5299, "203.0.113.131")
	if _, err := s.converge(s.Losing(), owner(1), changed...); err != nil {
		s.Errorf("changing: %v", err)
	}
	s.published(changed...)
	if _, err := s.converge(s.Losing(), owner(1)); err != nil {
		s.Errorf("releasing: %v", err)
	}
	if left := strings.Join(s.Dump(), "\n"); strings.Contains(left, "_xmpp") {
		s.Errorf("records are left:\n%s", left)
	}
}

func forged(s suite) {
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	key := dns.Key{Name: "own._xmppfed." + s.apex, Type: dns.TypeTXT}
	sets, err := s.Provider().Get(context.Background(), key)
	if err != nil || len(sets) != 1 {
		s.Fatalf("reading %s: %v %v", key, sets, err)
	}
	text := append(dns.TXT{}, sets[0].Data[0].(dns.TXT)...)
	sets[0].Data = []dns.Data{append(text, "www A")}
	s.Edit(dns.Change{Put: sets})
	s.mustFail(v1alpha1.ReasonOwnershipLost, []string{key.String(), "signature"}, owner(1), units...)
	s.mustFail(v1alpha1.ReasonOwnershipLost, []string{key.String(), "signature"}, owner(1))
}

func lost(s suite) {
	units := s.units(5269, "203.0.113.130")
	s.must(owner(1), units...)
	s.Edit(dns.Change{Drop: []dns.Key{{Name: "own._xmppfed." + s.apex, Type: dns.TypeTXT}}})
	s.mustFail(v1alpha1.ReasonOwnershipLost, []string{"TXT own._xmppfed.", "update delete"}, owner(1), units...)
	s.Edit(dns.Change{Drop: []dns.Key{units[0].Records[0].Key(), units[0].Records[1].Key()}})
	s.must(owner(1), units...)
	s.published(units...)
}

func race(s suite) {
	const contenders = 16
	var group sync.WaitGroup
	errs := make([]error, contenders)
	for i := range contenders {
		group.Go(func() {
			_, errs[i] = s.converge(s.Provider(), owner(i), s.units(uint16(6000+i), "203.0.113.130")...)
		})
	}
	group.Wait()
	winner := -1
	for i, err := range errs {
		e, ok := dns.AsError(err)
		switch {
		case err == nil && winner >= 0:
			s.Errorf("both %d and %d got the name", winner, i)
		case err == nil:
			winner = i
		case !ok || e.Reason != v1alpha1.ReasonOwnershipConflict:
			s.Errorf("contender %d: got %v, want OwnershipConflict", i, err)
		}
	}
	if winner < 0 {
		s.Fatal("nobody got the name")
	}
	s.published(s.units(uint16(6000+winner), "203.0.113.130")...)
}

func outside(s suite) {
	s.mustFail(v1alpha1.ReasonNameOutsideZone, []string{"cup1.foo" + dns.Display(s.apex)}, owner(1),
		dns.Unit{Anchor: "cup1.foo" + s.apex, Records: dns.AddressRecords("cup1.foo"+s.apex, 60, []netip.Addr{netip.MustParseAddr("203.0.113.1")})})
}
