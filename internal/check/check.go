// SPDX-License-Identifier: Apache-2.0

// Package check tries what a partner's server does to reach ours, and says in plain words where it fails, whose part
// that is, and what to do. What is tried and what it means are apart: the I/O stands behind Resolver and Dialer, and
// everything that judges is pure.
package check

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

const (
	// concurrency limits how much one check does at once towards any one resolver or address.
	concurrency = 8
	// defaultDuration is how long a check may take when the context does not say.
	defaultDuration = 30 * time.Second
)

// InboundTarget is what partners should find in public DNS and at the public addresses.
type InboundTarget struct {
	// Domains are the XMPP domains, group chat domains included.
	Domains []string
	// Hostname is the target of the service records.
	Hostname string
	// Port, Priority and Weight are those of the service records (RFC 2782).
	Port, Priority, Weight uint16
	// Shared tells that other clusters may have service records at the same names.
	Shared bool
	// DirectPort is that of the service records for direct TLS (XEP-0368). Zero: there are none.
	DirectPort uint16
	// Addresses are those of Hostname.
	Addresses []netip.Addr
	// Through are tried in place of Addresses, when those are closed to the operator by source ranges: the Service's
	// addresses inside the cluster. Empty: Addresses are tried.
	Through []netip.Addr
	// Assigned lists those Addresses that the cluster's load balancer has given, which no user could choose.
	Assigned []netip.Addr
	// Resolvers are asked, each as ip:port. Empty: those of /etc/resolv.conf.
	Resolvers []string
	// Serial number, in hexadecimal, of the certificate that the server was given. The verdict mentions when another
	// one is served. Empty: not compared.
	Serial string
}

// TargetOf is what a Federation with the public addresses should show.
func TargetOf(fed *v1alpha1.Federation, addresses []netip.Addr) InboundTarget {
	t := InboundTarget{
		Domains: desired.AddressableDomains(fed), Hostname: desired.Hostname(fed), Addresses: addresses,
		Port: uint16(fed.Spec.Exposure.Port), Priority: uint16(fed.Spec.DNS.Priority), Weight: uint16(fed.Spec.DNS.Weight),
		Shared: fed.Spec.DNS.Shared,
	}
	if direct := fed.Spec.Exposure.DirectTLS; direct != nil {
		t.DirectPort = uint16(direct.Port)
	}
	for _, resolver := range fed.Spec.Verification.Resolvers {
		t.Resolvers = append(t.Resolvers, string(resolver))
	}
	if certificate := fed.Status.Certificate; certificate != nil {
		t.Serial = certificate.Serial
	}
	return t
}

// Verdict is what a check's condition says.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// Dialer opens TCP connections; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Checker runs checks. It keeps nothing between them and serves any number at once.
type Checker struct {
	// Resolver asks DNS servers.
	Resolver Resolver
	// Dialer opens the connections to the server.
	Dialer Dialer
	// Now is the time by which certificates are judged.
	Now func() time.Time
	// ResolvConf is the file that lists the resolvers when a target has none.
	ResolvConf string
	// NameServerPort is where authoritative name servers are asked; zero means 53.
	NameServerPort uint16

	// discretion says what is kept back; nil: nothing.
	discretion *Discretion
}

// New returns a Checker that uses the machine's own network.
func New() *Checker {
	return &Checker{Resolver: dnsResolver{}, Dialer: &net.Dialer{}, Now: time.Now, ResolvConf: "/etc/resolv.conf"}
}

// Inbound takes the way of a partner's server to t (RFC 6120 sections 3.2.1, 4.2, 5.4 and 13.7.2): service record,
// address, TCP, stream, STARTTLS, certificate; and that of XEP-0368, where there is one: TLS comes before the stream. Every
// address is tried for every domain. Whether a partner trusts the
// issuer of the certificate is the partner's decision, so it is not judged.
//
// The context's deadline is for the whole check and is shared out among its steps; with at least 24 s each of them has
// its usual patience. When it ends first, the verdict is Unknown.
func (c *Checker) Inbound(ctx context.Context, t InboundTarget) Verdict {
	if len(t.Domains) == 0 || len(t.Addresses) == 0 {
		return unknown("there are no domains or no addresses to check yet; see the condition AddressAssigned")
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	patience := share(ctx)
	servers := t.Resolvers
	if len(servers) == 0 {
		var err error
		if servers, err = SystemResolvers(c.ResolvConf); err != nil {
			return conclude([]Result{noResolvers(err)})
		}
	}
	t.Resolvers = servers

	views := c.ask(ctx, t, patience)
	findings, notes := judgeViews(t, views)
	if ctx.Err() != nil {
		return unknown(interrupted)
	}
	if len(findings) > 0 {
		return conclude(findings)
	}
	trials := c.tryAll(ctx, t, patience)
	if ctx.Err() != nil {
		return unknown(interrupted)
	}
	findings, more := judgeTrials(t, trials, c.Now())
	if len(findings) > 0 {
		return conclude(findings)
	}
	return reachable(t, append(notes, more...))
}

// limited gives a context without a deadline one.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, defaultDuration)
}

// patience is how long single steps may take.
type patience struct {
	lookup, connect, stream, handshake time.Duration
	// objection is how long a server that sends no features has time to refuse a stream after all.
	objection time.Duration
}

// share divides the time that the context leaves among the steps that follow each other, so that one slow step ends in
// its own verdict and not in that of the whole check.
func share(ctx context.Context) patience {
	left := defaultDuration
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return patience{
		lookup:    min(4*time.Second, left/6),
		connect:   min(4*time.Second, left/5),
		stream:    min(4*time.Second, left/5),
		handshake: min(4*time.Second, left/5),
		objection: min(2*time.Second, left/10),
	}
}

// interrupted is the message of a check that could not run to its end.
const interrupted = "the check did not come to its end in the time it had; the operator repeats it"

// unknown is the verdict when the target was not checked.
func unknown(message string) Verdict {
	return Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotChecked, Message: message}
}

// each calls f for 0 to n-1, at most concurrency at once, and returns when all are done.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, concurrency)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// entrance is one of the ways to the server: by the service records with the prefix, to the port.
type entrance struct {
	prefix string
	port   uint16
	// direct is set where TLS comes first.
	direct bool
}

// entrances are those that partners may take.
func (t InboundTarget) entrances() []entrance {
	all := []entrance{{prefix: servicePrefix, port: t.Port}}
	if t.DirectPort != 0 {
		all = append(all, entrance{prefix: directPrefix, port: t.DirectPort, direct: true})
	}
	return all
}

// entry is the service record of one domain for one entrance.
type entry struct {
	entrance
	domain string
}

// entries are all service records, ordered by entrance, then by domain.
func (t InboundTarget) entries() []entry {
	var all []entry
	for _, e := range t.entrances() {
		for _, domain := range t.Domains {
			all = append(all, entry{e, domain})
		}
	}
	return all
}

// addressesToTry are those to connect to.
func (t InboundTarget) addressesToTry() []netip.Addr {
	if len(t.Through) > 0 {
		return sortedAddresses(t.Through)
	}
	return sortedAddresses(t.Addresses)
}

// sortedAddresses are the addresses without duplicates, IPv4 before IPv6.
func sortedAddresses(addresses []netip.Addr) []netip.Addr {
	sorted := make([]netip.Addr, len(addresses))
	for i, a := range addresses {
		sorted[i] = a.Unmap()
	}
	slices.SortFunc(sorted, netip.Addr.Compare)
	return slices.Compact(sorted)
}
