// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Fault: DNSPublished was False until the secondaries had let go of the address of a former host that no service record names.
func TestNoticeable_IsNotThatAFormerHostGoes(t *testing.T) {
	fed := &v1alpha1.Federation{}
	fed.Spec.DNS.Hostname = "host.example"
	fed.Status.FormerHosts = []v1alpha1.FormerHost{{Hostname: "over.example"}, {Hostname: "stays.example"}, {Hostname: "host.example"}}
	s := newScope(fed)
	fed.Status.FormerHosts = fed.Status.FormerHosts[1:2]
	key := func(name string, recordType uint16) dns.Key {
		return dns.Key{Name: dns.Canonical(name), Type: recordType}
	}
	noticed := []dns.Key{
		key("host.example", dns.TypeAAAA), key("stays.example", dns.TypeAAAA), key("another.example", dns.TypeA),
		key("_xmpp-server._tcp.over.example", dns.TypeSRV),
	}
	got := s.noticeable(append([]dns.Key{key("over.example", dns.TypeA), key("_5269._tcp.over.example", dns.TypeTLSA)}, noticed...))
	if diff := cmp.Diff(noticed, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
