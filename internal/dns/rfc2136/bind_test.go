// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

// foreign records that no test may touch.
const foreign = `www 3600 A 203.0.113.7
mail 3600 MX 10 www
odd TXT "semicolon; \"quotes\" \\ backslash \000\255" "second string"
`

// bindZone is a zone of a real BIND.
type bindZone struct {
	t     testing.TB
	named *dnstest.Daemon
	zone  string
}

func (z bindZone) config() rfc2136.Config {
	return rfc2136.Config{
		Zone: z.zone, Servers: []string{z.named.Address}, KeyName: dnstest.FedKey, Algorithm: "hmac-sha256", Secret: dnstest.FedSecret,
		// A busy machine may be slow; what is tested here is not speed.
		Timeout: 10 * time.Second,
	}
}

func (z bindZone) client(change func(*rfc2136.Config)) *rfc2136.Client {
	z.t.Helper()
	cfg := z.config()
	if change != nil {
		change(&cfg)
	}
	c, err := rfc2136.New(cfg)
	if err != nil {
		z.t.Fatal(err)
	}
	return c
}

func (z bindZone) Dump() []string { return z.named.Dump(z.zone) }

// BenchmarkAddressChange is what a new address of the load balancer costs: read, update, read back.
func BenchmarkAddressChange(b *testing.B) {
	named := dnstest.StartNamed(b, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	c := bindZone{t: b, named: named, zone: "cupdomain.com"}.client(nil)
	for i := 0; b.Loop(); i++ {
		address := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		r, err := dnstest.Converge(b, c, dnstest.Federation("cup1.cupdomain.com", address.String(), 300)...)
		if err != nil || !r.Changed {
			b.Fatalf("got %v %v, want a change", r, err)
		}
	}
}
