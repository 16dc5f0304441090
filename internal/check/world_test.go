// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/pki"
)

// resolver is a real DNS server on loopback, over UDP and TCP.
type resolver struct {
	address string

	mu        sync.Mutex
	records   map[asked][]dns.RR
	rcodes    map[string]int
	authority []dns.RR
	truncate  bool
	overTCP   int
}

type asked struct {
	name string
	kind uint16
}

// startResolver serves the records, each in the form of a zone file.
func startResolver(t *testing.T, records ...string) *resolver {
	t.Helper()
	r := &resolver{records: map[asked][]dns.RR{}, rcodes: map[string]int{}}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		key := asked{rr.Header().Name, rr.Header().Rrtype}
		r.records[key] = append(r.records[key], rr)
	}
	packets, listener := listenBoth(t)
	r.address = packets.LocalAddr().String()
	for _, server := range []*dns.Server{
		{PacketConn: packets, Handler: dns.HandlerFunc(r.answer)},
		{Listener: listener, Handler: dns.HandlerFunc(r.answerTCP)},
	} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := server.ActivateAndServe(); err != nil {
				t.Errorf("serving DNS: %v", err)
			}
		}()
		<-started
		t.Cleanup(func() {
			if err := server.Shutdown(); err != nil {
				t.Errorf("stopping DNS: %v", err)
			}
			<-done
		})
	}
	return r
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		_ = packets.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// change lets the test look at or alter the server while it runs.
func (r *resolver) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *resolver) answerTCP(w dns.ResponseWriter, query *dns.Msg) {
	r.change(func() { r.overTCP++ })
	r.reply(w, query, false)
}

func (r *resolver) answer(w dns.ResponseWriter, query *dns.Msg) {
	var truncate bool
	r.change(func() { truncate = r.truncate })
	r.reply(w, query, truncate)
}

func (r *resolver) reply(w dns.ResponseWriter, query *dns.Msg, truncate bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	about := query.Question[0]
	reply := new(dns.Msg).SetRcode(query, r.rcodes[about.Name])
	reply.RecursionAvailable = r.authority == nil
	reply.Ns = r.authority
	reply.Truncated = truncate
	if !truncate {
		reply.Answer = r.records[asked{about.Name, about.Qtype}]
		for _, alias := range r.records[asked{about.Name, dns.TypeCNAME}] {
			target := alias.(*dns.CNAME).Target
			reply.Answer = append(reply.Answer, alias)
			reply.Answer = append(reply.Answer, r.records[asked{target, about.Qtype}]...)
		}
	}
	_ = w.WriteMsg(reply) // a client that has gone is not the server's problem
}

// network leads public addresses to servers on loopback. Where none is given, nothing listens.
type network map[string]any

// DialContext implements Dialer.
func (n network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	switch there := n[address].(type) {
	case string:
		return new(net.Dialer).DialContext(ctx, "tcp", there)
	case error:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: there}
	default:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
}

// startServer runs script for every connection to a TCP port on loopback, whose address it gives.
func startServer(t *testing.T, script func(conn net.Conn, in *bufio.Reader)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("accepting: %v", err)
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				script(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

const (
	streamHeader = `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'` +
		` xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>`
	startTLSOffer = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`
	proceed       = `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
)

// skipTags reads n tags of what the client sends; its end is that of the script's next read or write as well.
func skipTags(in *bufio.Reader, n int) {
	for range n {
		if _, err := in.ReadString('>'); err != nil {
			return
		}
	}
}

func say(conn net.Conn, text string) {
	_, _ = io.WriteString(conn, text) // the client may have gone already
}

// says is a server that answers the stream header with the text and waits for the client to go.
func says(text string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, in *bufio.Reader) {
		skipTags(in, 2)
		say(conn, text)
		_, _ = io.Copy(io.Discard, in)
	}
}

// serves is an XMPP server with the key pair.
func serves(pair tls.Certificate) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, in *bufio.Reader) {
		skipTags(in, 2)
		say(conn, streamHeader+startTLSOffer)
		skipTags(in, 1)
		say(conn, proceed)
		secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
		if secured.Handshake() == nil {
			_, _ = io.Copy(io.Discard, secured)
		}
	}
}

// servesDirect is an XMPP server with the key pair that expects TLS at once.
func servesDirect(pair tls.Certificate) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, _ *bufio.Reader) {
		secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"xmpp-server"}})
		in := bufio.NewReader(secured)
		skipTags(in, 2)
		say(secured, streamHeader+"<stream:features/>")
		_, _ = io.Copy(io.Discard, in)
	}
}

// keyPair is issued at the given time for 90 days.
func keyPair(t *testing.T, at time.Time, names ...string) tls.Certificate {
	t.Helper()
	caPEM, caKey, err := pki.NewCA("Test CA", at)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := pki.Issue(caPEM, caKey, names, at)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

var (
	domains = []string{"cupdomain.com", "conference.cupdomain.com"}
	zone    = []string{
		"_xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.conference.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.",
		"cup1.cupdomain.com. 300 IN A 203.0.113.128",
	}
	// today is fixed, so that messages with dates are.
	today = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
)

const publicAddress = "203.0.113.128:5269"

func target(resolvers ...*resolver) InboundTarget {
	t := InboundTarget{
		Domains: domains, Hostname: "cup1.cupdomain.com", Port: 5269,
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.128")},
	}
	for _, r := range resolvers {
		t.Resolvers = append(t.Resolvers, r.address)
	}
	return t
}

func checker(n network) *Checker {
	c := New()
	c.Dialer = n
	c.Now = func() time.Time { return today }
	return c
}

// without is the zone with the records of the name left out.
func without(name string) []string {
	var rest []string
	for _, record := range zone {
		if !strings.HasPrefix(record, name+" ") {
			rest = append(rest, record)
		}
	}
	return rest
}
