// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"net/netip"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Units are what a Federation publishes: one for the host, one for each domain with its group chat. Each name's zone,
// given by apexes, is that of its anchor, so a group chat domain in a zone of its own gets a unit of its own. Without
// addresses the host has no records. The keys are those to publish as TLSA records of the host.
func Units(fed *v1alpha1.Federation, apexes map[string]string, addresses []netip.Addr, keys ...string) []dns.Unit {
	all := []dns.Unit{HostUnit(fed, addresses, keys...)}
	for _, domain := range domains(fed) {
		unit := dns.Unit{Anchor: domain, Records: clientRecords(fed, domain)}
		for _, service := range services(fed, domain) {
			records := serviceRecords(fed, service)
			if apexes[service] == apexes[domain] {
				unit.Records = append(unit.Records, records...)
			} else {
				all = append(all, dns.Unit{Anchor: service, Records: records})
			}
		}
		all = append(all, unit)
	}
	return all
}

// HostUnit is what a Federation publishes for its host.
func HostUnit(fed *v1alpha1.Federation, addresses []netip.Addr, keys ...string) dns.Unit {
	host, ttl := Hostname(fed), uint32(fed.Spec.DNS.TTL)
	return dns.Unit{Anchor: host, Records: append(dns.AddressRecords(host, ttl, addresses), TLSARecords(fed, keys...)...)}
}

// TLSARecords are those of the host for the ports of servers (RFC 7673 section 3); none without keys.
func TLSARecords(fed *v1alpha1.Federation, keys ...string) []dns.RRset {
	if len(keys) == 0 {
		return nil
	}
	exposure, ttl := fed.Spec.Exposure, uint32(fed.Spec.DNS.TTL)
	records := []dns.RRset{dns.TLSARecord(Hostname(fed), uint16(exposure.Port), ttl, keys...)}
	if exposure.DirectTLS != nil {
		records = append(records, dns.TLSARecord(Hostname(fed), uint16(exposure.DirectTLS.Port), ttl, keys...))
	}
	return records
}

// serviceRecords are the records by which a domain's server is found.
func serviceRecords(fed *v1alpha1.Federation, domain string) []dns.RRset {
	exposure := fed.Spec.Exposure
	records := []dns.RRset{serviceRecord(fed, dns.ServiceXMPPServer, domain, exposure.Port)}
	if exposure.DirectTLS != nil {
		records = append(records, serviceRecord(fed, dns.ServiceXMPPSServer, domain, exposure.DirectTLS.Port))
	}
	return records
}

// clientRecords are the records by which users of a domain find its server. Nobody logs in to a group chat.
func clientRecords(fed *v1alpha1.Federation, domain string) []dns.RRset {
	var records []dns.RRset
	if clients := fed.Spec.Exposure.Clients; clients != nil {
		records = append(records, serviceRecord(fed, dns.ServiceXMPPClient, domain, clients.Port))
	}
	if direct := clientDirectTLS(fed); direct != nil {
		records = append(records, serviceRecord(fed, dns.ServiceXMPPSClient, domain, direct.Port))
	}
	return records
}

func serviceRecord(fed *v1alpha1.Federation, service, domain string, port int32) dns.RRset {
	spec := fed.Spec.DNS
	record := dns.SRVRecord(service, domain, uint32(spec.TTL), dns.SRV{
		Priority: uint16(spec.Priority), Weight: uint16(spec.Weight), Port: uint16(port), Target: Hostname(fed),
	})
	record.Shared = spec.Shared
	return record
}
