// SPDX-License-Identifier: Apache-2.0

package cloudflare_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/cloudflare"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// listed counts the pages of lists that were asked for.
func listed(server *dnstest.Cloudflare) int {
	n := 0
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "GET ") && strings.HasSuffix(request, "/dns_records") {
			n++
		}
	}
	return n
}

func hostAddress(name, address string) dns.RRset {
	return dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr(address)})[0]
}

func TestLists_OfALargeZoneStayWithinTheRateAtRest(t *testing.T) {
	zone, server := serve(t)
	server.PageSize = 5
	for i := range 100 {
		zone.Edit(dns.Change{Put: []dns.RRset{hostAddress(fmt.Sprintf("host%d.cupdomain.com", i), "203.0.113.80")}})
	}
	now := time.Unix(1_800_000_000, 0)
	p := newProvider(t, server.URL, func(c *cloudflare.Config) {
		c.Limiter, c.Now = cloudflare.NewLimiter(), func() time.Time { return now }
	})
	// A hundred Federations that look once in five minutes, and read twice each time.
	for range 100 {
		for range 2 {
			sets, err := p.Get(t.Context(), hostAddress("host7.cupdomain.com", "203.0.113.80").Key())
			if err != nil || len(sets) != 1 {
				t.Fatalf("got %v, %v", sets, err)
			}
		}
		now = now.Add(3 * time.Second)
	}
	if n := listed(server); n > 60 {
		t.Errorf("%d requests in five minutes, want at most 60", n)
	}
}

func TestLists_AreNewAfterAChangeAndBeforeOne(t *testing.T) {
	zone, server := serve(t)
	p := newProvider(t, server.URL, func(c *cloudflare.Config) { c.Limiter = cloudflare.NewLimiter() })
	host := hostAddress("cup1.cupdomain.com", "203.0.113.130")
	get := func() int {
		sets, err := p.Get(t.Context(), host.Key())
		if err != nil {
			t.Fatal(err)
		}
		return len(sets)
	}
	if get() != 0 || listed(server) != 1 {
		t.Fatal("the zone is empty")
	}
	if err := p.Apply(t.Context(), dns.Change{Absent: []dns.Key{host.Key()}, Put: []dns.RRset{host}}); err != nil {
		t.Fatal(err)
	}
	if get() != 1 {
		t.Error("what was written is not read")
	}
	zone.Edit(dns.Change{Drop: []dns.Key{host.Key()}})
	change := dns.Change{Equal: []dns.RRset{host}, Put: []dns.RRset{hostAddress("cup1.cupdomain.com", "203.0.113.131")}}
	if err := p.Apply(t.Context(), change); err != dns.ErrPrerequisite { //nolint:errorlint // it is returned as it is
		t.Errorf("got %v for a change that depends on what is gone", err)
	}
	if get() != 0 {
		t.Error("what was found before a change is not what is read after it")
	}
}

func TestLists_AreSharedByThoseWhoReadAtTheSameTime(t *testing.T) {
	_, server := serve(t)
	p := newProvider(t, server.URL, func(c *cloudflare.Config) { c.Limiter = cloudflare.NewLimiter() })
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() {
			if _, err := p.Get(t.Context(), dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	if n := listed(server); n != 1 {
		t.Errorf("%d lists, want one", n)
	}
}
