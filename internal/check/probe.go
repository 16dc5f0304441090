// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// trial is what one stream came to: to one address, for one domain. At the first step that fails the trial ends there.
type trial struct {
	address netip.AddrPort
	domain  string
	// direct is set where TLS comes before the stream (XEP-0368).
	direct bool
	// skipped is true when nothing was tried, because the address had already failed for another domain.
	skipped bool
	// hidden is true when the cause of a failure is kept back, see Discretion.
	hidden bool

	dial   error // of TCP
	stream error // of the stream header and features
	noTLS  bool  // STARTTLS is not offered
	tls    error // of STARTTLS
	asked  bool  // the server asks for a certificate of ours
	leaf   *x509.Certificate
}

// failed tells whether the address itself fails, whatever the domain.
func (t trial) failed() bool {
	return t.dial != nil || t.stream != nil && !isStreamError(t.stream)
}

// tryAll opens a stream to every address and port for every domain, ordered by entrance, then by address, then by domain. When
// one fails for the first domain, the others are skipped there: it would fail for them as well, and slowly.
func (c *Checker) tryAll(ctx context.Context, t InboundTarget, p patience) []trial {
	entrances, addresses := t.entrances(), t.addressesToTry()
	trials := make([]trial, len(entrances)*len(addresses)*len(t.Domains))
	each(len(entrances)*len(addresses), func(i int) {
		by := entrances[i/len(addresses)]
		at := netip.AddrPortFrom(addresses[i%len(addresses)], by.port)
		hidden := c.hides(at.Addr(), t.Through, t.Assigned)
		mine := trials[i*len(t.Domains):][:len(t.Domains)]
		for j, domain := range t.Domains {
			mine[j] = trial{address: at, domain: domain, direct: by.direct, skipped: j > 0, hidden: hidden}
		}
		if len(mine) == 0 {
			return
		}
		if c.try(ctx, &mine[0], p); mine[0].failed() {
			return
		}
		each(len(mine)-1, func(j int) {
			mine[j+1].skipped = false
			c.try(ctx, &mine[j+1], p)
		})
	})
	return trials
}

// try makes one trial.
func (c *Checker) try(ctx context.Context, t *trial, p patience) {
	if t.hidden {
		c.discreetly(ctx, t, p)
		return
	}
	c.attempt(ctx, t, p)
}

// attempt is a trial with all that comes of it. The stream claims no identity of ours (no from), and ends before authentication.
func (c *Checker) attempt(ctx context.Context, t *trial, p patience) {
	if t.direct {
		direct := directTrial{at: endpoint{address: t.address}, announced: true}
		c.tryDirect(ctx, t.domain, &direct, p)
		direct.tell(t)
		return
	}
	stream := c.open(ctx, t, xmpp.Names{To: t.domain}, p)
	if stream == nil {
		return
	}
	defer stream.Close()
	c.secure(ctx, t, stream, tls.VersionTLS12, p)
}

// open connects and opens a stream that the server does not refuse; nil with the cause in t.
func (c *Checker) open(ctx context.Context, t *trial, names xmpp.Names, p patience) (stream *xmpp.Stream) {
	var conn net.Conn
	within(ctx, p.connect, func(ctx context.Context) {
		conn, t.dial = c.Dialer.DialContext(ctx, "tcp", t.address.String())
	})
	if t.dial != nil {
		return nil
	}
	within(ctx, p.stream, func(ctx context.Context) {
		stream, t.stream = xmpp.Open(ctx, conn, names)
	})
	if stream == nil {
		return nil
	}
	if t.stream = objection(ctx, stream, p); t.stream != nil {
		stream.Close()
		return nil
	}
	return stream
}

// secure starts TLS. It returns the state of the handshake, which is empty if there was none. When the server ends the stream instead
// of starting TLS, it refuses the stream.
func (c *Checker) secure(ctx context.Context, t *trial, stream *xmpp.Stream, oldest uint16, p patience) (state tls.ConnectionState) {
	if t.noTLS = !stream.Features.StartTLS; t.noTLS {
		return state
	}
	config := tlsConfig(oldest)
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		t.asked = true
		return &tls.Certificate{}, nil
	}
	within(ctx, p.handshake, func(ctx context.Context) {
		if state, t.tls = stream.StartTLS(ctx, config); t.tls == nil {
			t.leaf = state.PeerCertificates[0] // a server always presents one
		}
	})
	if isStreamError(t.tls) {
		t.stream, t.tls = t.tls, nil
	}
	return state
}

// tlsConfig takes every certificate: whom to trust is the partners' decision, and name and dates are judged later.
func tlsConfig(oldest uint16) *tls.Config {
	return &tls.Config{MinVersion: oldest, InsecureSkipVerify: true} //nolint:gosec // see above
}

// within calls f with a context that ends after d at the latest.
func within(ctx context.Context, d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	f(ctx)
}
