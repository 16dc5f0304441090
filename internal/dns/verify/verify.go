// SPDX-License-Identifier: Apache-2.0

// Package verify finds out what the world sees: it asks every authoritative server of a zone for the records that were
// written to its primary. Resolvers are not asked for them, as their caches say nothing about what is published.
package verify

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

const (
	defaultPort    = 53
	defaultTimeout = time.Second
	// parallel questions to one server.
	parallel = 8
)

// Verifier asks authoritative servers. The zero value works for zones whose name servers have their names in the zone.
type Verifier struct {
	// Resolvers (host:port) find the addresses of name servers that lie outside of the zone, tried in order.
	Resolvers []string
	// Port of the name servers; zero means 53.
	Port uint16
	// Timeout of one try, of which there are two; zero means a second.
	Timeout time.Duration
}

// Server is an authoritative server at one of its addresses.
type Server struct {
	// Name and Address, for example ns2.cupdomain.com and 203.0.113.54.
	Name, Address string
	// Pending are the records that it does not serve yet, and those that it should no longer serve.
	Pending []dns.Key
	// Err is set when it gives no proper answers.
	Err *dns.Error
}

// String is the server in a message.
func (s Server) String() string {
	if s.Address == "" {
		return s.Name
	}
	return s.Name + " (" + s.Address + ")"
}

// Report is what the servers answered.
type Report struct {
	// Servers sorted by name and address.
	Servers []Server
	asked   []dns.Key
}

// NewReport is the report of somebody who has asked servers in another way than Verifier.
func NewReport(servers []Server, asked []dns.Key) Report {
	return Report{Servers: servers, asked: asked}
}

// Published tells whether every server has the record as wanted: served, or gone.
func (r Report) Published(key dns.Key) bool {
	return len(r.Servers) > 0 && slices.Contains(r.asked, key) && r.count(key) == len(r.Servers)
}

// count the servers that have the record as wanted.
func (r Report) count(key dns.Key) int {
	n := 0
	for _, s := range r.Servers {
		if s.Err == nil && !slices.Contains(s.Pending, key) {
			n++
		}
	}
	return n
}

// Check asks every authoritative server of p's zone for the wanted records, and for those that were removed, where it
// must answer as the primary does: what the primary still has there is somebody else's, or made up from a wildcard (RFC
// 4592). TTLs are not compared. The error is nil if all is as it should be; else it is a *dns.Error about the first that
// is not, and the report has the rest.
func (v Verifier) Check(ctx context.Context, p dns.Provider, want []dns.RRset, gone []dns.Key) (Report, error) {
	zone, err := p.Zone(ctx)
	if err != nil {
		return Report{}, err
	}
	servers, err := v.servers(ctx, p, zone)
	if err != nil {
		return Report{}, err
	}
	expected, err := expectations(ctx, p, want, gone)
	if err != nil {
		return Report{}, err
	}
	report := Report{Servers: servers}
	for _, e := range expected {
		report.asked = append(report.asked, e.key)
	}
	var all sync.WaitGroup
	for i := range report.Servers {
		s := &report.Servers[i]
		if s.Err == nil {
			address := net.JoinHostPort(s.Address, strconv.Itoa(int(v.port())))
			all.Go(func() { inquiry{v, s.String(), address, zone.Apex}.run(ctx, s, expected) })
		}
	}
	all.Wait()
	if err := report.verdict(gone, func() string { return report.advice(ctx, p, zone.Apex, gone) }); err != nil {
		return report, err
	}
	return report, nil
}

// advice is what to do about servers that go on lagging.
func (r Report) advice(ctx context.Context, p dns.Provider, apex string, gone []dns.Key) string {
	delegate, ok := dns.AsDelegate(p)
	if !ok {
		return fmt.Sprintf("if this lasts, the administrator of zone %s looks why it does not follow the primary: NOTIFY, zone transfer, "+
			"serial", dns.Display(apex))
	}
	var lag dns.Lag
	for _, key := range r.asked {
		switch {
		case slices.Contains(gone, key) && !r.Published(key):
			lag.Remaining = append(lag.Remaining, key)
		case !r.Published(key):
			lag.Missing = append(lag.Missing, key)
		case !slices.Contains(gone, key):
			lag.Served = append(lag.Served, key)
		}
	}
	return delegate.Advice(ctx, lag)
}

