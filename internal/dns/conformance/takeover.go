// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

func takeover(s suite) {
	units := s.units(5269, "203.0.113.130")
	old := units[0].Records[0]
	old.TTL, old.Data = 3600, []dns.Data{
		dns.SRV{Port: 5269, Target: "old." + s.apex}, dns.SRV{Priority: 10, Port: 5269, Target: "older." + s.apex},
	}
	same := units[1].Records[0]
	before := s.Dump()
	s.Edit(dns.Change{Put: []dns.RRset{old, same}})
	units[0].Takeover = []dns.Key{old.Key()}
	s.mustFail(v1alpha1.ReasonRecordExistsUnowned, []string{"A cup1."}, owner(1), units...)
	units[1].Takeover = []dns.Key{same.Key()}
	r := s.must(owner(1), units...)
	if want := []dns.Key{old.Key(), same.Key()}; !sameKeys(r.Adopted, want) {
		s.Errorf("adopted %v, want %v", r.Adopted, want)
	}
	s.published(units...)
	if r := s.must(owner(1), units...); r.Changed || len(r.Adopted) > 0 {
		s.Errorf("the run after a takeover did %+v, want nothing", r)
	}
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func sameKeys(a, b []dns.Key) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(k dns.Key) bool { return !slices.Contains(b, k) })
}

func takeoverRefused(s suite) {
	units := s.units(5269, "203.0.113.130")
	for i := range units {
		for _, set := range units[i].Records {
			units[i].Takeover = append(units[i].Takeover, set.Key())
		}
	}
	s.must(owner(2), s.units(5299, "203.0.113.131")...)
	s.mustFail(v1alpha1.ReasonOwnershipConflict, []string{"owner002"}, owner(1), units...)
	s.must(owner(2))
	// The other owner has the record under another anchor.
	elsewhere := dns.Unit{Anchor: s.apex, Records: units[1].Records}
	s.must(owner(2), elsewhere)
	s.mustFail(v1alpha1.ReasonOwnershipConflict, []string{"owner002", "own._xmppfed." + s.apex}, owner(1), units[1])
	s.must(owner(2))
	text := dns.TXT{"heritage=external-dns,external-dns/owner=default,external-dns/resource=service/web/front"}
	s.Edit(dns.Change{Put: []dns.RRset{
		units[1].Records[0],
		{Name: "a-cup1." + s.apex, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{text}},
	}})
	words := []string{"ExternalDNS", "update delete a-cup1." + s.apex + " TXT"}
	s.mustFail(v1alpha1.ReasonRecordExistsUnowned, words, owner(1), units...)
}

// prerequisites are tried one by one, at record sets of two records each.
func prerequisites(s suite) {
	target := func(name string) dns.Data { return dns.SRV{Port: 5269, Target: name + "." + s.apex} }
	srv := dns.RRset{Name: "_sip._tcp." + s.apex, Type: dns.TypeSRV, TTL: 300, Data: []dns.Data{target("a"), target("b")}}
	text := dns.RRset{Name: "text." + s.apex, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{
		dns.TXT{`one "string"; and \`, "another"}, dns.TXT{"more"},
	}}
	s.Edit(dns.Change{Put: []dns.RRset{srv, text}})
	with := func(set dns.RRset, data ...dns.Data) dns.Change {
		set.Data = data
		return dns.Change{Equal: []dns.RRset{set}}
	}
	otherTTL := srv
	otherTTL.TTL = 60
	tests := []struct {
		what  string
		given dns.Change
		holds bool
	}{
		{"what is absent", dns.Change{Absent: []dns.Key{{Name: "none." + s.apex, Type: dns.TypeA}}}, true},
		{"an absent type at a name", dns.Change{Absent: []dns.Key{{Name: srv.Name, Type: dns.TypeCNAME}}}, true},
		{"what exists, as absent", dns.Change{Absent: []dns.Key{srv.Key()}}, false},
		{"the same data", with(srv, srv.Data...), true},
		{"the same data in another order", with(srv, srv.Data[1], srv.Data[0]), true},
		{"the same data with another TTL", dns.Change{Equal: []dns.RRset{otherTTL}}, true},
		{"the same text", with(text, text.Data...), true},
		{"less data", with(srv, srv.Data[0]), false},
		{"more data", with(srv, target("a"), target("b"), target("c")), false},
		{"other data", with(srv, target("a"), target("c")), false},
		{"less text", with(text, text.Data[0]), false},
		{"text with strings joined", with(text, dns.TXT{`one "string"; and \another`}, text.Data[1]), false},
		{"data at a name that is absent", with(dns.RRset{Name: "none." + s.apex, Type: dns.TypeSRV}, target("a")), false},
		{"data of an absent type", with(dns.RRset{Name: srv.Name, Type: dns.TypeTXT}, dns.TXT{"a"}), false},
		{"the same data and something else", dns.Change{Equal: []dns.RRset{srv}, Absent: []dns.Key{text.Key()}}, false},
	}
	put := dns.AddressRecords("cup1."+s.apex, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})
	for _, test := range tests {
		before := s.Dump()
		test.given.Put = put
		err := s.Provider().Apply(context.Background(), test.given)
		switch {
		case test.holds && err != nil:
			s.Errorf("given %s: got %v, want that it holds", test.what, err)
		case !test.holds && !errors.Is(err, dns.ErrPrerequisite):
			s.Errorf("given %s: got %v, want that it does not hold", test.what, err)
		case !test.holds:
			if diff := cmp.Diff(before, s.Dump()); diff != "" {
				s.Errorf("given %s: the zone changed (-before +after):\n%s", test.what, diff)
			}
		}
		s.Edit(dns.Change{Drop: []dns.Key{put[0].Key()}})
	}
}

// whole has the server refuse one record of a change, beside others that it would remove, replace and add.
func whole(s suite) {
	alias := dns.RRset{Name: "alias." + s.apex, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}
	removed, replaced := host("cup1."+s.apex, "203.0.113.130").Records, host("cup2."+s.apex, "203.0.113.130").Records
	s.Edit(dns.Change{Put: append([]dns.RRset{alias, removed[0]}, replaced...)})
	before := s.Dump()
	change := dns.Change{Drop: []dns.Key{removed[0].Key()}}
	for _, name := range []string{"cup2." + s.apex, "cup3." + s.apex, alias.Name} {
		change.Put = append(change.Put, host(name, "203.0.113.140").Records...)
	}
	if err := s.Provider().Apply(context.Background(), change); err == nil {
		s.Error("the server took an address beside an alias")
	}
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone changed (-before +after):\n%s", diff)
	}
	change.Put = change.Put[:2]
	if err := s.Provider().Apply(context.Background(), change); err != nil {
		s.Errorf("the same change without that address: %v", err)
	}
}
