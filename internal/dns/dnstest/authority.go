// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"context"

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
		q := r.Question[0]
		key := dns.Key{Name: dns.Canonical(q.Name), Type: q.Qtype}
		sets, err := m.Get(context.Background(), key)
		switch {
		case err != nil:
			answer.Rcode = miekg.RcodeServerFailure
		case len(sets) == 0:
			answer.Rcode = miekg.RcodeNameError
		}
		for _, set := range sets {
			answer.Answer = append(answer.Answer, wire.Records(set)...)
		}
		if w.LocalAddr().Network() == "udp" {
			answer.Truncate(miekg.MinMsgSize)
		}
		_ = w.WriteMsg(answer)
	}
}
