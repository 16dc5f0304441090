// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/pki"
	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// directTrial is what direct TLS to one address came to, with the protocol announced by ALPN or not.
type directTrial struct {
	at        endpoint
	announced bool
	dial      error
	state     tls.ConnectionState
	stream    error
}

// examineDirect tries direct TLS where the domain publishes it (XEP-0368).
func (c *Checker) examineDirect(ctx context.Context, s Subject, n source, p patience) []Result {
	if s.Want != nil && s.Want.DirectPort != 0 {
		wanted := entry{entrance{prefix: directPrefix, port: s.Want.DirectPort, direct: true}, s.Domain}
		if missing, ok := judgeService(*s.Want, wanted, n.direct); !ok {
			missing.ID = DirectTLS
			return []Result{missing}
		}
	}
	if len(n.direct) == 0 || n.direct[0].Target == "" {
		return []Result{skipped(DirectTLS, "", "the domain publishes none")}
	}
	places := s
	places.Want = nil // it says nothing about direct TLS
	at := places.endpoints(n, n.direct)
	if len(at) == 0 {
		return []Result{{
			ID: DirectTLS, Mark: Fail, Words: "the service record " + directPrefix + s.Domain + " leads to no address",
			Evidence: prefixed(directPrefix+s.Domain+". SRV ", serviceTexts(n.direct)), Fix: s.remedy("correct or remove it"),
		}}
	}
	trials := make([]directTrial, 2*len(at))
	each(len(trials), func(i int) {
		trials[i] = directTrial{at: at[i/2], announced: i%2 == 0}
		c.tryDirect(ctx, s.Domain, &trials[i], p)
	})
	results := make([]Result, len(at))
	for i := range at {
		results[i] = s.judgeDirect(trials[2*i], trials[2*i+1])
	}
	return results
}

// tryDirect makes one trial.
func (c *Checker) tryDirect(ctx context.Context, domain string, t *directTrial, p patience) {
	var conn net.Conn
	within(ctx, p.connect, func(ctx context.Context) {
		conn, t.dial = c.Dialer.DialContext(ctx, "tcp", t.at.address.String())
	})
	if t.dial != nil {
		return
	}
	config := tlsConfig(tls.VersionTLS12)
	if t.announced {
		config.NextProtos = []string{xmpp.DirectProtocol}
	}
	var stream *xmpp.Stream
	within(ctx, p.handshake+p.stream, func(ctx context.Context) {
		stream, t.state, t.stream = xmpp.OpenDirect(ctx, conn, xmpp.Names{To: domain}, config)
	})
	if stream != nil {
		t.stream = objection(ctx, stream, p)
		stream.Close()
	}
}

// tell makes of it a trial like those by STARTTLS.
func (d directTrial) tell(t *trial) {
	t.dial = d.dial
	chain := d.state.PeerCertificates
	switch {
	case d.stream != nil && len(chain) == 0:
		t.tls = d.stream
	case d.stream != nil && !insists(d.stream):
		t.stream = d.stream
	}
	if len(chain) > 0 {
		t.leaf = chain[0]
	}
}

// insists tells whether a server that speaks XMPP closes the stream of a stranger for want of a certificate.
func insists(err error) bool {
	var refused *xmpp.StreamError
	return errors.As(err, &refused) && (refused.Condition == "not-authorized" || refused.Condition == "policy-violation")
}

// judgeDirect judges both trials of an address. Servers differ in whether they announce the protocol.
func (s Subject) judgeDirect(announced, plain directTrial) Result {
	r := Result{ID: DirectTLS, Subject: announced.at.address.String(), Mark: Fail}
	fix := "correct the port in the service record " + directPrefix + s.Domain + ", open it, or remove the record"
	switch {
	case isUnroutable(announced.dial):
		return skipped(DirectTLS, r.Subject, "this machine has no route to such addresses")
	case announced.dial != nil:
		failed := judgeDial(announced.at.address.Addr(), announced.dial)
		r.Words, r.Reason = failed.Words, failed.Reason
	case announced.stream != nil && len(announced.state.PeerCertificates) == 0:
		r.Words, r.Reason = "TLS fails there ("+explain(announced.stream)+"): the port may expect STARTTLS", v1alpha1.ReasonTLSFailed
	case isStreamError(announced.stream) && !insists(announced.stream):
		failed := judgeStream(s.Domain, announced.stream)
		r.Words, r.Reason, fix = failed.Words, failed.Reason, remediesOf(announced.stream).anybodys
	case announced.stream != nil && !insists(announced.stream):
		r.Words, r.Reason = "no stream opens there ("+explain(announced.stream)+")", v1alpha1.ReasonNotXMPP
	case !pki.Covers(announced.state.PeerCertificates[0], s.Domain):
		r.Words = "the certificate served there does not name the domain, but " + namesOf(announced.state.PeerCertificates[0])
		r.Reason, r.Evidence = v1alpha1.ReasonCertificateNameMismatch, describe(announced.state.PeerCertificates)
		fix = "have the server show the domain's certificate there"
	case plain.dial != nil || plain.stream != nil && !insists(plain.stream):
		r.Mark, r.Words = Warn, "it answers only those who announce the protocol by ALPN, which servers need not do"
		fix = "have the server answer there without ALPN as well"
	default:
		return passed(DirectTLS, r.Subject, "direct TLS works, with ALPN and without")
	}
	r.Fix = s.remedy(fix)
	return r
}
