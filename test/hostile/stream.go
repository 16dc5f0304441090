// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const (
	nsSASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	nsTLS  = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
	// patience bounds the wait for an answer of the server.
	patience = 10 * time.Second
	// nothing is what no server sends, to wait for the end of a stream.
	nothing = "\x00"
)

// stream is one that we opened, reduced to text.
type stream struct {
	net.Conn
	unread string
}

func dial(ctx context.Context, address string) (*stream, error) {
	return dialFrom(ctx, address, netip.Addr{})
}

// dialFrom connects from source, or from any address if it is the zero value.
func dialFrom(ctx context.Context, address string, source netip.Addr) (*stream, error) {
	dialer := net.Dialer{Timeout: patience}
	if source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &stream{Conn: conn}, nil
}

func (s *stream) send(format string, args ...any) error {
	if err := s.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Conn, format, args...)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{end: fmt.Errorf("connection ended: %w", err)}
	}
	return err
}

// flood sends text again and again, as fast as the other side takes it, until the stream ends or ctx is done.
func (s *stream) flood(ctx context.Context, text string) {
	if s.SetWriteDeadline(time.Time{}) != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	for {
		if _, err := io.WriteString(s.Conn, text); err != nil {
			return
		}
	}
}

// expect reads until text has arrived and returns everything up to its end. It returns a *refusal if the server says no or ends
// the stream.
func (s *stream) expect(text string) (string, error) { return s.expectWithin(patience, text) }

// expectWithin is expect with a time after which it gives up.
func (s *stream) expectWithin(limit time.Duration, text string) (string, error) {
	if err := s.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	buffer := make([]byte, 8192)
	for {
		if before, after, found := strings.Cut(s.unread, text); found {
			s.unread = after
			return before + text, nil
		}
		if isNo.MatchString(s.unread) {
			return "", &refusal{answer: s.unread}
		}
		n, err := s.Read(buffer)
		s.unread += string(buffer[:n])
		if n > 0 || err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", fmt.Errorf("expecting %q, got %.300q: %w", text, s.unread, err)
		}
		return "", &refusal{answer: s.unread, end: fmt.Errorf("connection ended: %w", err)}
	}
}

// exchange sends text and expects answer. A stream that ended meanwhile may have left an answer that says why.
func (s *stream) exchange(text, answer string) error {
	err := s.send("%s", text)
	if _, ended := errors.AsType[*refusal](err); err != nil && !ended {
		return err
	}
	_, err = s.expect(answer)
	return err
}

// starttls opens the stream with header and again within TLS.
func (s *stream) starttls(ctx context.Context, header string, certificate *tls.Certificate) error {
	if err := s.exchange(header, "</stream:features>"); err != nil {
		return err
	}
	if err := s.exchange("<starttls "+nsTLS+"/>", "<proceed "); err != nil {
		return err
	}
	if err := s.encrypt(ctx, "", certificate); err != nil {
		return err
	}
	return s.exchange(header, "</stream:features>")
}

// encrypt does the TLS handshake. With a name it is one of direct TLS (XEP-0368), which sends the name as SNI.
func (s *stream) encrypt(ctx context.Context, name string, certificate *tls.Certificate) error {
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server is the one to be attacked, whoever it is
	if name != "" {
		config.ServerName, config.NextProtos = name, []string{"xmpp-server"}
	}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	encrypted := tls.Client(s.Conn, config)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return &refusal{end: fmt.Errorf("no handshake: %w", err)}
	}
	s.Conn, s.unread = encrypted, ""
	return nil
}

func serverHeader(from, to string) string {
	return "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " +
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='" + from + "' to='" + to + "'>"
}

func clientHeader(to string) string {
	return "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + to + "'>"
}

// federate opens a bidirectional stream (XEP-0288) from the domain from and proves it by its certificate (XEP-0178).
func federate(ctx context.Context, target Target, from, to string, certificate tls.Certificate) (*stream, error) {
	s, err := dial(ctx, target.S2S)
	if err != nil {
		return nil, err
	}
	header := serverHeader(from, to)
	err = s.starttls(ctx, header, &certificate)
	if err == nil {
		err = s.send("<bidi xmlns='urn:xmpp:bidi'/>")
	}
	if err == nil {
		err = s.external(from, header)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("opening a stream from %s to %s: %w", from, to, err)
	}
	return s, nil
}

// login opens a client's stream and binds a resource.
func login(ctx context.Context, target Target, account Account) (*stream, error) {
	s, err := dial(ctx, target.C2S)
	if err != nil {
		return nil, err
	}
	header := clientHeader(target.Domain)
	err = s.starttls(ctx, header, nil)
	if err == nil {
		secret := base64.StdEncoding.EncodeToString([]byte("\x00" + account.Name + "\x00" + account.Password))
		err = s.exchange("<auth "+nsSASL+" mechanism='PLAIN'>"+secret+"</auth>", "<success")
	}
	if err == nil {
		err = s.exchange(header, "</stream:features>")
	}
	if err == nil {
		err = s.exchange("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</jid>")
	}
	if err == nil {
		err = s.send("<presence/>")
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("logging in as %s: %w", account.Name, err)
	}
	return s, nil
}
