// SPDX-License-Identifier: Apache-2.0

// Command googletalk is an XMPP server that federates as GoogleTalk did: it offers no encryption, sends stream headers
// without a version and so has no features, and knows no proof of identity but server dialback (XEP-0220, RFC 3920
// section 8). It verifies from other addresses than the one it listens on, and never sends stanzas on a stream that a
// peer opened. It has one user, whose clients it serves as far as two people need to find each other and talk. Nothing
// is kept over a restart.
//
// Flags make it fail in ways that partners fail: see -hosts, -refuses, -requires-tls, -bare-headers.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mellium.im/xmpp/jid"
)

// options of the command line that are not the server's own.
type options struct {
	peers, clients, certificate, key, sources, hosts, refuses string
}

func main() {
	o := options{}
	s := &server{lookup: lookupServers, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flag.StringVar(&s.domain, "domain", "talk.example", "XMPP domain")
	flag.StringVar(&s.user, "user", "gina", "the user's name, without domain")
	flag.StringVar(&s.password, "password", "", "the user's password")
	flag.StringVar(&o.peers, "peers", ":5269", "address to listen on for servers")
	flag.StringVar(&o.clients, "clients", ":5222", "address to listen on for clients")
	flag.StringVar(&o.certificate, "certificate", "", "PEM file, shown to clients only")
	flag.StringVar(&o.key, "key", "", "PEM file of the certificate's key")
	flag.StringVar(&o.sources, "sources", "", "addresses to connect to servers from, in turn, separated by commas")
	flag.StringVar(&o.hosts, "hosts", "", "domains, separated by commas, that are hosted here by mistake")
	flag.StringVar(&o.refuses, "refuses", "", "domains, separated by commas, that are refused")
	flag.BoolVar(&s.requiresTLS, "requires-tls", false, "turn away servers for want of TLS")
	flag.BoolVar(&s.bareHeaders, "bare-headers", false, "name no domain in the headers of streams to servers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, s, o); err != nil {
		fmt.Fprintln(os.Stderr, "googletalk:", err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, s *server, o options) error {
	if err := s.configure(o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots, ended := make(chan struct{}, maxConnections), make(chan error, 2)
	go func() { ended <- s.listen(ctx, o.peers, slots, s.serveIncoming) }()
	go func() { ended <- s.listen(ctx, o.clients, slots, s.serveClient) }()
	err := <-ended
	cancel()
	return errors.Join(err, <-ended)
}

// configure completes the server from the options.
func (s *server) configure(o options) error {
	certificate, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	s.claimed, s.refused = split(o.hosts), split(o.refuses)
	for _, text := range split(o.sources) {
		source, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("reading the source addresses: %w", err)
		}
		s.sources = append(s.sources, source)
	}
	bare, err := jid.New(s.user, s.domain, "")
	if err != nil {
		return fmt.Errorf("reading the user's name: %w", err)
	}
	s.init(bare)
	return nil
}

// init makes what changes while the server runs.
func (s *server) init(bare jid.JID) {
	s.secret = rand.Text()
	s.account = newAccount(bare, s.serves)
	s.clients, s.peers = map[string]outbox{}, map[string]outbox{}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
