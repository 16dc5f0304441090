// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Names is a name server that learns at any time where the servers of domains are.
type Names struct {
	mu    sync.Mutex
	known map[string]netip.AddrPort
}

// hosts is the domain below which the server of a domain has a host name, made from its address.
const hosts = ".host.example."

// UseNames has the server ask such a name server. It has to be called before the server starts.
func (s *Server) UseNames(t testing.TB) *Names {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(s.dir, "upper/etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(s.dir, "upper/etc/resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644))
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	must(t, err)
	names := &Names{known: map[string]netip.AddrPort{}}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		_ = w.WriteMsg(names.answer(query))
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = conn.Close() })
	return names
}

// Point has the servers of domains be at address.
func (n *Names) Point(address netip.AddrPort, domains ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, domain := range domains {
		n.known[domain] = address
	}
	return nil
}

func (n *Names) find(name string) (netip.AddrPort, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	address, ok := n.known[name]
	return address, ok
}

func (n *Names) answer(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetRcode(query, dns.RcodeNameError)
	question := query.Question[0]
	name := dns.CanonicalName(question.Name)
	add := func(format string, args ...any) {
		if rr, err := dns.NewRR(name + fmt.Sprintf(" 60 IN "+format, args...)); err == nil {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	domain, isService := strings.CutPrefix(strings.TrimSuffix(name, "."), "_xmpp-server._tcp.")
	label, isHost := strings.CutSuffix(name, hosts)
	switch {
	case isHost:
		reply.Rcode = dns.RcodeSuccess
		if question.Qtype == dns.TypeA {
			add("A %s", strings.ReplaceAll(label, "-", "."))
		}
	case isService:
		address, ok := n.find(domain)
		if !ok {
			break
		}
		reply.Rcode = dns.RcodeSuccess
		if question.Qtype == dns.TypeSRV {
			add("SRV 0 0 %d %s%s", address.Port(), strings.ReplaceAll(address.Addr().String(), ".", "-"), hosts)
		}
	}
	return reply
}
