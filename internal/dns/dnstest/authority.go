// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// Authority answers queries from a zone in memory, as an authoritative server does. Datagrams hold 512 bytes, so that
// large answers have to be fetched by TCP.
func Authority(m *Memory) miekg.HandlerFunc {
	return func(w miekg.ResponseWriter, r *miekg.Msg) {
		answer := new(miekg.Msg)
		answer.SetReply(r)
		answer.Authoritative = true
		records, err := records(m, r.Question[0])
		switch {
		case err != nil:
			answer.Rcode = miekg.RcodeServerFailure
		case len(records) == 0:
			answer.Rcode = miekg.RcodeNameError
		}
		answer.Answer = records
		if w.LocalAddr().Network() == "udp" {
			answer.Truncate(miekg.MinMsgSize)
		}
		_ = w.WriteMsg(answer)
	}
}

func records(m *Memory, q miekg.Question) ([]miekg.RR, error) {
	zone, err := m.Zone(context.Background())
	if err != nil {
		return nil, err
	}
	var lines []string
	switch apex := dns.Canonical(q.Name) == zone.Apex; {
	case apex && q.Qtype == miekg.TypeSOA:
		lines = append(lines, fmt.Sprintf("%s 300 SOA ns1.%s hostmaster.%s %d 60 60 3600 60", zone.Apex, zone.Apex, zone.Apex, zone.Serial))
	case apex && q.Qtype == miekg.TypeNS:
		for _, name := range zone.NameServers {
			lines = append(lines, fmt.Sprintf("%s 300 NS %s", zone.Apex, name))
		}
	}
	var out []miekg.RR
	for _, line := range lines {
		rr, err := miekg.NewRR(line)
		if err != nil {
			return nil, err
		}
		out = append(out, rr)
	}
	sets, err := m.Get(context.Background(), dns.Key{Name: dns.Canonical(q.Name), Type: q.Qtype})
	for _, set := range sets {
		out = append(out, wire.Records(set)...)
	}
	return out, err
}

// Delegate serves a zone in memory at 127.0.0.1, by a name server ns1 in the zone. A resolver that is asked for the zone
// answers at the same address.
func Delegate(t testing.TB, m *Memory) (resolver string, port uint16) {
	t.Helper()
	m.SetNameServers("ns1." + m.Apex())
	m.Edit(dns.Change{Put: dns.AddressRecords("ns1."+m.Apex(), 300, []netip.Addr{netip.MustParseAddr(loopback)})})
	port = uint16(FreePort(t, loopback))
	resolver = fmt.Sprintf("%s:%d", loopback, port)
	Serve(t, resolver, Authority(m), nil)
	return resolver, port
}
