// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync"

	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// probe is a trial with all that can be learnt of a server without an identity.
type probe struct {
	trial
	at endpoint
	// header and offered are those before TLS.
	header  xmpp.Header
	offered xmpp.Features
	state   tls.ConnectionState
	// after are the features on the encrypted stream, restart why there are none.
	after   xmpp.Features
	restart error
	// right and wrong are the answers to dialback keys: one that the secret makes, and one that it doesn't.
	right, wrong string
	dialback     error
	// unnamed is the certificate that is shown without a server name; unnamedErr why there is none.
	unnamed    *x509.Certificate
	unnamedErr error
}

// probeAll tries all addresses at once.
func (c *Checker) probeAll(ctx context.Context, s Subject, at []endpoint, p patience) []probe {
	probes := make([]probe, len(at))
	each(len(at), func(i int) {
		pr := &probes[i]
		pr.at, pr.address, pr.domain = at[i], at[i].address, s.Domain
		var unnamed trial
		var wg sync.WaitGroup
		if !s.isRooms {
			unnamed = pr.trial
			wg.Go(func() { c.tryUnnamed(ctx, &unnamed, p) })
		}
		c.probe(ctx, s, pr, p)
		wg.Wait()
		pr.unnamed, pr.unnamedErr = unnamed.leaf, unnamed.tls
	})
	return probes
}

// tryUnnamed is a trial without a server name in the TLS handshake.
func (c *Checker) tryUnnamed(ctx context.Context, t *trial, p patience) {
	stream := c.open(ctx, t, xmpp.Names{To: t.domain, Unnamed: true}, p)
	if stream == nil {
		return
	}
	defer stream.Close()
	c.secure(ctx, t, stream, tls.VersionTLS10, p)
}

// probe goes as far as a server lets a stranger go.
func (c *Checker) probe(ctx context.Context, s Subject, pr *probe, p patience) {
	stream := c.open(ctx, &pr.trial, xmpp.Names{To: pr.domain}, p)
	if stream == nil {
		return
	}
	defer stream.Close()
	pr.header, pr.offered = stream.Header, stream.Features
	if pr.state = c.secure(ctx, &pr.trial, stream, tls.VersionTLS10, p); pr.noTLS || pr.tls != nil || pr.stream != nil {
		return
	}
	within(ctx, p.stream, func(ctx context.Context) { pr.restart = stream.Restart(ctx) })
	if pr.restart != nil {
		return
	}
	pr.after = stream.Features
	if s.DialbackSecret != "" {
		within(ctx, p.stream, func(ctx context.Context) { pr.askKeys(ctx, stream, s.DialbackSecret) })
	}
}

// askKeys asks the server, which answers for the domain, whether two keys are its own. The partner that they are for
// does not exist, so that they prove nothing to anybody.
func (pr *probe) askKeys(ctx context.Context, stream *xmpp.Stream, secret string) {
	const id = "xmppfed-check"
	right := xmpp.NewKey(secret, nobodys, pr.domain, id)
	wrong := right
	wrong.Value = xmpp.NewKey(secret+"?", nobodys, pr.domain, id).Value
	if pr.right, pr.dialback = stream.Verify(ctx, right); pr.dialback == nil {
		pr.wrong, pr.dialback = stream.Verify(ctx, wrong)
	}
}
