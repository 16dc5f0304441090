// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

const (
	// maxConnections limits the connections that are open at a time, of clients and of peers.
	maxConnections = 256
	// maxQueue limits the stanzas that wait for one client or one peer.
	maxQueue = 256
)

// faults are what the partner gets wrong on purpose, besides what is in policy.
type faults struct {
	// requiresTLS: nothing is said to servers without it. As the server has no TLS, that is nothing at all.
	requiresTLS bool
	// bareHeaders: stream headers to servers name no domain, as RFC 3920 section 8.3 allows.
	bareHeaders bool
}

// server is the whole of it: the account, its clients, and the connections to other domains.
type server struct {
	policy
	faults
	user, password string
	tls            *tls.Config
	// sources are the addresses that connections to other servers come from, in turn.
	sources []netip.Addr
	turn    atomic.Uint32
	// lookup finds the addresses of a domain's servers, best first.
	lookup func(ctx context.Context, domain string) ([]string, error)
	log    *slog.Logger

	// mu keeps stanzas in order. Nothing waits while it is held.
	mu      sync.Mutex
	account *account
	clients map[string]outbox
	peers   map[string]outbox
}

// outbox holds the stanzas that wait for one client or one peer.
type outbox chan *element

// dispatch sends what the account decided on. The caller holds mu.
func (s *server) dispatch(ctx context.Context, parcels []parcel) {
	for _, p := range parcels {
		if p.resource == "" {
			s.toPeer(ctx, p.stanza)
			continue
		}
		box, online := s.clients[p.resource]
		if !online {
			continue
		}
		select {
		case box <- p.stanza:
		default: // the client takes nothing, so it loses its session
			close(box)
			delete(s.clients, p.resource)
		}
	}
}

// toPeer queues a stanza for another domain; the first opens a stream. The caller holds mu.
func (s *server) toPeer(ctx context.Context, e *element) {
	domain := domainOf(e.attr("to"))
	box, open := s.peers[domain]
	if !open {
		box = make(outbox, maxQueue)
		s.peers[domain] = box
		go s.serveOutgoing(ctx, domain, box)
	}
	select {
	case box <- e:
	default:
		s.bounce(ctx, e, "resource-constraint", "too many stanzas wait for "+domain)
	}
}

// bounce tells the sender that a stanza can't be delivered. The caller holds mu.
func (s *server) bounce(ctx context.Context, e *element, condition, text string) {
	if failure := errorReply(e, "wait", condition, text); failure != nil {
		s.dispatch(ctx, s.account.receive(failure))
	}
}

// fromPeer takes a stanza that is proven to come from where it says.
func (s *server) fromPeer(ctx context.Context, e *element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatch(ctx, s.account.receive(e))
}

// listen serves connections to an address, see accept.
func (s *server) listen(ctx context.Context, address string, slots chan struct{}, serve func(context.Context, net.Conn) error) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	return s.accept(ctx, listener, slots, serve)
}

// accept serves connections until the context ends, each in a goroutine of its own, and no more at a time than slots.
func (s *server) accept(
	ctx context.Context, listener net.Listener, slots chan struct{}, serve func(context.Context, net.Conn) error,
) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections: %w", err)
		}
		select {
		case slots <- struct{}{}:
			go func() {
				defer func() { <-slots }()
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				if err := serve(ctx, conn); err != nil && ctx.Err() == nil {
					s.log.Info("stream ended", "from", conn.RemoteAddr().String(), "reason", err.Error())
				}
			}()
		default:
			conn.Close()
		}
	}
}
