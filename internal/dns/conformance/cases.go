// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

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

// keys are rolled as for a new certificate, and the time to live of several records changes, at names that got the records which
// come first last.
func keys(s suite) {
	before := s.Dump()
	name := "cup1." + s.apex
	at := func(ttl uint32, addresses []string, keys ...string) dns.Unit {
		u := host(name, addresses...)
		u.Records[0].TTL = ttl
		for i, key := range keys {
			keys[i] = strings.Repeat(key, 32)
		}
		u.Records = append(u.Records, dns.TLSARecord(name, 5269, ttl, keys...))
		return u
	}
	two := []string{"203.0.113.130", "203.0.113.140"}
	for _, u := range []dns.Unit{
		at(300, two[1:], "ef"), at(300, two, "ab", "ef"), at(60, two, "ab", "ef"), at(60, two, "0c", "ab", "ef"), at(300, two[:1], "ab"),
	} {
		s.must(owner(1), u)
		s.published(u)
	}
	s.must(owner(1))
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
	other := host("cup2."+s.apex, "203.0.113.140")
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
	words := []string{"owner001", "TXT own._xmppfed.", "update delete own._xmppfed."}
	s.mustFail(v1alpha1.ReasonOwnershipConflict, words, owner(2), s.units(5269, "203.0.113.131")...)
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
		words := []string{foreign.Key().String() + " exists", "update delete _xmpp-server._tcp."}
		s.mustFail(v1alpha1.ReasonRecordExistsUnowned, words, owner(1), units...)
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
	_, err = s.converge(s.Provider(), owner(1))
	if e, ok := dns.AsError(err); !ok || e.Reason != v1alpha1.ReasonOwnershipLost {
		s.Errorf("releasing: got %v, want OwnershipLost", err)
	}
	s.published(units[0], dns.Unit{Records: sets})
	s.gone(units[1])
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

// cutOff ends runs at random moments, each with other units than the one before and with no memory of it.
func cutOff(s suite) {
	before := s.Dump()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		units := s.units(uint16(5000+i), "203.0.113.1")
		units[1] = host(fmt.Sprintf("cup%d.%s", random.IntN(4), s.apex), fmt.Sprintf("203.0.113.%d", i+1))
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(3000))*time.Microsecond)
		_, err := dns.Converge(ctx, s.Provider(), s.signer(), owner(1), units[random.IntN(3):])
		cancel()
		if e, ok := dns.AsError(err); ok && e.Permanent {
			s.Fatalf("run %d: %v", i, err)
		}
	}
	last := s.units(5269, "203.0.113.130")
	s.must(owner(1), last...)
	s.published(last...)
	if n := len(s.Dump()) - len(before); n != 3+3 {
		s.Errorf("the zone has %d records more than before, want 3 and 3 ownership records:\n%s", n, strings.Join(s.Dump(), "\n"))
	}
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func many(s suite) {
	before := s.Dump()
	var units []dns.Unit
	for i := range 64 {
		domain := fmt.Sprintf("a-rather-long-name-of-a-department-%d.of-a-subsidiary-%d.%s", i, i, s.apex)
		var records []dns.RRset
		for _, name := range []string{domain, "conference." + domain} {
			records = append(records, dns.SRVRecord(dns.ServiceXMPPServer, name, 300, dns.SRV{Port: 5269, Target: "cup1." + s.apex}))
		}
		units = append(units, dns.Unit{Anchor: domain, Records: records})
	}
	s.must(owner(1), units...)
	s.published(units...)
	for i := range units {
		units[i].Records = units[i].Records[:1]
		units[i].Records[0].TTL = 60
	}
	if r := s.must(owner(1), units...); len(r.Dropped) != 64 {
		s.Errorf("dropped %d records, want 64", len(r.Dropped))
	}
	s.published(units...)
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func outside(s suite) {
	name := "cup1.foo" + dns.Display(s.apex)
	s.mustFail(v1alpha1.ReasonNameOutsideZone, []string{name}, owner(1), host(name, "203.0.113.1"))
	if !s.Provider().Capabilities().Writes {
		return
	}
	// Converge looks at names itself; a provider that is asked for one all the same changes nothing.
	before := s.Dump()
	for _, elsewhere := range []string{name, "cup2.elsewhere.example"} {
		var change dns.Change
		for _, n := range []string{"cup1." + s.apex, elsewhere, "cup3." + s.apex} {
			change.Put = append(change.Put, host(n, "203.0.113.130").Records...)
		}
		e, ok := dns.AsError(s.Provider().Apply(context.Background(), change))
		if !ok || e.Reason != v1alpha1.ReasonNameOutsideZone {
			s.Errorf("writing %s: got %v, want NameOutsideZone", elsewhere, e)
		}
	}
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone changed (-before +after):\n%s", diff)
	}
}
