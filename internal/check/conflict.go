// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// nobodys is a domain that no server hosts (RFC 6761 section 6.4). A server that opens streams to it opens them to any
// name, which proves nothing.
const nobodys = "xmppfed-check.invalid"

// ConflictTarget is a service that might host our domains besides its own.
type ConflictTarget struct {
	// Service is the XMPP domain of a partner or of a hosted service.
	Service string
	// Route is where its server is, as host:port, when that is not left to the DNS; else empty.
	Route string
	// Domains are ours.
	Domains []string
	// Resolvers are asked in this order until one answers, each as ip:port. Empty: those of /etc/resolv.conf.
	Resolvers []string
	// Ours are our public addresses: a service behind them is our own.
	Ours []netip.Addr
}

// Conflict is a domain of ours that the service hosts.
type Conflict struct {
	Domain string
	// Server is the one that was asked, as name:port.
	Server string
}

// hosting is what a server makes of a stream to a domain.
type hosting int

const (
	unlearnt hosting = iota // no answer, or one that does not depend on the domain
	refused
	opened
)

// Conflict looks for domains of ours that the service hosts. Servers hand stanzas for domains of their own to themselves,
// so that nothing its users send us ever leaves such a service. A stream opened to one of our domains tells: it must be
// refused (host-unknown, RFC 6120 section 4.9.3.6). The stream claims no identity and ends before TLS.
//
// The first server of the service that answers speaks for all. An error means that at least one domain remains unasked
// and none was found. Without a deadline in the context the whole takes at most 30 s.
func (c *Checker) Conflict(ctx context.Context, t ConflictTarget) ([]Conflict, error) {
	if len(t.Domains) == 0 {
		return nil, nil
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	p := share(ctx)
	servers, err := c.serversOf(ctx, t, p)
	for _, server := range servers {
		var first hosting
		if first, err = c.hosts(ctx, server, t.Domains[0], p); first != unlearnt {
			return c.askAll(ctx, t.Domains, server, first, p)
		}
	}
	return nil, err
}

// askAll asks a server that has answered for the first domain about the others.
func (c *Checker) askAll(ctx context.Context, domains []string, at endpoint, first hosting, p patience) ([]Conflict, error) {
	found := make([]hosting, len(domains))
	failures := make([]error, len(domains))
	found[0] = first
	each(len(domains)-1, func(i int) {
		found[i+1], failures[i+1] = c.hosts(ctx, at, domains[i+1], p)
	})
	var conflicts []Conflict
	for i, h := range found {
		if h == opened {
			conflicts = append(conflicts, Conflict{Domain: domains[i], Server: at.name})
		}
	}
	if len(conflicts) == 0 {
		return nil, errors.Join(failures...)
	}
	proven, err := c.discerns(ctx, at, conflicts[0].Domain, p)
	if !proven {
		return nil, err
	}
	return conflicts, nil
}

// discerns tells whether a server that opens streams to the domain does so because it hosts it: another name must be
// refused, and the domain still not be, or else the refusal may come from a limit on connections.
func (c *Checker) discerns(ctx context.Context, at endpoint, domain string, p patience) (bool, error) {
	if control, err := c.hosts(ctx, at, nobodys, p); control != refused {
		return false, err
	}
	again, err := c.hosts(ctx, at, domain, p)
	return again == opened, err
}

// hosts opens a stream to the domain.
func (c *Checker) hosts(ctx context.Context, at endpoint, domain string, p patience) (hosting, error) {
	var conn net.Conn
	var err error
	within(ctx, p.connect, func(ctx context.Context) {
		conn, err = c.Dialer.DialContext(ctx, "tcp", at.address.String())
	})
	if err != nil {
		return unlearnt, fmt.Errorf("connecting to %s: %s", at.name, explain(err))
	}
	var stream *xmpp.Stream
	within(ctx, p.stream, func(ctx context.Context) {
		stream, err = xmpp.Open(ctx, conn, xmpp.Names{To: domain})
	})
	if err == nil {
		defer stream.Close()
		err = objection(ctx, stream, p)
	}
	if ctx.Err() != nil { // silence was cut short
		return unlearnt, fmt.Errorf("asking %s for %s: %w", at.name, domain, ctx.Err())
	}
	return judgeHosting(at, domain, err)
}

// judgeHosting says what the end of a stream means, or that it has none. Conditions that come and go say nothing of the
// domain, nor does silence.
func judgeHosting(at endpoint, domain string, err error) (hosting, error) {
	var objection *xmpp.StreamError
	switch {
	case err == nil:
		return opened, nil
	case errors.As(err, &objection) && slices.Contains(passing, objection.Condition):
		return unlearnt, fmt.Errorf("asking %s for %s: stream error %s", at.name, domain, objection.Condition)
	case isTimeout(err):
		return unlearnt, fmt.Errorf("asking %s for %s: %s", at.name, domain, explain(err))
	}
	return refused, nil
}

// passing are stream errors that have nothing to do with the domain (RFC 6120 section 4.9.3).
var passing = []string{
	"connection-timeout", "internal-server-error", "remote-connection-failed", "reset", "resource-constraint",
	"see-other-host", "system-shutdown",
}

// HostedVerdict is the verdict on a service with at least one conflict. Its message can be forwarded to the service's
// support.
func HostedVerdict(t PeerTarget, conflicts []Conflict) PeerVerdict {
	domains := make([]string, len(conflicts))
	for i, conflict := range conflicts {
		domains[i] = phrase.Clean(conflict.Domain, maxName)
	}
	us := phrase.List(domains, 1)
	if len(domains) == 2 { // such as a domain and its group chat
		us = phrase.List(domains, 2)
	}
	return t.verdict(hostsUsToo, us, "")
}
