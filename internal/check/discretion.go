// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// Discretion keeps what a private network looks like from inside from those who can have the operator, or a server, connect to any
// address: by writing a Federation, or by publishing records that a partner is found by. Where nothing that speaks the expected
// protocol answers at an address that is not public, one text stands for every cause, after the same time.
type Discretion struct {
	// Disclosed lists networks that are not public, but about which errors are told in detail.
	Disclosed []netip.Prefix
	// Resolvers, each as ip:port, are the operator's own, which nobody chose who writes Federations.
	Resolvers []string
}

// shared are the addresses that carriers share among customers (RFC 6598), of which netip knows nothing.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Hides reports whether the causes of failures at the address are kept back. A nil Discretion hides none.
func (d *Discretion) Hides(address netip.Addr) bool {
	if d == nil {
		return false
	}
	address = address.Unmap().WithZone("")
	if slices.ContainsFunc(d.Disclosed, func(network netip.Prefix) bool { return network.Contains(address) }) {
		return false
	}
	return address.IsPrivate() || shared.Contains(address) || !address.IsGlobalUnicast()
}

// hidesResolver is Hides for a resolver, given as ip:port.
func (d *Discretion) hidesResolver(server string) bool {
	if d == nil || slices.Contains(d.Resolvers, server) {
		return false
	}
	at, err := netip.ParseAddrPort(server)
	return err != nil || d.Hides(at.Addr())
}

// HidesPing reports whether the cause of a failed ping is kept back: no XMPP server has answered, and one of the addresses that were
// tried is not public or not known, or the partner's server goes by a name that only a private network knows.
func (d *Discretion) HidesPing(t PeerTarget, p engine.Pong) bool {
	if d == nil || p.Answered || p.Received != nil {
		return false
	}
	switch p.Stage {
	case engine.StageResolve:
		return isInternalName(t.place())
	case engine.StageConnect, engine.StageStream:
		return p.Addresses == nil || slices.ContainsFunc(p.Addresses, func(text string) bool {
			address, err := netip.ParseAddr(text)
			return err != nil || d.Hides(address)
		})
	default:
		return false // an XMPP server has opened a stream, or nothing was tried
	}
}

// place is the host that a partner's server is looked for at, an address or a name.
func (t PeerTarget) place() string {
	if host, _, err := net.SplitHostPort(t.Route); err == nil {
		return host
	}
	return t.Domain
}

// isInternalName reports whether only a cluster or a private network knows a name.
func isInternalName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	internal := func(label string) bool { return strings.HasSuffix(host, label) || strings.Contains(host, label+".") }
	return !strings.Contains(host, ".") || slices.ContainsFunc([]string{".svc", ".local", ".internal"}, internal)
}

// errUndisclosed stands for every cause that is kept back.
var errUndisclosed = errors.New("no server answers there; why is not told of addresses that are not public")

// undisclosed returns errUndisclosed when the context ends: how soon something fails tells as much as words. A context that never ends
// is not waited for.
func undisclosed(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); bounded {
		<-ctx.Done()
	}
	return errUndisclosed
}

// NewDiscreet returns a Checker that uses the machine's own network and keeps back what d says.
func NewDiscreet(d *Discretion) *Checker {
	c := New()
	c.discretion, c.Resolver = d, dnsResolver{d}
	return c
}

// hides reports whether failures at an address are kept back, unless it is one of those that the cluster itself has given.
func (c *Checker) hides(at netip.Addr, given ...[]netip.Addr) bool {
	return c.discretion.Hides(at) && !slices.Contains(slices.Concat(given...), at)
}

// conceal replaces the cause of a trial that failed before anything spoke XMPP. It reports whether there was one.
func (t *trial) conceal() bool {
	if !t.failed() && (!t.direct || t.tls == nil) {
		return false
	}
	t.dial, t.stream, t.tls, t.leaf = errUndisclosed, nil, nil, nil
	return true
}

// discreetly makes a trial, and takes the time of the slowest for one whose cause is kept back.
func (c *Checker) discreetly(ctx context.Context, t *trial, p patience) {
	within(ctx, p.connect+p.stream+p.handshake, func(bounded context.Context) {
		if c.attempt(ctx, t, p); t.conceal() {
			<-bounded.Done()
		}
	})
}

// Hold waits until d has passed since began, or the context ends.
func Hold(ctx context.Context, began time.Time, d time.Duration) {
	timer := time.NewTimer(d - time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
