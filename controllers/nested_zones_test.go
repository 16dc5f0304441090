// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// A name lies in every zone above it, but its records stand in the closest only: asked in another, the DNS would point
// to the closest, and deletion would never end.
func TestDeletionLooksForEachRecordInTheClosestZoneOnly(t *testing.T) {
	fed := &v1alpha1.Federation{Status: v1alpha1.FederationStatus{
		Zones: []string{"cupdomain.com", "eu.cupdomain.com"},
		Records: []v1alpha1.RecordStatus{
			{Name: "_xmpp-server._tcp.cupdomain.com", Type: "SRV", State: v1alpha1.RecordPublished},
			{Name: "_xmpp-server._tcp.eu.cupdomain.com", Type: "SRV", State: v1alpha1.RecordPublished},
			{Name: "cup1.eu.cupdomain.com", Type: "A", TTL: 300, Data: []string{"203.0.113.5"}, State: v1alpha1.RecordPublished},
			{Name: "cup2.eu.cupdomain.com", Type: "A", TTL: 300, Data: []string{"203.0.113.6"}, State: v1alpha1.RecordPending},
		},
	}}
	for zone, want := range map[string]struct {
		services  []dns.Key
		addresses []string
	}{
		"cupdomain.com":    {services: []dns.Key{{Name: "_xmpp-server._tcp.cupdomain.com.", Type: dns.TypeSRV}}},
		"eu.cupdomain.com": {services: []dns.Key{{Name: "_xmpp-server._tcp.eu.cupdomain.com.", Type: dns.TypeSRV}}, addresses: []string{"cup1.eu.cupdomain.com"}},
	} {
		if diff := cmp.Diff(want.services, recordKeys(fed, zone, dns.TypeSRV)); diff != "" {
			t.Errorf("service records in %s (-want +got):\n%s", zone, diff)
		}
		var anchors []string
		for _, unit := range publishedAddresses(fed, zone) {
			anchors = append(anchors, unit.Anchor)
		}
		if diff := cmp.Diff(want.addresses, anchors); diff != "" {
			t.Errorf("addresses in %s (-want +got):\n%s", zone, diff)
		}
	}
}

// Where a DNSZone is made for a part of another one, the names in it are published there for the first time: nobody has removed them.
func TestNamesThatMoveIntoANestedZoneAreNotTakenForRepairs(t *testing.T) {
	service := dns.SRVRecord(dns.ServiceXMPPServer, "eu.cupdomain.com", 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com."})
	fed := &v1alpha1.Federation{Status: v1alpha1.FederationStatus{
		Zones: []string{"cupdomain.com", "eu.cupdomain.com"},
		Records: []v1alpha1.RecordStatus{{
			Name: "_xmpp-server._tcp.eu.cupdomain.com", Type: "SRV", TTL: 300, Data: service.Strings(), State: v1alpha1.RecordPublished,
		}},
	}}
	index := dns.RRset{Name: "9f86d081884c7d65._xmppfed.eu.cupdomain.com.", Type: dns.TypeTXT}
	first := dns.Change{Absent: []dns.Key{index.Key(), service.Key()}, Put: []dns.RRset{service, index}}
	later := dns.Change{Equal: []dns.RRset{index}, Put: []dns.RRset{service, index}}
	for name, test := range map[string]struct {
		change dns.Change
		others []string
		want   int
	}{
		"the first change in the nested zone": {first, []string{"cupdomain.com"}, 0},
		"a later one":                         {later, []string{"cupdomain.com"}, 1},
		"the first, and there is no other zone that the name lies in": {first, []string{"example.org"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			writing := counted{standing: standing(fed, "eu.cupdomain.com"), otherZones: test.others}
			if got := repaired(test.change, writing.stood(test.change)); len(got) != test.want {
				t.Errorf("got %v, want %d", got, test.want)
			}
		})
	}
}
