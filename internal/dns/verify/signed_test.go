// SPDX-License-Identifier: Apache-2.0

//go:build integration

package verify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

func TestSignedFollowsTheChainFromTheParentToARecordOfARealBIND(t *testing.T) {
	port := dnstest.FreePort(t, "127.0.0.1")
	named := dnstest.StartNamed(t, dnstest.NamedOptions{
		Port: port, Zones: map[string]string{"cupdomain.com": ""}, ZoneOptions: "dnssec-policy default; inline-signing yes;",
	})
	client, err := rfc2136.New(rfc2136.Config{
		Zone: "cupdomain.com", Servers: []string{named.Address}, KeyName: dnstest.FedKey, Secret: dnstest.FedSecret, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	var delegation []miekg.RR
	verifier := verify.Verifier{Port: uint16(port), Timeout: 5 * time.Second, Resolvers: []string{parent(t, &delegation)}}
	expect := func(what, want string, now time.Time) {
		t.Helper()
		unsigned, err := verifier.Signed(context.Background(), client, nil, now)
		if err != nil || !strings.Contains(unsigned, want) || (want == "") != (unsigned == "") {
			t.Errorf("%s: got %q and %v, want %q", what, unsigned, err, want)
		}
	}
	expect("without DS", "the parent of zone cupdomain.com has no DS record for it", time.Now())

	key := keyOf(t, named.Address)
	delegation = []miekg.RR{key.ToDS(miekg.SHA256)}
	expect("with the DS of its key", "", time.Now())
	expect("a year later", "vouches for", time.Now().AddDate(1, 0, 0))

	record := dns.TLSARecord("cup1.cupdomain.com", 5269, 60, strings.Repeat("ab", 32))
	if err := client.Apply(context.Background(), dns.Change{Put: []dns.RRset{record}}); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Get(context.Background(), record.Key()); err != nil || len(got) != 1 || !got[0].Equal(record) {
		t.Errorf("the TLSA record comes back as %v, %v", got, err)
	}

	other := *key
	other.Flags ^= 1
	delegation = []miekg.RR{other.ToDS(miekg.SHA256)}
	expect("with the DS of another key", "serves no keys (DNSKEY) of zone cupdomain.com that the DS record at its parent vouches for", time.Now())
	delegation = []miekg.RR{key.ToDS(miekg.SHA256)}
	verifier.Resolvers = []string{"127.0.0.1:1"}
	if unsigned, err := verifier.Signed(context.Background(), client, nil, time.Now()); err == nil || unsigned != "" {
		t.Errorf("without an answer of a resolver: got %q and %v", unsigned, err)
	}
}

func TestAZoneWithoutSignaturesIsNotSignedWhateverItsParentSays(t *testing.T) {
	port := dnstest.FreePort(t, "127.0.0.1")
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Port: port, Zones: map[string]string{"cupdomain.com": ""}})
	client, err := rfc2136.New(rfc2136.Config{
		Zone: "cupdomain.com", Servers: []string{named.Address}, KeyName: dnstest.FedKey, Secret: dnstest.FedSecret, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := miekg.NewRR("cupdomain.com. 60 IN DS 12345 13 2 " + strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	delegation := []miekg.RR{ds}
	verifier := verify.Verifier{Port: uint16(port), Timeout: 5 * time.Second, Resolvers: []string{parent(t, &delegation)}}
	unsigned, err := verifier.Signed(context.Background(), client, nil, time.Now())
	if err != nil || !strings.Contains(unsigned, "serves no keys") {
		t.Errorf("got %q and %v", unsigned, err)
	}
}

// keyOf waits until the zone is signed, and returns the key that its parent is to name.
func keyOf(t *testing.T, server string) *miekg.DNSKEY {
	t.Helper()
	query := new(miekg.Msg).SetQuestion("cupdomain.com.", miekg.TypeDNSKEY)
	query.SetEdns0(4096, true)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		answer, _, err := new(miekg.Client).Exchange(query, server)
		if err != nil {
			continue
		}
		var key *miekg.DNSKEY
		signed := false
		for _, rr := range answer.Answer {
			switch rr := rr.(type) {
			case *miekg.DNSKEY:
				key = rr
			case *miekg.RRSIG:
				signed = true
			}
		}
		if key != nil && signed {
			return key
		}
	}
	t.Fatal("BIND does not sign the zone")
	return nil
}
