// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// gone fails if one of the records of the units stands.
func (s suite) gone(units ...dns.Unit) {
	s.Helper()
	for _, u := range units {
		for _, set := range u.Records {
			if sets, err := s.Provider().Get(context.Background(), set.Key()); err != nil || len(sets) > 0 {
				s.Errorf("reading %s: got %v %v, want nothing", set.Key(), sets, err)
			}
		}
	}
}

// domain is a unit of one service record that leads to cup1.
func (s suite) domain(label string, port uint16) dns.Unit {
	name := label + "." + s.apex
	return dns.Unit{Anchor: name, Records: []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, name, 300, dns.SRV{Port: port, Target: "cup1." + s.apex}),
	}}
}

// oneBad has a foreign record at one of the names.
func oneBad(s suite) {
	before := s.Dump()
	bad, foreign := s.domain("bad", 5269), s.domain("bad", 1)
	s.must(owner(1), host("cup1."+s.apex, "203.0.113.130"), s.domain("kept", 5269), s.domain("leaving", 5269))
	s.Edit(dns.Change{Put: foreign.Records})
	rest := []dns.Unit{host("cup1."+s.apex, "203.0.113.131"), s.domain("kept", 5299), s.domain("new", 5269)}
	for range 2 {
		r, err := dns.Converge(context.Background(), s.Provider(), s.signer(), owner(1), append(slices.Clone(rest), bad))
		if err != nil {
			s.Fatal(err)
		}
		if why := r.Refused[bad.Anchor]; len(r.Refused) != 1 || why == nil || why.Reason != v1alpha1.ReasonRecordExistsUnowned {
			s.Errorf("refused are %v, want %s alone", r.Refused, bad.Anchor)
		}
		s.published(append(slices.Clone(rest), foreign)...)
		s.gone(s.domain("leaving", 5269))
	}
	s.Edit(dns.Change{Drop: []dns.Key{foreign.Records[0].Key()}})
	s.must(owner(1), append(slices.Clone(rest), bad)...)
	s.published(append(slices.Clone(rest), bad)...)
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

// swap has each of two owners want what the other has.
func swap(s suite) {
	units := func(name string, address string) []dns.Unit {
		domain := s.domain("domain-"+name, 5269)
		domain.Records[0].Data = []dns.Data{dns.SRV{Port: 5269, Target: "host-" + name + "." + s.apex}}
		return []dns.Unit{domain, host("host-"+name+"."+s.apex, address)}
	}
	s.must(owner(1), units("a", "203.0.113.1")...)
	s.must(owner(2), units("b", "203.0.113.2")...)
	for range 2 {
		for i, name := range []string{"b", "a"} {
			address := fmt.Sprintf("203.0.113.%d", i+1)
			if _, err := dns.Converge(context.Background(), s.Provider(), s.signer(), owner(i+1), units(name, address)); err != nil {
				s.Fatal(err)
			}
		}
	}
	s.published(append(units("b", "203.0.113.1"), units("a", "203.0.113.2")...)...)
}

// large is a Federation with as many domains as it may have, of long names, and with every port.
func large(s suite) {
	before := s.Dump()
	units := func(host string, ttl uint32, priority uint16) []dns.Unit {
		all := []dns.Unit{s.largeHost(host)}
		for i := range 64 {
			all = append(all, s.largeDomain(i, host, priority))
		}
		for _, unit := range all {
			for i := range unit.Records {
				unit.Records[i].TTL = ttl
			}
		}
		return all
	}
	for _, wanted := range [][]dns.Unit{units("cup1", 300, 0), units("cup2", 300, 0), units("cup2", 600, 0), units("cup2", 600, 10)} {
		s.must(owner(1), wanted...)
		s.published(wanted...)
		if r := s.must(owner(1), wanted...); r.Changed {
			s.Error("a run on a zone that was as wanted changed it")
		}
	}
	s.gone(s.largeHost("cup1"))
	s.must(owner(1), units("cup2", 600, 10)[:1]...)
	s.must(owner(1))
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func (s suite) largeHost(label string) dns.Unit {
	unit := host(label+"."+s.apex, "203.0.113.130", "2001:db8::5")
	for _, port := range []uint16{5269, 5270} {
		unit.Records = append(unit.Records, dns.TLSARecord(unit.Anchor, port, 300, strings.Repeat("ab", 32), strings.Repeat("cd", 32)))
	}
	return unit
}

// largeDomain has a name of about 200 characters.
func (s suite) largeDomain(number int, host string, priority uint16) dns.Unit {
	name := fmt.Sprintf("d%02d", number)
	for len(name)+1+30+1+len(s.apex) <= 200 {
		name += "." + strings.Repeat("y", 29)
	}
	name += "." + s.apex
	unit := dns.Unit{Anchor: name}
	for service, names := range map[string][]string{
		dns.ServiceXMPPServer: {name, "conference." + name}, dns.ServiceXMPPSServer: {name, "conference." + name},
		dns.ServiceXMPPClient: {name}, dns.ServiceXMPPSClient: {name},
	} {
		for _, n := range names {
			unit.Records = append(unit.Records, dns.SRVRecord(service, n, 300,
				dns.SRV{Priority: priority, Port: 5269, Target: host + "." + s.apex}))
		}
	}
	return unit
}
