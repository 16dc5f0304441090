// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// silent takes connections and says nothing on them.
func silent(ctx context.Context, target Target) (netip.AddrPort, error) {
	return listen(ctx, target, func(net.Conn) {})
}

// listen calls serve for every connection, which is closed when ctx is done.
func listen(ctx context.Context, target Target, serve func(net.Conn)) (netip.AddrPort, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(target.Addresses[0], 0).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			go serve(conn)
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String()), nil
}

// host is a server of any number of domains that takes streams as it should, calls every key of dialback valid and counts the
// stanzas of each domain.
type host struct {
	issue func(names ...string) tls.Certificate
	// bidi has streams go both ways; opened gets those that are ready then.
	bidi   bool
	opened chan *stream

	mu      sync.Mutex
	stanzas map[string]int // domain -> number
}

func (h *host) served() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.stanzas)
}

// await returns when that many domains were sent something, but after the given time at the latest.
func (h *host) await(ctx context.Context, domains int, limit time.Duration) {
	for end := time.Now().Add(limit); h.served() < domains && time.Now().Before(end) && ctx.Err() == nil; {
		<-until(ctx, pace)
	}
}

// guest is a stream that a host has taken.
type guest struct {
	*host
	conn           net.Conn
	decoder        *xml.Decoder
	domain         string
	secure, authed bool
}

func (h *host) serve(conn net.Conn) {
	g := &guest{host: h, conn: conn, decoder: xml.NewDecoder(conn)}
	defer func() { _ = g.conn.Close() }()
	for {
		token, err := g.decoder.RawToken()
		if err != nil {
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if err := g.handle(start); err != nil {
			return
		}
	}
}

func (g *guest) handle(start xml.StartElement) error {
	attr := map[string]string{}
	for _, a := range start.Attr {
		attr[a.Name.Local] = a.Value
	}
	switch start.Name.Local {
	case "stream":
		g.domain = attr["to"]
		return g.greet(attr["from"])
	case "starttls":
		return g.encrypt()
	case "auth":
		g.authed, g.decoder = true, xml.NewDecoder(g.conn)
		_, err := io.WriteString(g.conn, "<success "+nsSASL+"/>")
		return err
	case "result":
		_, err := fmt.Fprintf(g.conn, "<db:result from='%s' to='%s' type='valid'/>", attr["to"], attr["from"])
		return err
	case "verify":
		_, err := fmt.Fprintf(g.conn, "<db:verify from='%s' to='%s' id='%s' type='valid'/>", attr["to"], attr["from"], attr["id"])
		return err
	case "message", "presence", "iq":
		g.mu.Lock()
		g.stanzas[g.domain]++
		g.mu.Unlock()
	}
	return nil
}

func (g *guest) greet(to string) error {
	features := ""
	switch {
	case !g.secure:
		features = "<starttls " + nsTLS + "/><dialback xmlns='urn:xmpp:features:dialback'/>"
	case !g.authed:
		features = "<mechanisms " + nsSASL + "><mechanism>EXTERNAL</mechanism></mechanisms>" +
			"<dialback xmlns='urn:xmpp:features:dialback'/>"
		if g.bidi {
			features += "<bidi xmlns='urn:xmpp:features:bidi'/>"
		}
	}
	_, err := fmt.Fprintf(g.conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "+
		"xmlns:stream='http://etherx.jabber.org/streams' id='%p' from='%s' to='%s' version='1.0'>"+
		"<stream:features>%s</stream:features>", g, g.domain, to, features)
	if err == nil && g.authed && g.bidi {
		g.opened <- &stream{Conn: g.conn}
	}
	return err
}

func (g *guest) encrypt() error {
	if _, err := io.WriteString(g.conn, "<proceed "+nsTLS+"/>"); err != nil {
		return err
	}
	encrypted := tls.Server(g.conn, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{g.issue(g.domain)}, ClientAuth: tls.RequestClientCert,
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return err
	}
	g.conn, g.secure, g.decoder = encrypted, true, xml.NewDecoder(encrypted)
	return nil
}
