// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

const (
	nextKey   = "next-key"
	keyOfNext = `key "next-key" { algorithm hmac-sha256; secret "c2VjcmV0LW9mLW5leHQta2V5LWZvci10ZXN0cy1vbmx5"; };` + "\n"
)

// converge gives an owner a host with an address that differs from call to call, so that each needs an update.
func converge(t *testing.T, p dns.Provider, signer dns.Signer, owner string, address byte) (dns.Result, error) {
	t.Helper()
	host := dns.AddressRecords(owner+".cupdomain.com", 300, []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, address})})
	return dns.Converge(context.Background(), p, signer, dns.Owner{ID: owner}, []dns.Unit{{Anchor: owner + ".cupdomain.com", Records: host}})
}

func newSigner(t *testing.T, keys ...string) dns.Signer {
	t.Helper()
	var raw [][]byte
	for _, k := range keys {
		raw = append(raw, []byte(k))
	}
	signer, err := dns.NewSigner(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestTheKeyOfAServerIsChangedWithoutAGapInAnyOrder(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	zone := bindZone{t: t, named: named, zone: "cupdomain.com"}
	signer := newSigner(t, "a key for tests of 32 bytes or so")
	r := rfc2136.NewRotation(zone.client(func(c *rfc2136.Config) {
		c.KeyName, c.Secret = nextKey, "c2VjcmV0LW9mLW5leHQta2V5LWZvci10ZXN0cy1vbmx5"
	}), zone.client(nil))
	address := byte(0)
	expect := func(rotated bool) {
		t.Helper()
		if err := r.Probe(context.Background()); err != nil {
			t.Fatalf("probing: %v", err)
		}
		address++
		if result, err := converge(t, r, signer, "owner001", address); err != nil || !result.Changed {
			t.Fatalf("publishing: %+v, %v", result, err)
		}
		if r.Rotated() != rotated {
			t.Errorf("the new key is in use: %t, want %t", r.Rotated(), rotated)
		}
	}
	t.Log("the operator has both keys, the server the old one")
	expect(false)
	t.Log("the server knows the new one too, but it may not update")
	named.Reconfigure(func(config string) string { return keyOfNext + config })
	expect(false)
	t.Log("it may")
	named.Reconfigure(func(config string) string {
		return strings.Replace(config, "update-policy {", "update-policy { grant next-key zonesub ANY;", 1)
	})
	expect(true)
	t.Log("the server forgets the old one")
	named.Reconfigure(func(config string) string { return strings.ReplaceAll(config, `"`+dnstest.FedKey+`"`, `"gone-key"`) })
	expect(true)
	t.Log("the server forgets the new one as well")
	named.Reconfigure(func(config string) string { return strings.ReplaceAll(config, `"next-key"`, `"gone-too"`) })
	dnstest.WantError(t, r.Probe(context.Background()), v1alpha1.ReasonTSIGKeyUnknown, true, nextKey)
	_, err := converge(t, r, signer, "owner001", 99)
	dnstest.WantError(t, err, v1alpha1.ReasonTSIGKeyUnknown, true, nextKey)
}

func TestAServerThatForgetsTheNewKeyIsAskedWithThePreviousOneAtOnce(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	zone := bindZone{t: t, named: named, zone: "cupdomain.com"}
	r := rfc2136.NewRotation(zone.client(func(c *rfc2136.Config) { c.KeyName = dnstest.FedKeyOf("hmac-sha512"); c.Algorithm = "hmac-sha512" }),
		zone.client(nil))
	if err := r.Probe(context.Background()); err != nil || !r.Rotated() {
		t.Fatalf("probing: %v; rotated %t", err, r.Rotated())
	}
	named.Reconfigure(func(config string) string { return strings.ReplaceAll(config, "fed-key-sha512", "gone-key") })
	if _, err := converge(t, r, newSigner(t, "a key for tests of 32 bytes or so"), "owner001", 1); err != nil {
		t.Errorf("before the next probe: %v", err)
	}
}

// The signing key of ownership records is changed: the new one signs, what the old one signed is still recognised, and
// signed anew one owner after the other.
func TestTheSigningKeyIsChangedOwnerByOwner(t *testing.T) {
	const oldKey, newKey = "the old signing key of tests only", "the new signing key of tests only"
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	zone := bindZone{t: t, named: named, zone: "cupdomain.com"}
	c := zone.client(nil)
	owners := []string{"owner001", "owner002", "owner003"}
	for _, owner := range owners {
		if _, err := converge(t, c, newSigner(t, oldKey), owner, 1); err != nil {
			t.Fatal(err)
		}
	}
	records := withoutOwnership(zone.Dump())

	both := newSigner(t, newKey, oldKey)
	for i, owner := range owners {
		if result, err := converge(t, c, both, owner, 1); err != nil || !result.Changed {
			t.Fatalf("signing anew: %+v, %v", result, err)
		}
		if result, err := converge(t, c, both, owner, 1); err != nil || result.Changed {
			t.Errorf("again: %+v, %v, want that nothing is written", result, err)
		}
		if _, err := converge(t, c, newSigner(t, newKey), owner, 1); err != nil {
			t.Errorf("%s without the old key: %v", owner, err)
		}
		for _, other := range owners[i+1:] {
			_, err := converge(t, c, newSigner(t, newKey), other, 1)
			dnstest.WantError(t, err, v1alpha1.ReasonOwnershipLost, true, "signing key was replaced")
		}
	}
	if now := withoutOwnership(zone.Dump()); !slices.Equal(now, records) {
		t.Errorf("the records were\n%s\nand are\n%s", fmt.Sprint(records), fmt.Sprint(now))
	}
}

func withoutOwnership(dump []string) []string {
	return slices.DeleteFunc(dump, func(line string) bool { return strings.Contains(line, "_xmppfed.") })
}
