// SPDX-License-Identifier: Apache-2.0

// Package checktest is a small world for tests and measurements of checks: DNS servers and XMPP servers on loopback that
// speak the real wire, each with the faults that it is told to have.
package checktest

import (
	"cmp"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// idle is how long a server waits for a peer.
const idle = 30 * time.Second

// Server is an XMPP server, as far as other servers see it before they are authenticated.
type Server struct {
	// Hosts are the domains that it serves.
	Hosts []string
	// Certificate that it shows; nil: it offers no encryption. Unnamed is the one for those who name no server.
	Certificate, Unnamed *tls.Certificate
	// Newest is the newest version of TLS that it speaks; zero: the newest there is.
	Newest uint16
	// DialbackSecret makes its keys; empty: it offers no dialback.
	DialbackSecret string
	// AsksForCertificate is set for servers that take certificates as proof.
	AsksForCertificate bool
	// Direct is set for a port that speaks TLS at once.
	Direct bool
	// Address to listen at (host:port); empty: any free port of loopback.
	Address string

	listener net.Listener
	all      sync.WaitGroup
}

// Start listens and serves until Stop. It returns the address.
func (s *Server) Start() (string, error) {
	var err error
	if s.listener, err = net.Listen("tcp", cmp.Or(s.Address, "127.0.0.1:0")); err != nil {
		return "", err
	}
	s.all.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() {
				defer func() { _ = conn.Close() }()
				s.serve(conn)
			})
		}
	})
	return s.listener.Addr().String(), nil
}

// Stop ends it, and waits for its connections to end.
func (s *Server) Stop() {
	_ = s.listener.Close() // closing twice is no problem
	s.all.Wait()
}

func (s *Server) serve(conn net.Conn) {
	if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
		return
	}
	secure := s.Direct
	if secure {
		conn = tls.Server(conn, s.config())
	}
	for s.stream(conn, secure) && !secure {
		conn, secure = tls.Server(conn, s.config()), true
	}
}

func (s *Server) config() *tls.Config {
	config := &tls.Config{ //nolint:gosec // old servers are there to be found
		MinVersion: tls.VersionTLS10, MaxVersion: s.Newest, NextProtos: []string{xmpp.DirectProtocol},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "" && s.Unnamed != nil {
				return s.Unnamed, nil
			}
			return s.Certificate, nil
		},
	}
	if s.AsksForCertificate {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// stream serves one stream. It is true when STARTTLS follows.
func (s *Server) stream(conn net.Conn, secure bool) bool {
	decoder := xml.NewDecoder(conn)
	to, err := readHeader(decoder)
	if err != nil {
		return false
	}
	const id = "s1"
	say(conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "+
		"xmlns:stream='http://etherx.jabber.org/streams' id='%s' from='%s' version='1.0'>", id, to)
	if !slices.Contains(s.Hosts, to) {
		say(conn, "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return false
	}
	say(conn, "<stream:features>%s</stream:features>", s.features(secure))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
			continue
		case start.Name.Local == "starttls" && !secure && s.Certificate != nil:
			say(conn, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			return decoder.Skip() == nil
		case start.Name == xml.Name{Space: "jabber:server:dialback", Local: "verify"}:
			if !s.verify(conn, decoder, start) {
				return false
			}
		default:
			say(conn, "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
			return false
		}
	}
}

func (s *Server) features(secure bool) string {
	offered := ""
	if !secure && s.Certificate != nil {
		offered += "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
	}
	if secure && s.DialbackSecret != "" {
		offered += "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
	}
	return offered
}

// verify answers for a dialback key (XEP-0220 section 2.1.2).
func (s *Server) verify(conn net.Conn, decoder *xml.Decoder, start xml.StartElement) bool {
	var key struct {
		From string `xml:"from,attr"`
		To   string `xml:"to,attr"`
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	}
	if err := decoder.DecodeElement(&key, &start); err != nil {
		return false
	}
	answer := "invalid"
	if xmpp.NewKey(s.DialbackSecret, key.From, key.To, key.ID).Value == key.Text {
		answer = "valid"
	}
	say(conn, "<db:verify from='%s' to='%s' id='%s' type='%s'/>", key.To, key.From, key.ID, answer)
	return true
}

func readHeader(decoder *xml.Decoder) (to string, err error) {
	for {
		token, err := decoder.Token()
		if err != nil {
			return "", err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, attr := range start.Attr {
			if attr.Name.Local == "to" {
				return attr.Value, nil
			}
		}
		return "", errors.New("the stream is to nobody")
	}
}

func say(conn net.Conn, format string, args ...any) {
	_, _ = io.WriteString(conn, fmt.Sprintf(format, args...)) // the peer may have gone
}
