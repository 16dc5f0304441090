// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"net/netip"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Units are what a Federation publishes: one for the host, one for each domain with its group chat. Each name's zone,
// given by apexes, is that of its anchor, so a group chat domain in a zone of its own gets a unit of its own. Without
// addresses the host has no records.
func Units(fed *v1alpha1.Federation, apexes map[string]string, addresses []netip.Addr) []dns.Unit {
	spec := fed.Spec.DNS
	ttl := uint32(spec.TTL)
	host := Hostname(fed)
	target := dns.SRV{
		Priority: uint16(spec.Priority), Weight: uint16(spec.Weight),
		Port: uint16(fed.Spec.Exposure.Port), Target: dns.Canonical(host),
	}
	all := []dns.Unit{{Anchor: host, Records: dns.AddressRecords(host, ttl, addresses)}}
	for _, domain := range domains(fed) {
		unit := dns.Unit{Anchor: domain}
		for _, service := range services(fed, domain) {
			record := dns.SRVRecord(dns.ServiceXMPPServer, service, ttl, target)
			if apexes[service] == apexes[domain] {
				unit.Records = append(unit.Records, record)
			} else {
				all = append(all, dns.Unit{Anchor: service, Records: []dns.RRset{record}})
			}
		}
		all = append(all, unit)
	}
	return all
}
