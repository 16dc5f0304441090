// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net"
)

// client is the stream of one of the user's clients.
type client struct {
	*server
	*stream
}

// serveClient has a client encrypt, log in and bind a resource, and then serves it.
func (s *server) serveClient(ctx context.Context, conn net.Conn) (err error) {
	c := client{s, newStream(conn, nsClient)}
	defer func() { c.end(err) }()
	for _, negotiate := range []func() error{c.startTLS, c.logIn} {
		if err := negotiate(); err != nil {
			return err
		}
	}
	if err := c.restart(el(nsBind, "bind"), el(nsSession, "session")); err != nil {
		return err
	}
	request, err := c.read(negotiationTime)
	if err != nil {
		return err
	}
	bind := request.child(nsBind, "bind")
	if !request.is("", "iq") || bind == nil {
		return &streamError{condition: "not-authorized", text: "a resource must be bound first"}
	}
	wanted := ""
	if r := bind.child(nsBind, "resource"); r != nil {
		wanted = r.Text
	}
	return c.serve(ctx, request, wanted)
}

// restart opens the stream anew and offers features.
func (c client) restart(features ...*element) error {
	header, headerErr := c.readHeader()
	if err := c.open("id", rand.Text(), "from", c.domain, "version", "1.0"); err != nil {
		return err
	}
	switch {
	case headerErr != nil:
		return headerErr
	case domainOf(header.attr("to")) != c.domain:
		return &streamError{condition: "host-unknown"}
	}
	return c.write(el(nsStream, "features").with(features...))
}

// startTLS encrypts the stream; there is no way around it (RFC 6120 section 5).
func (c client) startTLS() error {
	if err := c.restart(el(nsTLS, "starttls").with(el(nsTLS, "required"))); err != nil {
		return err
	}
	e, err := c.read(negotiationTime)
	if err != nil {
		return err
	}
	if !e.is(nsTLS, "starttls") {
		return &streamError{condition: "policy-violation", text: "TLS is required"}
	}
	if err := c.write(el(nsTLS, "proceed")); err != nil {
		return err
	}
	return c.encrypt(c.tls)
}

// logIn takes one attempt at SASL PLAIN (RFC 6120 section 6, RFC 4616).
func (c client) logIn() error {
	mechanisms := el(nsSASL, "mechanisms").with(el(nsSASL, "mechanism").says("PLAIN"))
	if err := c.restart(mechanisms); err != nil {
		return err
	}
	e, err := c.read(negotiationTime)
	if err != nil {
		return err
	}
	given, _ := base64.StdEncoding.DecodeString(e.Text) // what can't be decoded is not the password either
	wanted := "\x00" + c.user + "\x00" + c.password
	if !e.is(nsSASL, "auth") || e.attr("mechanism") != "PLAIN" || subtle.ConstantTimeCompare(given, []byte(wanted)) != 1 {
		if err := c.write(el(nsSASL, "failure").with(el(nsSASL, "not-authorized"))); err != nil {
			return err
		}
		return errors.New("login refused")
	}
	return c.write(el(nsSASL, "success"))
}

// serve binds the resource and passes stanzas on in both directions.
func (c client) serve(ctx context.Context, request *element, wanted string) error {
	box := make(outbox, maxQueue)
	c.mu.Lock()
	resource := c.account.join(wanted, rand.Text())
	c.clients[resource] = box
	bound := el(nsBind, "bind").with(el(nsBind, "jid").says(c.account.full(resource)))
	box <- el("", "iq", "type", "result", "id", request.attr("id")).with(bound)
	c.mu.Unlock()
	c.log.Info("client is online", "resource", resource)
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, open := c.clients[resource]; open {
			close(box)
			delete(c.clients, resource)
		}
		c.dispatch(ctx, c.account.leave(resource))
	}()
	go c.drain(box)
	for {
		e, err := c.read(idleTime)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.dispatch(ctx, c.account.fromClient(resource, e))
		c.mu.Unlock()
	}
}

// drain writes what waits for the client until there is no more to come.
func (c client) drain(box outbox) {
	for e := range box {
		if err := c.write(e); err != nil {
			break
		}
	}
	c.conn.Close() // ends the reader too
	for range box {
	}
}
