// SPDX-License-Identifier: Apache-2.0

// Package public reads a zone as the world does: resolvers find its name servers, which are asked for records. It is for
// zones whose primary the operator has no access to.
package public

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

const (
	defaultPort    = 53
	defaultTimeout = time.Second
)

// Config of a Reader.
type Config struct {
	// Zone is the apex.
	Zone string
	// Resolvers (host:port) find the zone's name servers, tried in order.
	Resolvers []string
	// Port of the name servers; zero means 53.
	Port uint16
	// Timeout of one try, of which there are two; zero means a second.
	Timeout time.Duration
}

// Reader reads one zone. Several goroutines may use it at once.
type Reader struct {
	cfg  Config
	apex string
	// answered is the server that gave the last proper answer. It is asked first, so that one that is dead costs its timeout once.
	answered atomic.Pointer[string]
}

// New checks the configuration. It contacts nobody.
func New(cfg Config) (*Reader, error) {
	if _, ok := miekg.IsDomainName(cfg.Zone); !ok || cfg.Zone == "" {
		return nil, fmt.Errorf("zone: %q is not a domain name", cfg.Zone)
	}
	if len(cfg.Resolvers) == 0 {
		return nil, errors.New("resolvers: none given")
	}
	if cfg.Port == 0 {
		cfg.Port = defaultPort
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	return &Reader{cfg: cfg, apex: dns.Canonical(cfg.Zone)}, nil
}

// Apex of the zone.
func (r *Reader) Apex() string { return r.apex }

// Zone asks a name server of the zone for its start of authority and name servers.
func (r *Reader) Zone(ctx context.Context) (dns.Zone, error) {
	zone := dns.Zone{Apex: r.apex}
	servers, err := r.servers(ctx)
	if err != nil {
		return zone, err
	}
	for _, t := range []uint16{miekg.TypeSOA, dns.TypeNS} {
		answer, err := r.ask(ctx, servers, dns.Key{Name: r.apex, Type: t})
		if err != nil {
			return zone, err
		}
		for _, rr := range answer.Answer {
			switch rr := rr.(type) {
			case *miekg.SOA:
				zone.Serial = rr.Serial
			case *miekg.NS:
				zone.NameServers = append(zone.NameServers, dns.Canonical(rr.Ns))
			}
		}
	}
	slices.Sort(zone.NameServers)
	return zone, nil
}

// Get asks a name server of the zone for record sets.
func (r *Reader) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	servers, err := r.servers(ctx)
	if err != nil {
		return nil, err
	}
	var sets []dns.RRset
	for _, k := range keys {
		answer, err := r.ask(ctx, servers, k)
		if err != nil {
			return nil, err
		}
		if set, ok := wire.Set(answer.Answer, k); ok {
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// ask the first of the servers that gives a proper answer.
func (r *Reader) ask(ctx context.Context, servers []string, k dns.Key) (*miekg.Msg, error) {
	var last error
	for _, server := range r.inOrder(servers) {
		answer, err := wire.Ask(ctx, wire.Question{Server: server, Key: k, Timeout: r.cfg.Timeout})
		if err == nil && wire.Authoritative(answer) {
			r.answered.Store(&server)
			return answer, nil
		}
		last = err
	}
	return nil, &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("none of the name servers of zone %s gives a proper answer; whoever runs them repairs them, or correct the "+
			"zone's NS records and the delegation", dns.Display(r.apex)),
		Err: last,
	}
}

// inOrder puts the server first that gave the last proper answer.
func (r *Reader) inOrder(servers []string) []string {
	last := r.answered.Load()
	if last == nil || !slices.Contains(servers, *last) {
		return servers
	}
	return append([]string{*last}, slices.DeleteFunc(slices.Clone(servers), func(server string) bool { return server == *last })...)
}

// servers are the addresses (host:port) of the zone's name servers, as resolvers see them. A name that can't be resolved takes none of
// the others away: who asks those with an address learns what the zone holds.
func (r *Reader) servers(ctx context.Context) ([]string, error) {
	names, err := r.resolve(ctx, dns.Key{Name: r.apex, Type: dns.TypeNS})
	if err != nil {
		return nil, err
	}
	var servers []string
	var unresolved error
	for _, rr := range names {
		ns, ok := rr.(*miekg.NS)
		if !ok {
			continue
		}
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			k := dns.Key{Name: dns.Canonical(ns.Ns), Type: t}
			records, err := r.resolve(ctx, k)
			if err != nil {
				unresolved = err
				continue
			}
			set, _ := wire.Set(records, k)
			for _, d := range set.Data {
				if a, ok := d.(dns.Address); ok {
					servers = append(servers, net.JoinHostPort(a.String(), strconv.Itoa(int(r.cfg.Port))))
				}
			}
		}
	}
	if len(servers) == 0 && unresolved != nil {
		return nil, unresolved
	}
	if len(servers) == 0 {
		return nil, &dns.Error{
			Reason: v1alpha1.ReasonNotAuthoritative,
			Message: fmt.Sprintf("resolvers find no name servers of zone %s; whoever registered the domain has it delegated, or correct "+
				"spec.zone of the DNSZone", dns.Display(r.apex)),
			Permanent: true,
		}
	}
	return servers, nil
}

// resolve asks the first resolver that answers.
func (r *Reader) resolve(ctx context.Context, k dns.Key) ([]miekg.RR, error) {
	var last error
	for _, resolver := range r.cfg.Resolvers {
		answer, err := wire.Ask(ctx, wire.Question{Server: resolver, Key: k, Recurse: true, Timeout: r.cfg.Timeout})
		if err == nil && !wire.Failing(answer) {
			return answer.Answer, nil
		}
		last = err
	}
	return nil, &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("no resolver of the operator's can find the name servers of zone %s; whoever runs the cluster's DNS "+
			"repairs it", dns.Display(r.apex)),
		Err: last,
	}
}
