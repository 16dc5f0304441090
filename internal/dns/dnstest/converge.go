// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Converge as an owner who is always the same. What is wrong with one anchor is an error.
func Converge(t testing.TB, p dns.Provider, units ...dns.Unit) (dns.Result, error) {
	t.Helper()
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := dns.Converge(t.Context(), p, signer, dns.Owner{ID: "owner001"}, units)
	if err == nil {
		err = result.Err()
	}
	return result, err
}

// Federation is what a Federation with this host name and address publishes for the domain in which the host lies.
func Federation(host, address string, ttl uint32) []dns.Unit {
	_, domain, _ := strings.Cut(host, ".")
	return []dns.Unit{
		{Anchor: domain, Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, domain, ttl, dns.SRV{Port: 5269, Target: host}),
		}},
		{Anchor: host, Records: dns.AddressRecords(host, ttl, []netip.Addr{netip.MustParseAddr(address)})},
	}
}

// WantError fails unless err has the reason, says or not that somebody must act, and has the words in its message.
func WantError(t testing.TB, err error, reason string, permanent bool, words ...string) {
	t.Helper()
	e, ok := dns.AsError(err)
	if !ok || e.Reason != reason || e.Permanent != permanent {
		t.Fatalf("got %+v, want reason %s, permanent %t", err, reason, permanent)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q does not contain %q", e.Message, w)
		}
	}
	t.Log(e.Reason + ": " + e.Message)
}
