// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// advice lets people do what they are told, one thing after the other.
func advice(s suite) {
	units := s.units(5269, "203.0.113.130", "2001:db8::5")
	told := func(words ...string) []dns.RRset {
		s.Helper()
		return s.failure(v1alpha1.ReasonRecordsToCreate, words, owner(1), units...).Records
	}
	all := told("_xmpp-server._tcp."+s.apex+" 300 IN SRV 0 0 5269 cup1."+s.apex, "IN A 203.0.113.130", "IN AAAA 2001:db8::5")
	if len(all) != 4 {
		s.Errorf("told to create %v, want four records", all)
	}
	s.Edit(dns.Change{Put: all[1:]})
	if left := told("creates " + all[0].Name); len(left) != 1 || !left[0].Equal(all[0]) {
		s.Errorf("told to create %v, want %v", left, all[0])
	}
	srv := units[0].Records[0]
	wrong := srv
	wrong.Data = []dns.Data{dns.SRV{Port: 1, Target: "old." + s.apex}}
	s.Edit(dns.Change{Put: append(slices.Clone(all), wrong)})
	if left := told("replaces what stands there now by " + srv.Name); len(left) != 1 || !left[0].Equal(srv) {
		s.Errorf("told to replace %v, want %v", left, srv)
	}
	srv.TTL = 3600
	s.Edit(dns.Change{Put: []dns.RRset{srv}})
	before := strings.Join(s.Dump(), "\n")
	if r := s.must(owner(1), units...); r.Changed {
		s.Errorf("got %+v, want that nothing is changed", r)
	}
	if after := strings.Join(s.Dump(), "\n"); before != after {
		s.Errorf("the zone was\n%s\nand is\n%s", before, after)
	}
}

func adviceAlias(s suite) {
	name := "cup1." + s.apex
	s.Edit(dns.Change{Put: []dns.RRset{{Name: name, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}}})
	s.mustFail(v1alpha1.ReasonCNAMEConflict, []string{"CNAME elsewhere.example."}, owner(1), s.units(5269, "203.0.113.130")...)
}
