// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Partner is the part of a partner's server that takes streams: scripted, so that it can be set up wrongly in every way.
type Partner struct {
	// Domain it serves.
	Domain string
	// Certificate to show; nil: it has no TLS.
	Certificate *tls.Certificate
	// Legacy servers know nothing of XMPP 1.0: no version, no features.
	Legacy bool
	// External offers SASL EXTERNAL once the stream is encrypted, RefuseExternal turns it down and ends the stream.
	External, RefuseExternal bool
	// Bidi offers streams in both directions (XEP-0288).
	Bidi bool
	// TLSRequired refuses dialback on streams that are not encrypted, TLSInsists says so in advance.
	TLSRequired, TLSInsists bool
	// Greeting is sent instead of features, after a stream header, once and for all.
	Greeting string
	// Dialback is the type of the answer to a key: "valid", "invalid", "error"; empty: no answer.
	Dialback string
	// Ask has it ask the server about the key before it answers, as it should.
	Ask bool
	// Mute partners take connections and say nothing on them, HangUp ones close them instead of a first word.
	Mute, HangUp bool
	// OldTLS partners know nothing newer than TLS 1.0.
	OldTLS bool
	// Answer is what it answers to an <iq/>, such as a stream error, with FROM, TO and ID filled in; empty: nothing.
	Answer string
	// Reply is the stream it opens for the answer; nil: it answers on the same stream, which has to be bidirectional.
	Reply *Attempt

	mu   sync.Mutex
	seen []string
	port uint16
}

// Listen takes streams on a port of 127.0.0.1 until the test ends.
func (p *Partner) Listen(t testing.TB) *Partner {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.port = uint16(listener.Addr().(*net.TCPAddr).Port)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

// Port it listens on.
func (p *Partner) Port() uint16 { return p.port }

// Seen are the elements it was sent, such as "plain result" and "TLS auth", in their order.
func (p *Partner) Seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// taken is a stream that a partner has taken.
type taken struct {
	*Partner
	conn    net.Conn
	decoder *xml.Decoder
	secure  bool
	id      string
	authed  bool
}

func (p *Partner) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	s := &taken{Partner: p, conn: conn, decoder: xml.NewDecoder(conn)}
	for {
		token, err := s.decoder.RawToken()
		if err != nil {
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if err := s.handle(start); err != nil {
			return
		}
	}
}

func (s *taken) send(format string, args ...any) error {
	_, err := fmt.Fprintf(s.conn, format, args...)
	return err
}

func (s *taken) note(what string) {
	way := "plain "
	if s.secure {
		way = "TLS "
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, way+what)
}

var errEnd = errors.New("stream ended")

func (s *taken) handle(start xml.StartElement) error {
	attr := map[string]string{}
	for _, a := range start.Attr {
		attr[a.Name.Local] = a.Value
	}
	if s.Mute {
		return nil
	}
	if s.HangUp {
		return errEnd
	}
	switch start.Name.Local {
	case "stream":
	case "presence":
		s.note(strings.TrimSpace("presence " + attr["type"]))
	default:
		s.note(start.Name.Local)
	}
	switch start.Name.Local {
	case "stream":
		return s.open(attr["from"])
	case "starttls":
		return s.encrypt()
	case "auth":
		return s.authenticate()
	case "result":
		return s.result(attr["from"], attr["to"])
	case "verify":
		return s.send("<db:verify from='%s' to='%s' id='%s' type='valid'/>", attr["to"], attr["from"], attr["id"])
	case "iq":
		text := strings.NewReplacer("FROM", attr["to"], "TO", attr["from"], "ID", attr["id"]).Replace(s.Answer)
		if s.Reply == nil || text == "" {
			return s.send("%s", text)
		}
		go s.reply(text) // the server may have questions on this stream before it takes the other
	}
	return nil
}

// reply sends text on a stream of its own, which stays for as long as the server wants it.
func (s *taken) reply(text string) {
	stream, err := s.Reply.Open()
	if err != nil {
		s.note("reply failed: " + err.Error())
		return
	}
	defer stream.Close()
	if stream.Send(text) == nil {
		_, _ = io.Copy(io.Discard, stream.conn)
	}
}

func (s *taken) open(them string) error {
	s.id = fmt.Sprintf("id-%p-%v", s, s.secure)
	version := " version='1.0'"
	if s.Legacy {
		version = ""
	}
	err := s.send("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "+
		"xmlns:stream='http://etherx.jabber.org/streams' id='%s' from='%s' to='%s'%s>", s.id, s.Domain, them, version)
	switch {
	case err != nil:
		return err
	case s.Greeting != "":
		_ = s.send("%s</stream:stream>", s.Greeting)
		return errEnd
	case s.Legacy:
		return nil
	}
	return s.send("<stream:features>%s</stream:features>", s.features())
}

func (s *taken) features() string {
	var b strings.Builder
	switch {
	case s.authed:
		return ""
	case s.TLSInsists:
		b.WriteString("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>")
	case !s.secure && s.Certificate != nil:
		b.WriteString("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	case s.secure && s.External:
		b.WriteString("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>")
	}
	if s.Bidi {
		b.WriteString("<bidi xmlns='urn:xmpp:features:bidi'/>")
	}
	b.WriteString("<dialback xmlns='urn:xmpp:features:dialback'/>")
	return b.String()
}

func (s *taken) encrypt() error {
	if s.Certificate == nil {
		_ = s.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
		return errEnd
	}
	if err := s.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{*s.Certificate}, ClientAuth: tls.RequestClientCert}
	if s.OldTLS {
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	}
	encrypted := tls.Server(s.conn, config)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return err
	}
	s.conn, s.secure, s.decoder = encrypted, true, xml.NewDecoder(encrypted)
	return nil
}

func (s *taken) authenticate() error {
	if s.RefuseExternal {
		_ = s.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure></stream:stream>")
		return errEnd
	}
	s.authed, s.decoder = true, xml.NewDecoder(s.conn)
	return s.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
}

func (s *taken) result(from, to string) error {
	if s.TLSRequired && !s.secure {
		_ = s.send("<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Use of STARTTLS required</text></stream:error></stream:stream>")
		return errEnd
	}
	var key string
	if token, err := s.decoder.RawToken(); err == nil {
		if text, ok := token.(xml.CharData); ok {
			key = string(text)
		}
	}
	if s.Ask {
		if err := s.ask(from, key); err != nil {
			return err
		}
	}
	switch s.Dialback {
	case "":
		return nil
	case "error":
		return s.send("<db:result from='%s' to='%s' type='error'><error type='cancel'>"+
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>", to, from)
	}
	return s.send("<db:result from='%s' to='%s' type='%s'/>", to, from, s.Dialback)
}

// ask verifies a key with the server that is to have made it.
func (s *taken) ask(from, key string) error {
	attempt := Attempt{From: s.Domain, To: from, Certificate: s.Certificate, Legacy: s.Legacy, Plain: !s.secure}
	stream, err := attempt.connect()
	if err != nil {
		return err
	}
	defer stream.Close()
	return stream.exchange(fmt.Sprintf("<db:verify from='%s' to='%s' id='%s'>%s</db:verify>", s.Domain, from, s.id, key), "type='valid'")
}
