// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"errors"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// What is known of a server's handling of prerequisites.
const (
	guardUnknown int32 = iota
	guardChecked
	guardIgnored
)

// guarded tells whether the server checks prerequisites (RFC 2136 section 3.2). A server that ignored them would say that
// all is well, and a claim would overwrite records of others. So it is asked once to do nothing, provided that the zone
// has no start of authority; the right answer is a refusal (YXRRSET). While the answer is the wrong one it is asked again
// every time, as the server may be replaced. One that does not understand an update without changes is taken for one that
// ignores them. A refusal for other reasons is an error of the change.
func (s *session) guarded(change dns.Change) (bool, error) {
	if s.client.guard.Load() == guardChecked {
		return true, nil
	}
	m := new(miekg.Msg)
	m.SetUpdate(s.client.apex)
	m.RRsetNotUsed([]miekg.RR{wire.Header(dns.Key{Name: s.client.apex, Type: miekg.TypeSOA})})
	answer, err := s.exchange(m)
	if err != nil {
		return false, err
	}
	switch answer.Rcode {
	case miekg.RcodeSuccess, miekg.RcodeFormatError, miekg.RcodeNotImplemented:
		s.client.guard.Store(guardIgnored)
		return false, nil
	}
	err = s.checkUpdate(answer, change)
	if errors.Is(err, dns.ErrPrerequisite) {
		s.client.guard.Store(guardChecked)
		return true, nil
	}
	return false, err
}
