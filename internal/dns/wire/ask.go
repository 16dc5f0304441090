// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Question is an unsigned query to one server.
type Question struct {
	Server string // host:port
	Key    dns.Key
	// Recurse asks a resolver to look elsewhere; without it a server tells only what it holds itself.
	Recurse bool
	// Signatures asks for those of the answer as well (DNSSEC, RFC 4035 section 3.2.1).
	Signatures bool
	// Timeout of one try.
	Timeout time.Duration
}

// udpTries before a server counts as not answering: one datagram may get lost.
const udpTries = 2

// Ask asks by datagram, and again by TCP when the answer does not fit into one.
func Ask(ctx context.Context, q Question) (*miekg.Msg, error) {
	m := new(miekg.Msg)
	m.SetQuestion(q.Key.Name, q.Key.Type)
	m.RecursionDesired = q.Recurse
	m.SetEdns0(1232, q.Signatures)
	client := miekg.Client{Net: "udp", Timeout: q.Timeout, UDPSize: 1232}
	var answer *miekg.Msg
	var err error
	for range udpTries {
		if answer, _, err = client.ExchangeContext(ctx, m, q.Server); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if answer.Truncated {
		client.Net = "tcp"
		answer, _, err = client.ExchangeContext(ctx, m, q.Server)
	}
	return answer, err
}

// Authoritative tells whether the server speaks for the zone of the name, be it that the name exists or not.
func Authoritative(answer *miekg.Msg) bool {
	return answer.Authoritative && (answer.Rcode == miekg.RcodeSuccess || answer.Rcode == miekg.RcodeNameError)
}

// Failing tells whether the server has the zone but can't answer, for example because it could not transfer it.
func Failing(answer *miekg.Msg) bool { return answer.Rcode == miekg.RcodeServerFailure }

// Serial asks for the start of authority of a zone, and returns its serial number and whether the server speaks for the
// zone.
func Serial(ctx context.Context, q Question) (serial uint32, authoritative bool, err error) {
	q.Key.Type = miekg.TypeSOA
	answer, err := Ask(ctx, q)
	if err != nil {
		return 0, false, err
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*miekg.SOA); ok && Authoritative(answer) {
			return soa.Serial, true, nil
		}
	}
	return 0, false, nil
}
