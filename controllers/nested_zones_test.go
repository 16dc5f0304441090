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
