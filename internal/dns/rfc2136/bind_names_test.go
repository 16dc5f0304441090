// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

// hostAndDomains are a host and domains that it serves.
func hostAndDomains(address string, domains ...string) []dns.Unit {
	const host = "cup1.cupdomain.com"
	units := []dns.Unit{{Anchor: host, Records: dns.AddressRecords(host, 300, []netip.Addr{netip.MustParseAddr(address)})}}
	for _, domain := range domains {
		units = append(units, dns.Unit{Anchor: domain, Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, domain, 300, dns.SRV{Port: 5269, Target: host}),
		}})
	}
	return units
}

// One domain lacks its grant, or is delegated; the address of the host changes all the same.
func TestANameThatBINDRefusesKeepsNothingElseBack(t *testing.T) {
	const grants = "grant limited-key subdomain _xmppfed.cupdomain.com. TXT; grant limited-key name cup1.cupdomain.com. A; " +
		"grant limited-key subdomain _xmppfed.cup1.cupdomain.com. TXT; grant limited-key name _xmpp-server._tcp.a.cupdomain.com. SRV; " +
		"grant limited-key subdomain _xmppfed.a.cupdomain.com. TXT;"
	named := dnstest.StartNamed(t, dnstest.NamedOptions{
		Zones: map[string]string{"cupdomain.com": foreign + "sub NS ns.elsewhere.example.\n"}, Grants: grants,
	})
	zone := bindZone{t: t, named: named, zone: "cupdomain.com"}
	c := zone.client(func(cfg *rfc2136.Config) { cfg.KeyName, cfg.Secret = dnstest.LimitedKey, dnstest.LimitedSecret })
	if _, err := dnstest.Converge(t, c, hostAndDomains("203.0.113.130", "a.cupdomain.com")...); err != nil {
		t.Fatal(err)
	}
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	units := hostAndDomains("203.0.113.131", "a.cupdomain.com", "b.cupdomain.com", "cup.sub.cupdomain.com")
	for range 2 {
		r, err := dns.Converge(t.Context(), c, signer, dns.Owner{ID: "owner001"}, units)
		if err != nil || len(r.Refused) != 2 {
			t.Fatalf("got %+v %v, want two names refused", r, err)
		}
		dnstest.WantError(t, r.Refused["b.cupdomain.com."], v1alpha1.ReasonUpdateRefused, true,
			"grant limited-key name _xmpp-server._tcp.b.cupdomain.com. SRV;", "grant limited-key subdomain _xmppfed.b.cupdomain.com. TXT;")
		dnstest.WantError(t, r.Refused["cup.sub.cupdomain.com."], v1alpha1.ReasonNotAuthoritative, true, "sub.cupdomain.com is delegated")
		if dump := strings.Join(zone.Dump(), "\n"); !strings.Contains(dump, "A\t203.0.113.131") || strings.Contains(dump, ".b.cupdomain.com") {
			t.Errorf("the zone has:\n%s", dump)
		}
	}
	if _, err := dnstest.Converge(t, c); err != nil {
		t.Errorf("releasing: %v", err)
	}
}
