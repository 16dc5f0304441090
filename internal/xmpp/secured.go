// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/tls"
	"net"
)

// DirectProtocol is the ALPN identifier of a direct TLS stream between servers (XEP-0368 section 2.2).
const DirectProtocol = "xmpp-server"

// OpenDirect makes a TLS handshake over conn at once and opens a stream within (XEP-0368). The state is that of the
// handshake, also when the stream fails after it. On error conn is closed.
func OpenDirect(ctx context.Context, conn net.Conn, names Names, config *tls.Config) (*Stream, tls.ConnectionState, error) {
	s := &Stream{conn: conn, names: names, reader: newReader(conn), pending: true}
	state, err := s.encrypt(ctx, config)
	if err == nil {
		err = s.Restart(ctx)
	}
	if err != nil {
		_ = conn.Close() // the error that matters is the one at hand
		return nil, state, err
	}
	return s, state, nil
}

// encrypt makes the handshake.
func (s *Stream) encrypt(ctx context.Context, config *tls.Config) (tls.ConnectionState, error) {
	config = config.Clone()
	switch {
	case s.names.Unnamed:
		config.ServerName = ""
	case config.ServerName == "":
		config.ServerName = s.names.To
	}
	secured := tls.Client(s.conn, config)
	s.conn = secured
	s.reader.stage = StageHandshake
	err := s.during(ctx, func() error {
		if err := secured.HandshakeContext(ctx); err != nil {
			return &ConnectionError{Stage: StageHandshake, Err: err}
		}
		return nil
	})
	return secured.ConnectionState(), err
}

// Restart opens the stream anew after TLS or after a proof (RFC 6120 sections 5.4.3.3 and 6.4.6): Header and Features
// become those of the new stream.
func (s *Stream) Restart(ctx context.Context) error {
	s.reader = s.reader.anew(s.conn)
	s.Header, s.Features, s.pending = Header{}, Features{}, false
	return s.during(ctx, s.open)
}
