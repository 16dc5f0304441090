// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"crypto"
	"strconv"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// parent answers, as a resolver, what the parent of cupdomain.com says of it.
func parent(t *testing.T, delegation *[]miekg.RR) string {
	t.Helper()
	address := "127.0.0.1:" + strconv.Itoa(dnstest.FreePort(t, "127.0.0.1"))
	dnstest.Serve(t, address, func(w miekg.ResponseWriter, r *miekg.Msg) {
		reply := new(miekg.Msg).SetReply(r)
		if r.Question[0].Qtype == miekg.TypeDS {
			reply.Answer = *delegation
		}
		_ = w.WriteMsg(reply)
	}, nil)
	return address
}

// signing is what keys and start of authority of a signed zone are, with signatures.
type signing struct {
	key     *miekg.DNSKEY
	answers map[uint16][]miekg.RR
}

func sign(t *testing.T) signing {
	t.Helper()
	header := func(recordType uint16) miekg.RR_Header {
		return miekg.RR_Header{Name: "cupdomain.com.", Rrtype: recordType, Class: miekg.ClassINET, Ttl: 300}
	}
	key := &miekg.DNSKEY{Hdr: header(miekg.TypeDNSKEY), Flags: 257, Protocol: 3, Algorithm: miekg.ECDSAP256SHA256}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	start := &miekg.SOA{Hdr: header(miekg.TypeSOA), Ns: "ns1.cupdomain.com.", Mbox: "hostmaster.cupdomain.com.", Serial: 1, Minttl: 60}
	s := signing{key, map[uint16][]miekg.RR{}}
	for _, rr := range []miekg.RR{key, start} {
		signature := &miekg.RRSIG{
			Hdr: header(miekg.TypeRRSIG), Algorithm: key.Algorithm, KeyTag: key.KeyTag(), SignerName: "cupdomain.com.",
			Inception: uint32(time.Now().Add(-time.Hour).Unix()), Expiration: uint32(time.Now().Add(time.Hour).Unix()),
		}
		if err := signature.Sign(private.(crypto.Signer), []miekg.RR{rr}); err != nil {
			t.Fatal(err)
		}
		s.answers[rr.Header().Rrtype] = []miekg.RR{rr, signature}
	}
	return s
}

// serve the signed zone, but what edit makes of the answers.
func (s signing) serve(edit func(answer *miekg.Msg)) miekg.HandlerFunc {
	return func(w miekg.ResponseWriter, r *miekg.Msg) {
		answer := new(miekg.Msg).SetReply(r)
		answer.Authoritative, answer.Answer = true, s.answers[r.Question[0].Qtype]
		edit(answer)
		_ = w.WriteMsg(answer)
	}
}

func TestAServerThatDoesNotSpeakForTheZoneNowSaysNothingOfItsSignatures(t *testing.T) {
	zone := sign(t)
	well := func(*miekg.Msg) {}
	code := func(rcode int) func(*miekg.Msg) {
		return func(answer *miekg.Msg) { answer.Rcode, answer.Answer, answer.Authoritative = rcode, nil, false }
	}
	unsigned := func(answer *miekg.Msg) { answer.Answer = nil }
	tests := map[string]struct {
		first, second func(*miekg.Msg)
		// unsigned are words of what is told; empty for a zone that is signed, or where nobody knows.
		unsigned string
		unknown  bool
	}{
		"Both serve it signed":                              {first: well, second: well},
		"One has let it expire (SERVFAIL)":                  {first: code(miekg.RcodeServerFailure), second: well, unknown: true},
		"One was taken off it (REFUSED)":                    {first: well, second: code(miekg.RcodeRefused), unknown: true},
		"One answers as a resolver does":                    {first: well, second: func(answer *miekg.Msg) { answer.Authoritative, answer.Answer = false, nil }, unknown: true},
		"One fails at the start of authority only":          {first: well, second: atStart(code(miekg.RcodeServerFailure)), unknown: true},
		"One has let it expire, the other has no keys":      {first: code(miekg.RcodeServerFailure), second: unsigned, unsigned: "ns2.cupdomain.com (127.0.0.2) serves no keys"},
		"The zone is not signed any more":                   {first: unsigned, second: unsigned, unsigned: "ns1.cupdomain.com (127.0.0.1) serves no keys"},
		"The zone keeps its keys but signs nothing with it": {first: well, second: atStart(unsigned), unsigned: "ns2.cupdomain.com (127.0.0.2) serves zone cupdomain.com without valid signatures"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, zone.serve(test.first), zone.serve(test.second))
			delegation := []miekg.RR{zone.key.ToDS(miekg.SHA256)}
			got, err := l.verifier.Signed(context.Background(), l.primary, []string{parent(t, &delegation)}, time.Now())
			if (err != nil) != test.unknown || (got != "") != (test.unsigned != "") || !strings.Contains(got, test.unsigned) {
				t.Errorf("got %q and error %v, want %q and an error %t", got, err, test.unsigned, test.unknown)
			}
			if err != nil && !strings.Contains(err.Error(), "does not tell whether the zone is signed") {
				t.Errorf("got error %v, want one that says what is not known", err)
			}
		})
	}
}

// atStart edits answers about the start of authority.
func atStart(edit func(*miekg.Msg)) func(*miekg.Msg) {
	return func(answer *miekg.Msg) {
		if answer.Question[0].Qtype == miekg.TypeSOA {
			edit(answer)
		}
	}
}
