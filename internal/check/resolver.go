// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// attempts is how often a resolver is asked over UDP before it counts as silent.
const attempts = 2

// defaultQuery is how long a query may take when the context does not say.
const defaultQuery = 2 * time.Second

// maxAliases is how many aliases in a row are followed within an answer.
const maxAliases = 8

// Resolver asks one DNS server, given as ip:port. Records that do not exist are an empty result; an error means that
// the server gave no usable answer, and its text is safe to show. The context's deadline is for the one call.
type Resolver interface {
	// LookupSRV asks for the service records of name (RFC 2782).
	LookupSRV(ctx context.Context, server, name string) ([]SRV, error)
	// LookupAddresses asks for the IPv4 and IPv6 addresses of name.
	LookupAddresses(ctx context.Context, server, name string) (Addresses, error)
	// LookupZone finds the zone that name lies in, and its name servers.
	LookupZone(ctx context.Context, server, name string) (Zone, error)
	// LookupSerial asks for the serial number of a zone, and is an error when server is not authoritative for it.
	LookupSerial(ctx context.Context, server, zone string) (uint32, error)
	// LookupTLSA asks for the certificate associations of name (RFC 6698).
	LookupTLSA(ctx context.Context, server, name string) ([]TLSA, error)
	// IsSigned tells whether the service records of name come with signatures (RFC 4035 section 3.2).
	IsSigned(ctx context.Context, server, name string) (bool, error)
}

// SRV is a service record.
type SRV struct {
	Priority, Weight, Port uint16
	// Target without trailing dot; empty when the record says that there is no such service (target ".").
	Target string
}

// String is the record data in presentation form (RFC 2782).
func (s SRV) String() string {
	return fmt.Sprintf("%d %d %d %s.", s.Priority, s.Weight, s.Port, s.Target)
}

// Addresses of a host name.
type Addresses struct {
	IPs []netip.Addr
	// Alias is what the name stands for when it is an alias (CNAME), which the target of a service record must not be
	// (RFC 2782).
	Alias string
}

// dnsResolver is the Resolver that asks real servers.
type dnsResolver struct {
	// discretion says of which servers it is kept back why they don't answer; nil: of none.
	discretion *Discretion
}

// LookupSRV implements Resolver.
func (r dnsResolver) LookupSRV(ctx context.Context, server, name string) ([]SRV, error) {
	records, _, err := r.lookup(ctx, server, name, dns.TypeSRV)
	var found []SRV
	for _, rr := range records {
		if srv, ok := rr.(*dns.SRV); ok {
			found = append(found, SRV{srv.Priority, srv.Weight, srv.Port, canonical(srv.Target)})
		}
	}
	return found, err
}

// LookupAddresses implements Resolver.
func (r dnsResolver) LookupAddresses(ctx context.Context, server, name string) (Addresses, error) {
	var found Addresses
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		records, alias, err := r.lookup(ctx, server, name, kind)
		if err != nil {
			return Addresses{}, err
		}
		if alias != "" {
			found.Alias = alias
		}
		for _, rr := range records {
			if ip, ok := address(rr); ok {
				found.IPs = append(found.IPs, ip)
			}
		}
	}
	found.IPs = sortedAddresses(found.IPs)
	return found, nil
}

func address(rr dns.RR) (netip.Addr, bool) {
	switch r := rr.(type) {
	case *dns.A:
		return netip.AddrFromSlice(r.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(r.AAAA.To16())
	}
	return netip.Addr{}, false
}

// lookup asks server and picks the records of the kind from its answer, following aliases. Alias is the last of them.
func (r dnsResolver) lookup(ctx context.Context, server, name string, kind uint16) (records []dns.RR, alias string, err error) {
	reply, err := r.exchange(ctx, server, question(name, kind))
	if err != nil {
		return nil, "", err
	}
	records, alias = pick(reply, name, kind)
	return records, alias, nil
}

// question is a query for a resolver.
func question(name string, kind uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), kind) // recursion desired
}

// pick takes the records of the kind from an answer, following aliases.
func pick(reply *dns.Msg, name string, kind uint16) (records []dns.RR, alias string) {
	owner := dns.Fqdn(name)
	for range maxAliases {
		next := ""
		for _, rr := range reply.Answer {
			if cname, ok := rr.(*dns.CNAME); ok && strings.EqualFold(cname.Hdr.Name, owner) {
				next = cname.Target
			}
		}
		if next == "" {
			break
		}
		owner, alias = next, canonical(next)
	}
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype == kind && strings.EqualFold(rr.Header().Name, owner) {
			records = append(records, rr)
		}
	}
	return records, alias
}

// exchange asks over UDP, and over TCP when the answer is truncated (RFC 7766). Only answers that settle the question
// come back: the name's records, or that there are none.
func (r dnsResolver) exchange(ctx context.Context, server string, query *dns.Msg) (*dns.Msg, error) {
	var reply *dns.Msg
	var err error
	for attempt := range attempts {
		if reply, err = send(ctx, "udp", server, query, attempts-attempt); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil && reply.Truncated {
		reply, err = send(ctx, "tcp", server, query, 1)
	}
	switch {
	case err != nil && r.discretion.hidesResolver(server):
		return nil, undisclosed(ctx)
	case err != nil:
		return nil, errors.New(explainDNS(err))
	}
	return reply, settles(query, reply)
}

// settles is an error when the reply leaves the question open.
func settles(query, reply *dns.Msg) error {
	switch {
	case len(reply.Question) != 1 || reply.Question[0].Qtype != query.Question[0].Qtype ||
		!strings.EqualFold(reply.Question[0].Name, query.Question[0].Name):
		return errors.New("answers another question")
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return fmt.Errorf("answers %s", rcodeName(reply.Rcode))
	case isReferral(reply):
		return errors.New("does not resolve the name, but refers to other name servers")
	}
	return nil
}

// send asks once, and waits for at most the given part of the time that the context leaves.
func send(ctx context.Context, network, server string, query *dns.Msg, part int) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: defaultQuery}
	if deadline, ok := ctx.Deadline(); ok {
		client.Timeout = time.Until(deadline) / time.Duration(part)
	}
	reply, _, err := client.ExchangeContext(ctx, query, server)
	return reply, err
}

// isReferral knows the answer of an authoritative server that is not asked for its own zone.
func isReferral(reply *dns.Msg) bool {
	if reply.Authoritative || reply.RecursionAvailable || len(reply.Answer) > 0 || reply.Rcode != dns.RcodeSuccess {
		return false
	}
	for _, rr := range reply.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return false
		}
	}
	return true
}

func explainDNS(err error) string {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.Canceled):
		return "does not answer"
	case isRefused(err):
		return "refuses DNS queries (nothing listens there)"
	}
	return "gives no usable answer"
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE %d", rcode)
}

// SystemResolvers are the servers, each as ip:port, that a file in the form of /etc/resolv.conf lists.
func SystemResolvers(file string) ([]string, error) {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(config.Servers) == 0 {
		return nil, fmt.Errorf("reading %s: no nameserver listed", file)
	}
	servers := make([]string, len(config.Servers))
	for i, server := range config.Servers {
		servers[i] = net.JoinHostPort(server, config.Port)
	}
	return servers, nil
}

// canonical is the form in which DNS names are compared.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
