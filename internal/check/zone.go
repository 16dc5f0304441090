// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// edns is how many bytes an answer with signatures may have over UDP.
const edns = 1232

// Zone is a part of the DNS that is administered as one.
type Zone struct {
	// Apex is its name, without trailing dot.
	Apex string
	// Servers are the names of its name servers, sorted.
	Servers []string
}

// TLSA is a certificate association (RFC 6698 section 2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	// Data in lower-case hexadecimal.
	Data string
}

// String is the record data in presentation form.
func (t TLSA) String() string {
	return fmt.Sprintf("%d %d %d %s", t.Usage, t.Selector, t.Matching, t.Data)
}

// LookupZone implements Resolver.
func (r dnsResolver) LookupZone(ctx context.Context, server, name string) (Zone, error) {
	reply, err := r.exchange(ctx, server, question(name, dns.TypeSOA))
	if err != nil {
		return Zone{}, err
	}
	apex, ok := apexOf(reply)
	if !ok {
		return Zone{}, fmt.Errorf("does not know the zone of %s", name)
	}
	records, _, err := r.lookup(ctx, server, apex, dns.TypeNS)
	zone := Zone{Apex: apex}
	for _, rr := range records {
		if ns, ok := rr.(*dns.NS); ok {
			zone.Servers = append(zone.Servers, canonical(ns.Ns))
		}
	}
	slices.Sort(zone.Servers)
	return zone, err
}

// apexOf is the owner of the SOA record in an answer, which is there whether the name exists or not (RFC 2308 section 2).
func apexOf(reply *dns.Msg) (string, bool) {
	for _, rr := range slices.Concat(reply.Answer, reply.Ns) {
		if soa, ok := rr.(*dns.SOA); ok {
			return canonical(soa.Hdr.Name), true
		}
	}
	return "", false
}

// LookupSerial implements Resolver.
func (r dnsResolver) LookupSerial(ctx context.Context, server, zone string) (uint32, error) {
	reply, err := r.exchange(ctx, server, question(zone, dns.TypeSOA))
	if err != nil {
		return 0, err
	}
	records, _ := pick(reply, zone, dns.TypeSOA)
	for _, rr := range records {
		if soa, ok := rr.(*dns.SOA); ok && reply.Authoritative {
			return soa.Serial, nil
		}
	}
	return 0, errors.New("is not authoritative for the zone")
}

// LookupTLSA implements Resolver.
func (r dnsResolver) LookupTLSA(ctx context.Context, server, name string) ([]TLSA, error) {
	records, _, err := r.lookup(ctx, server, name, dns.TypeTLSA)
	var found []TLSA
	for _, rr := range records {
		if tlsa, ok := rr.(*dns.TLSA); ok {
			found = append(found, TLSA{tlsa.Usage, tlsa.Selector, tlsa.MatchingType, tlsa.Certificate})
		}
	}
	return found, err
}

// IsSigned implements Resolver.
func (r dnsResolver) IsSigned(ctx context.Context, server, name string) (bool, error) {
	query := question(name, dns.TypeSRV).SetEdns0(edns, true)
	reply, err := r.exchange(ctx, server, query)
	if err != nil {
		return false, err
	}
	signed := slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG })
	return signed || reply.AuthenticatedData, nil
}
