// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// Attempt is a stream that a partner's server opens to the server under test.
type Attempt struct {
	// From is what the stream header says; empty: nothing. To is the domain it is for.
	From, To string
	// Certificate to show; nil: none.
	Certificate *tls.Certificate
	// Direct attempts begin with TLS (XEP-0368).
	Direct bool
	// Plain attempts don't encrypt the stream.
	Plain bool
	// Legacy attempts know nothing of XMPP 1.0, nor of encryption.
	Legacy bool
	// External authenticates by SASL EXTERNAL (XEP-0178), else by dialback (XEP-0220).
	External bool
	// Name is what dialback is to prove; empty: From.
	Name string
	// Unproven attempts end before that.
	Unproven bool
	// Bidi asks for a stream in both directions (XEP-0288).
	Bidi bool
}

// Open opens the stream and authenticates it.
func (a Attempt) Open() (*Stream, error) {
	s, err := a.connect()
	if err != nil || a.Unproven {
		return s, err
	}
	if a.Bidi {
		err = s.Send("<bidi xmlns='urn:xmpp:bidi'/>")
	}
	switch {
	case err != nil:
	case a.External:
		name := base64.StdEncoding.EncodeToString([]byte(a.From))
		err = s.exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>"+name+"</auth>", "<success")
		if err == nil {
			err = s.exchange(s.header, "</stream:features>")
		}
	default:
		name := a.Name
		if name == "" {
			name = a.From
		}
		err = s.Dialback(name, a.To)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Dialback proves one more name on the stream.
func (s *Stream) Dialback(name, to string) error {
	if err := s.Send(fmt.Sprintf("<db:result from='%s' to='%s'>key</db:result>", name, to)); err != nil {
		return err
	}
	got, err := s.Expect("<db:result", "</stream:error>")
	if err == nil && strings.HasSuffix(got, "<db:result") {
		got, err = s.Expect("</db:result>")
	}
	if err == nil && !strings.Contains(got, "type='valid'") {
		err = fmt.Errorf("dialback of %s: got %q", name, got)
	}
	return err
}

// Alive has the server turn down a key of dialback on the stream.
func (s *Stream) Alive(from, to string) error {
	return s.exchange(fmt.Sprintf("<db:verify from='%s' to='%s' id='x'>key</db:verify>", from, to), "type='invalid'")
}

// connect opens the stream up to its features, encrypted where that is wanted.
func (a Attempt) connect() (*Stream, error) {
	header := a.header()
	config := &tls.Config{InsecureSkipVerify: true}
	if a.Certificate != nil {
		config.Certificates = []tls.Certificate{*a.Certificate}
	}
	if a.Direct {
		config.ServerName, config.NextProtos = a.To, []string{"xmpp-server"}
		return openDirect(engine.PortNumberS2STLS, header, config)
	}
	if !a.Plain && !a.Legacy {
		return open(engine.PortNumberS2S, header, config)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2S))
	if err != nil {
		return nil, err
	}
	s := &Stream{conn: conn, header: header}
	answer := "</stream:features>"
	if a.Legacy {
		answer = "<stream:stream"
	}
	if err := s.exchange(header, answer); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (a Attempt) header() string {
	var b strings.Builder
	b.WriteString("<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " +
		"xmlns:stream='http://etherx.jabber.org/streams'")
	if !a.Legacy {
		b.WriteString(" version='1.0'")
	}
	if a.From != "" {
		fmt.Fprintf(&b, " from='%s'", a.From)
	}
	if a.To != "" {
		fmt.Fprintf(&b, " to='%s'", a.To)
	}
	return b.String() + ">"
}
