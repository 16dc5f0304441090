// SPDX-License-Identifier: Apache-2.0

package checktest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/miekg/dns"
)

// NameServer is a DNS server, over UDP only, authoritative for one zone; as a resolver it knows that zone alone.
type NameServer struct {
	// Address is where it listens.
	Address string

	mu      sync.Mutex
	apex    string
	records map[key][]dns.RR
	rcode   int
	server  *dns.Server
	done    chan struct{}
}

type key struct {
	name string
	kind uint16
}

// StartNameServer serves a zone at host and port, where port 0 is any that is free.
func StartNameServer(host string, port int, apex string, records ...string) (*NameServer, error) {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listening for DNS queries: %w", err)
	}
	n := &NameServer{Address: conn.LocalAddr().String(), apex: dns.Fqdn(apex), done: make(chan struct{})}
	if err := n.Serve(records...); err != nil {
		_ = conn.Close()
		return nil, err
	}
	started := make(chan struct{})
	n.server = &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(n.answer), NotifyStartedFunc: func() { close(started) }}
	go func() {
		defer close(n.done)
		_ = n.server.ActivateAndServe() // ends with Stop
	}()
	<-started
	return n, nil
}

// Stop ends it.
func (n *NameServer) Stop() {
	_ = n.server.Shutdown() // fails only when it has stopped already
	<-n.done
}

// Serve replaces its records, which are in the form of a master file.
func (n *NameServer) Serve(records ...string) error {
	served := map[key][]dns.RR{}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			return fmt.Errorf("reading record %q: %w", text, err)
		}
		at := key{strings.ToLower(rr.Header().Name), rr.Header().Rrtype}
		served[at] = append(served[at], rr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = served
	return nil
}

// Fail makes it answer everything with the code; zero heals it.
func (n *NameServer) Fail(rcode int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rcode = rcode
}

func (n *NameServer) answer(w dns.ResponseWriter, query *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	about := query.Question[0]
	name := strings.ToLower(about.Name)
	reply := new(dns.Msg).SetRcode(query, n.rcode)
	reply.Authoritative, reply.RecursionAvailable = true, true
	if n.rcode == dns.RcodeSuccess {
		reply.Answer = n.records[key{name, about.Qtype}]
		for _, alias := range n.records[key{name, dns.TypeCNAME}] {
			reply.Answer = append(append(reply.Answer, alias), n.records[key{alias.(*dns.CNAME).Target, about.Qtype}]...)
		}
		if len(reply.Answer) == 0 {
			reply.Ns = n.records[key{n.apex, dns.TypeSOA}]
		}
	}
	_ = w.WriteMsg(reply) // a client that has gone is not the server's problem
}

// Network leads addresses to servers on loopback; where none is given, nothing listens.
type Network map[string]string

// DialContext implements check.Dialer.
func (n Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if there, ok := n[address]; ok {
		return new(net.Dialer).DialContext(ctx, network, there)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}
