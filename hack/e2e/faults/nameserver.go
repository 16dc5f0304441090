// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// NameServer is a DNS server that can go wrong in ways that BIND only does by accident.
type NameServer struct {
	address string
	zone    string
	servers []*dns.Server

	mu      sync.Mutex
	records []dns.RR
	rcode   int
	forward string
	silent  bool
}

// NewNameServer serves a zone, authoritatively, at ip:port, by UDP and TCP. Records are in zone file form.
func NewNameServer(address, zone string, records ...string) (*NameServer, error) {
	n := &NameServer{address: address, zone: dns.Fqdn(zone)}
	if err := n.Set(records...); err != nil {
		return nil, err
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listening as a name server: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening as a name server: %w", errors.Join(err, packets.Close()))
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: n}, {Listener: listener, Handler: n}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }() // ends with Close
		<-started
		n.servers = append(n.servers, server)
	}
	return n, nil
}

// Close ends the server.
func (n *NameServer) Close() {
	for _, server := range n.servers {
		_ = server.Shutdown() // it was started
	}
}

// Set replaces all records.
func (n *NameServer) Set(records ...string) error {
	var parsed []dns.RR
	for _, line := range records {
		rr, err := dns.NewRR(line)
		if err != nil {
			return fmt.Errorf("parsing record %q: %w", line, err)
		}
		parsed = append(parsed, rr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = parsed
	return nil
}

// Forward has it hand on what is not in its zone to another server, as a resolver does.
func (n *NameServer) Forward(server string) { n.forward = server }

// Stale is a server that has other records than it should.
func (n *NameServer) Stale(records ...string) Injection {
	return func(context.Context) (Undo, error) {
		n.mu.Lock()
		before := n.records
		n.mu.Unlock()
		return func(context.Context) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.records = before
			return nil
		}, n.Set(records...)
	}
}

// Answering has it answer everything with one code: dns.RcodeRefused is what a lame server says, which does not have
// the zone.
func (n *NameServer) Answering(rcode int) Injection {
	return n.changed(func() { n.rcode = rcode }, func() { n.rcode = dns.RcodeSuccess })
}

// Dead has it answer nothing.
func (n *NameServer) Dead() Injection {
	return n.changed(func() { n.silent = true }, func() { n.silent = false })
}

func (n *NameServer) changed(do, undo func()) Injection {
	locked := func(f func()) {
		n.mu.Lock()
		defer n.mu.Unlock()
		f()
	}
	return func(context.Context) (Undo, error) {
		locked(do)
		return func(context.Context) error {
			locked(undo)
			return nil
		}, nil
	}
}

// ServeDNS implements dns.Handler.
func (n *NameServer) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.silent || len(question.Question) != 1 {
		return
	}
	asked := question.Question[0]
	reply := new(dns.Msg).SetReply(question)
	switch {
	case n.rcode != dns.RcodeSuccess:
		reply.Rcode = n.rcode
	case dns.IsSubDomain(n.zone, asked.Name):
		n.answer(reply, asked)
	case n.forward != "":
		forwarded, _, err := new(dns.Client).Exchange(question, n.forward)
		if err == nil {
			reply = forwarded
		} else {
			reply.Rcode = dns.RcodeServerFailure
		}
	default:
		reply.Rcode = dns.RcodeRefused
	}
	_ = w.WriteMsg(reply) // who asked has gone; nobody to tell
}

// answer is the authoritative answer from the zone.
func (n *NameServer) answer(reply *dns.Msg, asked dns.Question) {
	reply.Authoritative, reply.RecursionAvailable = true, n.forward != ""
	exists := false
	for _, rr := range n.records {
		header := rr.Header()
		if strings.EqualFold(header.Name, asked.Name) {
			exists = true
			if header.Rrtype == asked.Qtype {
				reply.Answer = append(reply.Answer, dns.Copy(rr))
			}
		}
		exists = exists || dns.IsSubDomain(asked.Name, header.Name)
		if header.Rrtype == dns.TypeSOA && len(reply.Ns) == 0 {
			reply.Ns = append(reply.Ns, dns.Copy(rr))
		}
	}
	if len(reply.Answer) > 0 {
		reply.Ns = nil
	} else if !exists {
		reply.Rcode = dns.RcodeNameError
	}
}
