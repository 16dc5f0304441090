// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// takeover names the records of others that the Federation wants to have.
func takeover(fed *v1alpha1.Federation) []dns.Key {
	types := map[string]uint16{}
	for _, recordType := range []uint16{dns.TypeSRV, dns.TypeA, dns.TypeAAAA, dns.TypeTLSA} {
		types[dns.TypeName(recordType)] = recordType
	}
	var keys []dns.Key
	for _, record := range fed.Spec.DNS.Takeover {
		keys = append(keys, dns.Key{Name: dns.Canonical(record.Name), Type: types[record.Type]})
	}
	return keys
}

// tellAdopted leaves an event about records that were somebody else's.
func (r *FederationReconciler) tellAdopted(fed *v1alpha1.Federation, apex string, adopted []dns.Key) {
	if len(adopted) == 0 {
		return
	}
	names := make([]string, 0, len(adopted))
	for _, key := range adopted {
		names = append(names, key.String())
	}
	r.Recorder.Eventf(fed, nil, corev1.EventTypeNormal, v1alpha1.ReasonPublished, v1alpha1.ConditionDNSPublished,
		"took over in zone %s: %s", apex, strings.Join(names, ", "))
}
