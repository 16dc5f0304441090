// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
)

// serveIncoming serves a stream that another server opens. Only that server's stanzas travel on it; the answers go by a
// stream of our own.
func (s *server) serveIncoming(ctx context.Context, conn net.Conn) (err error) {
	st := newStream(conn, nsServer)
	defer func() { st.end(err) }()
	d := dialback{policy: s.policy, id: rand.Text()}
	header, headerErr := st.readHeader()
	to := s.domain
	if header != nil && s.serves(domainOf(header.attr("to"))) {
		to = header.attr("to")
	}
	// No version: what follows are no features, and no TLS (RFC 6120 section 4.7.5).
	if err := st.open("id", d.id, "from", to); err != nil {
		return err
	}
	switch {
	case headerErr != nil:
		return headerErr
	case header.attr("to") != "" && !s.serves(domainOf(header.attr("to"))):
		return &streamError{condition: "host-unknown"}
	case s.requiresTLS:
		return &streamError{condition: "policy-violation", text: "TLS is required"}
	}
	for {
		limit := negotiationTime
		if len(d.verified) > 0 {
			limit = idleTime
		}
		e, err := st.read(limit)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.take(ctx, st, &d, e); err != nil {
			return err
		}
	}
}

// take does what is to be done about one element.
func (s *server) take(ctx context.Context, st *stream, d *dialback, e *element) error {
	step := d.receive(e)
	switch {
	case step.end != nil:
		return step.end
	case step.stanza != nil:
		s.fromPeer(ctx, step.stanza)
		return nil
	case step.verify != nil:
		valid, err := s.verify(ctx, *step.verify)
		if err != nil {
			return &streamError{condition: "remote-connection-failed", text: fmt.Sprintf("verifying %s: %v", step.verify.from, err)}
		}
		step.reply = d.settle(*step.verify, valid)
	}
	s.log.Info("answered dialback", "element", step.reply.XMLName.Local, "to", step.reply.attr("to"), "type", step.reply.attr("type"))
	return st.write(step.reply)
}

// verify asks the authoritative server of the domain that a peer claims to be, over a connection of its own (XEP-0220
// section 2.2). The stream's id comes back, so that an answer to something else is not taken for one to this.
func (s *server) verify(ctx context.Context, c claim) (valid bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	st, _, err := s.connect(ctx, c.to, c.from)
	if err != nil {
		return false, err
	}
	defer func() { st.end(nil) }()
	defer context.AfterFunc(ctx, func() { st.conn.Close() })()
	if err := st.write(el(nsDialback, "verify", "from", c.to, "to", c.from, "id", c.id).says(c.key)); err != nil {
		return false, err
	}
	for {
		e, err := st.read(negotiationTime)
		if err != nil {
			return false, err
		}
		if e.is(nsDialback, "verify") && e.attr("id") == c.id && domainOf(e.attr("from")) == c.from {
			return e.attr("type") == "valid", nil
		}
	}
}
