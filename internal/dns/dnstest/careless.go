// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// Careless answers queries and updates as a primary that carries out updates whatever their prerequisites are. Answers are
// signed when the request was.
func Careless(m *Memory) miekg.HandlerFunc {
	query := Authority(m)
	return func(w miekg.ResponseWriter, r *miekg.Msg) {
		signing := signer{w, r}
		if r.Opcode != miekg.OpcodeUpdate {
			query(signing, r)
			return
		}
		answer := new(miekg.Msg)
		_ = signing.WriteMsg(answer.SetRcode(r, update(m, r)))
	}
}

// update returns the response code.
func update(m *Memory, r *miekg.Msg) int {
	var change dns.Change
	put := map[dns.Key]bool{}
	for _, rr := range r.Ns {
		h := rr.Header()
		key := dns.Key{Name: dns.Canonical(h.Name), Type: h.Rrtype}
		switch {
		case !dns.InZone(h.Name, m.Apex()):
			return miekg.RcodeNotZone
		case h.Class == miekg.ClassANY:
			change.Drop = append(change.Drop, key)
		case !put[key]:
			put[key] = true
			set, _ := wire.Set(r.Ns, key)
			change.Put = append(change.Put, set)
		}
	}
	if !change.Empty() {
		m.Edit(change)
	}
	return miekg.RcodeSuccess
}

// signer signs what is written as the request was signed.
type signer struct {
	miekg.ResponseWriter
	request *miekg.Msg
}

func (s signer) WriteMsg(m *miekg.Msg) error {
	if t := s.request.IsTsig(); t != nil && s.TsigStatus() == nil {
		m.SetTsig(t.Hdr.Name, t.Algorithm, t.Fudge, time.Now().Unix())
	}
	return s.ResponseWriter.WriteMsg(m)
}
