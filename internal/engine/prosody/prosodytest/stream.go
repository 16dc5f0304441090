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
)

// Stream is an XMPP stream (RFC 6120) reduced to text: what is sent is written
// as it is, what is expected is looked for in what arrives.
type Stream struct {
	conn   net.Conn
	unread string
	header string
}

// PeerSerial returns the serial number, in hexadecimal, of the certificate the server showed.
func (s *Stream) PeerSerial() string {
	state := s.conn.(*tls.Conn).ConnectionState()
	return fmt.Sprintf("%X", state.PeerCertificates[0].SerialNumber)
}

// Close ends the connection.
func (s *Stream) Close() { _ = s.conn.Close() }

// Send writes text.
func (s *Stream) Send(text string) error {
	_, err := s.conn.Write([]byte(text))
	return err
}

// Expect reads until one of texts has arrived and returns everything up to its
// end. It fails when the stream ends or 10 seconds have passed.
func (s *Stream) Expect(texts ...string) (string, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	buffer := make([]byte, 4096)
	for {
		for _, text := range texts {
			if before, after, found := strings.Cut(s.unread, text); found {
				s.unread = after
				return before + text, nil
			}
		}
		n, err := s.conn.Read(buffer)
		s.unread += string(buffer[:n])
		if n == 0 && err != nil {
			return "", fmt.Errorf("expecting %q, got %q: %w", texts, s.unread, err)
		}
	}
}

// exchange sends text and expects answer, or else fails with what came instead.
func (s *Stream) exchange(text, answer string) error {
	if err := s.Send(text); err != nil {
		return err
	}
	got, err := s.Expect(answer, "</stream:error>", "</failure>", "</stream:stream>")
	if err == nil && !strings.HasSuffix(got, answer) {
		err = fmt.Errorf("expecting %q, got %q", answer, got)
	}
	return err
}

// open connects to port and opens a stream that is encrypted with STARTTLS.
func open(port int32, header string, config *tls.Config) (*Stream, error) {
	return openFrom(net.Dialer{}, port, header, config)
}

// openFrom is open with a dialer, which may have a source address.
func openFrom(dialer net.Dialer, port int32, header string, config *tls.Config) (*Stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	s := &Stream{conn: conn, header: header}
	err = s.exchange(header, "</stream:features>")
	if err == nil {
		err = s.exchange(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, "<proceed")
	}
	if err == nil {
		encrypted := tls.Client(conn, config)
		if err = encrypted.HandshakeContext(ctx); err == nil {
			s.conn, s.unread = encrypted, ""
			err = s.exchange(header, "</stream:features>")
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// openDirect connects to port and opens a stream within TLS (XEP-0368).
func openDirect(port int32, header string, config *tls.Config) (*Stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	s := &Stream{conn: conn, header: header}
	if err := s.exchange(header, "</stream:features>"); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openClient opens a client's stream that is not authenticated yet.
func openClient(port int32, domain string) (*Stream, error) {
	return open(port, clientHeader(domain), &tls.Config{InsecureSkipVerify: true})
}

func clientHeader(domain string) string {
	return "<stream:stream xmlns='jabber:client' " +
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + domain + "'>"
}

// Login opens a client's stream with SASL PLAIN and binds a resource.
func Login(port int32, domain, localpart, password string) (*Stream, error) {
	s, err := openClient(port, domain)
	if err != nil {
		return nil, err
	}
	return s.authenticate(localpart, password)
}

// LoginDirect is Login by direct TLS (XEP-0368).
func LoginDirect(port int32, domain, localpart, password string) (*Stream, error) {
	config := &tls.Config{InsecureSkipVerify: true, ServerName: domain, NextProtos: []string{"xmpp-client"}}
	s, err := openDirect(port, clientHeader(domain), config)
	if err != nil {
		return nil, err
	}
	return s.authenticate(localpart, password)
}

func (s *Stream) authenticate(localpart, password string) (*Stream, error) {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + localpart + "\x00" + password))
	err := s.exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+secret+"</auth>", "<success")
	if err == nil {
		err = s.exchange(s.header, "</stream:features>")
	}
	if err == nil {
		err = s.exchange("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</jid>")
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Ping asks a client's own server and waits for the answer (XEP-0199).
func (s *Stream) Ping(domain string) error {
	return s.exchange("<iq type='get' id='p' to='"+domain+"'><ping xmlns='urn:xmpp:ping'/></iq>", "type='result'")
}

// Federate opens a server's stream from remote to local and authenticates with
// SASL EXTERNAL by the certificate (XEP-0178).
func Federate(port int32, remote, local string, certificate tls.Certificate) (*Stream, error) {
	header := "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " +
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='" + remote + "' to='" + local + "'>"
	s, err := open(port, header, &tls.Config{
		InsecureSkipVerify: true,
		Certificates:       []tls.Certificate{certificate},
	})
	if err != nil {
		return nil, err
	}
	name := base64.StdEncoding.EncodeToString([]byte(remote))
	err = s.exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>"+name+"</auth>", "<success")
	if err == nil {
		err = s.exchange(header, "</stream:features>")
	}
	if err == nil {
		err = s.exchange("<enable xmlns='urn:xmpp:sm:3'/>", "<enabled")
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Ack asks for an acknowledgement on a server's stream (XEP-0198), which is
// answered on the same stream and so shows that it is alive.
func (s *Stream) Ack() error {
	return s.exchange("<r xmlns='urn:xmpp:sm:3'/>", "<a ")
}
