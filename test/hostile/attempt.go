// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
)

// attempt is a stream that somebody opens to the server as a partner's server would.
type attempt struct {
	// from is what the stream header says, to whom it is for; empty: the domain that is served.
	from, to string
	// certificate to show; nil: none.
	certificate *tls.Certificate
	// direct attempts begin with TLS (XEP-0368), plain ones don't encrypt, legacy ones know nothing of XMPP 1.0 either, and bare
	// ones are legacy ones without addresses in the stream header, as RFC 3920 allowed.
	direct, plain, legacy, bare bool
	// external is the name to authenticate as by SASL EXTERNAL (XEP-0178), "=" is for none.
	external string
	// dialback is the name to prove by dialback (XEP-0220), if not by SASL.
	dialback string
}

// open opens the stream and authenticates it. The error is a *refusal if the server says no.
func (a attempt) open(ctx context.Context, target Target) (*stream, error) {
	if a.to == "" {
		a.to = target.Domain
	}
	s, err := a.connect(ctx, target)
	if err != nil {
		return nil, err
	}
	switch {
	case a.external != "":
		err = s.external(a.external, a.header())
	case a.dialback != "":
		err = s.dialback(a.dialback, a.to)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// connect opens the stream up to its features, encrypted unless it is a plain or a legacy one.
func (a attempt) connect(ctx context.Context, target Target) (*stream, error) {
	address := target.S2S
	if a.direct {
		address = target.S2STLS
	}
	s, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	switch {
	case a.direct:
		err = s.encrypt(ctx, a.to, a.certificate)
		if err == nil {
			err = s.exchange(a.header(), "</stream:features>")
		}
	case a.legacy || a.bare:
		err = s.exchange(a.header(), "<stream:stream")
	case a.plain:
		err = s.exchange(a.header(), "</stream:features>")
	default:
		err = s.starttls(ctx, a.header(), a.certificate)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (a attempt) header() string {
	var b strings.Builder
	b.WriteString("<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " +
		"xmlns:stream='http://etherx.jabber.org/streams'")
	if !a.legacy && !a.bare {
		b.WriteString(" version='1.0'")
	}
	if a.from != "" && !a.bare {
		fmt.Fprintf(&b, " from='%s'", a.from)
	}
	if !a.bare {
		fmt.Fprintf(&b, " to='%s'", a.to)
	}
	return b.String() + ">"
}

// external authenticates by SASL EXTERNAL and opens the stream again.
func (s *stream) external(name, header string) error {
	encoded := "="
	if name != "=" {
		encoded = base64.StdEncoding.EncodeToString([]byte(name))
	}
	if err := s.exchange("<auth "+nsSASL+" mechanism='EXTERNAL'>"+encoded+"</auth>", "<success"); err != nil {
		return err
	}
	return s.exchange(header, "</stream:features>")
}

// dialback proves a name on the stream.
func (s *stream) dialback(name, to string) error {
	if err := s.exchange(fmt.Sprintf("<db:result from='%s' to='%s'>key</db:result>", name, to), "<db:result"); err != nil {
		return err
	}
	answer, err := s.expect(">")
	if err != nil || strings.Contains(answer, "valid") && !strings.Contains(answer, "invalid") {
		return err
	}
	if !strings.HasSuffix(answer, "/>") {
		rest, err := s.expect("</db:result>")
		if err != nil {
			return err
		}
		answer += rest
	}
	return &refusal{answer: answer}
}
