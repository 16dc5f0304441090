// SPDX-License-Identifier: Apache-2.0

// Package xmpp speaks as much of XMPP between servers (RFC 6120, XEP-0220, XEP-0368) as checks need: open a stream, read
// header and features, start TLS, ask whether a dialback key is genuine, close. It sends no stanza, and proves no domain:
// only its server can.
//
// The peer is not trusted: whatever it sends, reading ends after 256 KiB or at the deadline, whichever comes first, and
// holds no more than a few KiB.
package xmpp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const (
	// maxDuration limits each step of a stream when the context sets no earlier deadline.
	maxDuration = 30 * time.Second
	// closeDuration is how long saying goodbye may take.
	closeDuration = time.Second
)

// Names are the addresses of a stream.
type Names struct {
	// To is the domain that the peer should serve.
	To string
	// From is ours, or empty for a stream that claims no identity. A checker that is not the server of a domain must
	// not claim that domain: a server refuses strangers who say they are itself.
	From string
	// Unnamed leaves the server name out of TLS handshakes (RFC 6066 section 3), as old servers do.
	Unnamed bool
}

// Stream is an open stream, from us to the peer.
type Stream struct {
	// Header and Features are the peer's. Features are empty for a peer older than XMPP 1.0.
	Header   Header
	Features Features

	conn   net.Conn
	names  Names
	reader *reader
	// encrypted and not yet opened anew: there is no stream to say goodbye to.
	pending bool
}

// Open opens a stream over conn and reads the peer's header and features. Errors are of the types in this package. On
// error conn is closed.
func Open(ctx context.Context, conn net.Conn, names Names) (*Stream, error) {
	s := &Stream{conn: conn, names: names, reader: newReader(conn)}
	if err := s.during(ctx, s.open); err != nil {
		_ = conn.Close() // the error that matters is the one at hand
		return nil, err
	}
	return s, nil
}

func (s *Stream) open() (err error) {
	if err := s.send(openingTag(s.names)); err != nil {
		return err
	}
	if s.Header, err = s.reader.header(); err != nil {
		return err
	}
	if !s.Header.Modern() {
		return nil
	}
	s.Features, err = s.reader.features()
	return err
}

// Objection waits until the context ends for a peer older than XMPP 1.0 to refuse the stream after its header, and gives
// what it refuses it with. Nil means that it does not. A later peer has spoken by its features, so nothing is waited for.
func (s *Stream) Objection(ctx context.Context) error {
	if s.Header.Modern() {
		return nil
	}
	err := s.during(ctx, func() error {
		s.reader.stage = StageFeatures
		_, err := s.reader.child()
		return err
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// StartTLS asks the peer for encryption and makes the handshake (RFC 6120 section 5.4). An empty ServerName of config
// becomes the domain that the stream is opened to, which is what section 5.4.3.1 asks to send and to verify. Restart
// opens the encrypted stream.
func (s *Stream) StartTLS(ctx context.Context, config *tls.Config) (tls.ConnectionState, error) {
	err := s.during(ctx, func() error {
		s.reader.stage = StageNegotiation
		if err := s.send("<starttls xmlns='" + nsTLS + "'/>"); err != nil {
			return err
		}
		return s.reader.proceed()
	})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	s.pending = true
	return s.encrypt(ctx, config)
}

// Close ends the stream politely and closes the connection, without waiting for the peer.
func (s *Stream) Close() {
	// Neither the goodbye nor the end of a connection that is no longer wanted can fail in a way that matters.
	_ = s.conn.SetDeadline(time.Now().Add(closeDuration))
	if !s.pending {
		_, _ = s.conn.Write([]byte("</stream:stream>"))
	}
	_ = s.conn.Close()
}

// during runs step under the context: its deadline and its end become the connection's.
func (s *Stream) during(ctx context.Context, step func() error) error {
	deadline := time.Now().Add(maxDuration)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	conn := s.conn
	if err := conn.SetDeadline(deadline); err != nil {
		return &ConnectionError{Stage: s.reader.stage, Err: err}
	}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // wakes the step; fails only when conn is closed, which does the same
	})
	defer stop()
	err := step()
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return &ConnectionError{Stage: s.reader.stage, Err: ctx.Err()}
	}
	return err
}

func (s *Stream) send(text string) error {
	if _, err := s.conn.Write([]byte(text)); err != nil {
		return &ConnectionError{Stage: s.reader.stage, Err: err}
	}
	return nil
}

// openingTag is the header that starts a stream between servers (RFC 6120 section 4.7, XEP-0220 section 2.1.1).
func openingTag(names Names) string {
	from := ""
	if names.From != "" {
		from = fmt.Sprintf(" from='%s'", escape(names.From))
	}
	return fmt.Sprintf("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' xmlns:db='%s'%s to='%s' version='1.0'>",
		nsServer, nsStream, nsDialback, from, escape(names.To))
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes every write
	return b.String()
}
