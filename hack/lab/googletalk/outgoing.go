// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errDenied is the peer's answer that we are not who we say.
var errDenied = errors.New("unexpected dialback response")

// serveOutgoing opens the stream to a domain, proves who we are, and sends what waits, until nothing comes for a while or
// the stream ends. What can't be sent goes back.
func (s *server) serveOutgoing(ctx context.Context, domain string, box outbox) {
	var unsent *element
	st, err := s.authenticate(ctx, domain)
	if err == nil {
		s.log.Info("authenticated by dialback", "to", domain)
		unsent, err = pump(ctx, st, box)
		st.end(nil)
	}
	s.log.Info("stream to a peer ended", "to", domain, "reason", fmt.Sprint(err))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, domain)
	condition := "remote-server-timeout"
	if dns := (&net.DNSError{}); errors.As(err, &dns) {
		condition = "remote-server-not-found"
	}
	for ; unsent != nil || len(box) > 0; unsent = nil {
		if unsent == nil {
			unsent = <-box
		}
		s.bounce(ctx, unsent, condition, fmt.Sprintf("reaching %s: %v", domain, err))
	}
}

// authenticate is the originating server's side of dialback (XEP-0220 section 2.1).
func (s *server) authenticate(ctx context.Context, domain string) (*stream, error) {
	switch {
	case s.requiresTLS:
		return nil, errors.New("TLS is required")
	case slices.Contains(s.refused, domain):
		return nil, errors.New("refused by policy")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*negotiationTime) // in which the peer has to ask our own server
	defer cancel()
	st, id, err := s.connect(ctx, s.domain, domain)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { st.conn.Close() })()
	err = st.write(el(nsDialback, "result", "from", s.domain, "to", domain).says(s.key(domain, s.domain, id)))
	for err == nil {
		var e *element
		if e, err = st.read(2 * negotiationTime); err != nil || !e.is(nsDialback, "result") {
			continue
		}
		if e.attr("type") == "valid" {
			return st, nil
		}
		err = fmt.Errorf("%w: type %q", errDenied, e.attr("type"))
	}
	st.end(err)
	return nil, err
}

// pump sends what waits, and gives the stanza that it could not send. Nothing but the end is expected from the peer.
func pump(ctx context.Context, st *stream, box outbox) (unsent *element, err error) {
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := st.read(2 * idleTime); err != nil {
				ended <- err
				return
			}
		}
	}()
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		select {
		case e := <-box:
			idle.Reset(idleTime)
			if err := st.write(e); err != nil {
				return e, err
			}
		case err := <-ended:
			return nil, err
		case <-idle.C:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// connect opens a stream to one of a domain's servers, and gives the id it has there. It does not care what the server
// offers: all it knows is dialback.
func (s *server) connect(ctx context.Context, from, domain string) (st *stream, id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	addresses, err := s.lookup(ctx, domain)
	if err != nil {
		return nil, "", fmt.Errorf("looking up %s: %w", domain, err)
	}
	for _, address := range addresses {
		var conn net.Conn
		if conn, err = s.dial(ctx, address); err != nil {
			continue
		}
		st = newStream(conn, nsServer)
		if id, err = s.greet(st, from, domain); err == nil {
			return st, id, nil
		}
		st.end(err)
	}
	return nil, "", err
}

// dial connects from the next of the source addresses.
func (s *server) dial(ctx context.Context, address string) (net.Conn, error) {
	keepAlive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
	dialer := &net.Dialer{Timeout: dialTime, KeepAliveConfig: keepAlive}
	if len(s.sources) > 0 {
		source := s.sources[int(s.turn.Add(1))%len(s.sources)]
		dialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	return dialer.DialContext(ctx, "tcp", address)
}

func (s *server) greet(st *stream, from, to string) (id string, err error) {
	if s.bareHeaders {
		from, to = "", ""
	}
	if err := st.open("from", from, "to", to); err != nil {
		return "", err
	}
	header, err := st.readHeader()
	if err != nil {
		return "", err
	}
	if header.attr("id") == "" {
		return "", errors.New("the peer's stream has no id")
	}
	return header.attr("id"), nil
}

// lookupServers finds the servers of a domain (RFC 6120 section 3.2.1).
func lookupServers(ctx context.Context, domain string) ([]string, error) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "xmpp-server", "tcp", domain+".") // no search list
	if dns := (&net.DNSError{}); errors.As(err, &dns) && dns.IsNotFound {
		return []string{net.JoinHostPort(domain+".", "5269")}, nil
	}
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, r := range records {
		addresses = append(addresses, net.JoinHostPort(strings.TrimSuffix(r.Target, ".")+".", strconv.Itoa(int(r.Port))))
	}
	if len(addresses) == 0 {
		return nil, &net.DNSError{Err: "no usable service record", Name: domain, IsNotFound: true}
	}
	return addresses, nil
}
