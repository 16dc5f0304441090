// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
)

// UseNameServer has the server ask a name server of the test's own, which knows zone and calls every other name
// unknown. It has to be called before the server starts.
func (s *Server) UseNameServer(t testing.TB, zone ...dns.RR) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(s.dir, "upper/etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(s.dir, "upper/etc/resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644))
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	must(t, err)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		_ = w.WriteMsg(answer(query, zone))
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = conn.Close() })
}

func answer(query *dns.Msg, zone []dns.RR) *dns.Msg {
	reply := new(dns.Msg).SetRcode(query, dns.RcodeNameError)
	for _, rr := range zone {
		if rr.Header().Name != dns.CanonicalName(query.Question[0].Name) {
			continue
		}
		reply.Rcode = dns.RcodeSuccess
		if rr.Header().Rrtype == query.Question[0].Qtype {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	return reply
}