// expectation is what every server must answer for a key.
type expectation struct {
	key dns.Key
	set dns.RRset
	// exists is false for what no server may have any more.
	exists bool
}

func expectations(ctx context.Context, p dns.Provider, want []dns.RRset, gone []dns.Key) ([]expectation, error) {
	var out []expectation
	for _, set := range want {
		out = append(out, expectation{set.Key(), set, true})
	}
	if len(gone) == 0 {
		return out, nil
	}
	left, err := p.Get(ctx, gone...)
	if err != nil {
		return nil, err
	}
	for _, k := range gone {
		e := expectation{key: k}
		for _, set := range left {
			if set.Name == k.Name && (set.Type == k.Type || set.Type == dns.TypeCNAME) {
				e.set, e.exists = set, true
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// met tells whether an answer is as expected. Of what is shared others may have changed their part.
func (e expectation) met(got dns.RRset) bool {
	return got.SameData(e.set) || e.set.Shared && got.Covers(e.set)
}

// verdict is about the first server that gives no proper answers, else about the first that lags behind.
func (r Report) verdict(gone []dns.Key, advice func() string) error {
	for _, s := range r.Servers {
		if s.Err != nil {
			return s.Err
		}
	}
	for _, s := range r.Servers {
		if len(s.Pending) == 0 {
			continue
		}
		key := s.Pending[0]
		what, others := fmt.Sprintf("does not serve %s yet", key), "do"
		if slices.Contains(gone, key) {
			what, others = fmt.Sprintf("still serves %s, which was removed", key), "no longer do"
		}
		return &dns.Error{
			Reason:  v1alpha1.ReasonPropagationPending,
			Message: fmt.Sprintf("%s %s (%d of %d servers %s); %s", s, what, r.count(key), len(r.Servers), others, advice()),
		}
	}
	return nil
}

// inquiry asks one server.
type inquiry struct {
	Verifier
	// server is its name in messages, address is host:port.
	server, address string
	apex            string
}

// run fills in what the server answers.
func (q inquiry) run(ctx context.Context, result *Server, expected []expectation) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var asking sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, e := range expected {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			got, found, err := q.ask(ctx, e.key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil && result.Err == nil:
				// A server that does not answer one question would only cost time with the others.
				result.Err = err
				stop()
			case err == nil && (found != e.exists || found && !e.met(got)):
				result.Pending = append(result.Pending, e.key)
			}
		})
	}
	asking.Wait()
	slices.SortFunc(result.Pending, func(a, b dns.Key) int { return strings.Compare(a.String(), b.String()) })
}

func (q inquiry) ask(ctx context.Context, key dns.Key) (dns.RRset, bool, *dns.Error) {
	answer, err := wire.Ask(ctx, wire.Question{
		Server:  q.address,
		Key:     key,
		Timeout: q.timeout(),
	})
	switch {
	case err != nil:
		return dns.RRset{}, false, q.fault(v1alpha1.ReasonServerUnavailable, wire.Trouble(err), err)
	case wire.Failing(answer):
		return dns.RRset{}, false, q.fault(v1alpha1.ReasonServerUnavailable, "answers SERVFAIL", nil)
	case !wire.Authoritative(answer):
		return dns.RRset{}, false, q.fault(v1alpha1.ReasonNotAuthoritative, "does not have the zone", nil)
	}
	set, found := wire.Set(answer.Answer, key)
	return set, found, nil
}

func (q inquiry) fault(reason, what string, cause error) *dns.Error {
	return &dns.Error{
		Reason: reason,
		Message: fmt.Sprintf("name server %s of zone %s %s; whoever runs it repairs it, or removes it from the zone's NS records and "+
			"the delegation", q.server, dns.Display(q.apex), what),
		Permanent: reason == v1alpha1.ReasonNotAuthoritative,
		Err:       cause,
	}
}

func (v Verifier) port() uint16 {
	if v.Port == 0 {
		return defaultPort
	}
	return v.Port
}

func (v Verifier) timeout() time.Duration {
	if v.Timeout == 0 {
		return defaultTimeout
	}
	return v.Timeout
}
