// SPDX-License-Identifier: Apache-2.0

package cloudflare_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/cloudflare"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// serve a zone with a local Cloudflare.
func serve(t *testing.T) (*dnstest.Memory, *dnstest.Cloudflare) {
	t.Helper()
	zone := dnstest.NewMemory("cupdomain.com")
	return zone, dnstest.ServeCloudflare(t, zone)
}

func newProvider(t *testing.T, url string, change func(*cloudflare.Config)) *cloudflare.Provider {
	t.Helper()
	reader, err := public.New(public.Config{Zone: "cupdomain.com", Resolvers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := cloudflare.Config{Reader: reader, ZoneID: dnstest.CloudflareZoneID, APIToken: dnstest.CloudflareToken, Endpoint: url}
	if change != nil {
		change(&cfg)
	}
	p, err := cloudflare.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func units(ttl uint32, takeover bool) []dns.Unit {
	units := dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", ttl)
	if takeover {
		units[1].Takeover = []dns.Key{units[1].Records[0].Key()}
	}
	return units
}

func TestEveryAnswerOfCloudflareHasItsReason(t *testing.T) {
	tests := map[string]struct {
		failure   dnstest.CloudflareFailure
		reason    string
		permanent bool
		words     string
	}{
		"A token that is gone": {dnstest.CloudflareFailure{Status: 403, Code: 9109, Message: "Invalid access token"},
			v1alpha1.ReasonCredentialsRejected, true, "puts a valid one into the Secret"},
		"A token that is none": {dnstest.CloudflareFailure{Status: 400, Code: 6003, Message: "Invalid request headers"},
			v1alpha1.ReasonCredentialsRejected, true, "puts a valid one into the Secret"},
		"A token that is not for the operator's address": {
			dnstest.CloudflareFailure{Status: 403, Code: 9109, Message: "Cannot use the access token from location: 203.0.113.77"},
			v1alpha1.ReasonUpdateRefused, true, "lets the operator's address use it"},
		"A token without permission": {dnstest.CloudflareFailure{Operation: "POST", Status: 403, Code: 10000, Message: "Authentication error"},
			v1alpha1.ReasonUpdateRefused, true, "Zone.DNS Edit and Zone.Zone Read"},
		"A zone that is gone": {dnstest.CloudflareFailure{Status: 404, Code: 7003, Message: "Could not route to /zones/x"},
			v1alpha1.ReasonNotAuthoritative, true, "no zone with the ID given"},
		"Too many requests": {dnstest.CloudflareFailure{Operation: "POST", Status: 429, Code: 10013, Message: "wait", RetryAfter: 300},
			v1alpha1.ReasonRateLimited, false, "1,200 in five minutes"},
		"Too many records": {dnstest.CloudflareFailure{Operation: "POST", Status: 400, Code: 81045, Message: "The record quota has been exceeded."},
			v1alpha1.ReasonUpdateRejected, true, "The record quota has been exceeded. (81045)"},
		"A failure of Cloudflare's": {dnstest.CloudflareFailure{Operation: "GET", Status: 500, Code: 1, Message: "oops"},
			v1alpha1.ReasonServerUnavailable, false, "internal error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			zone, server := serve(t)
			server.FailNext(test.failure)
			if test.failure.Code == 81045 {
				server.FailNext(test.failure) // it is asked about one name alone
			}
			p := newProvider(t, server.URL, nil)
			_, err := dnstest.Converge(t, p, units(300, false)...)
			dnstest.WantError(t, err, test.reason, test.permanent, test.words, "cupdomain.com")
			if left := zone.Dump(); len(left) > 0 {
				t.Errorf("the zone has %v", left)
			}
			if _, err := dnstest.Converge(t, p, units(300, false)...); err != nil || len(zone.Dump()) != 5 {
				t.Errorf("once the cause is gone: %v, the zone has %v", err, zone.Dump())
			}
		})
	}
}

func TestAnAnswerThatIsNoJSONIsAFailureOfTheService(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html>bad gateway</html>"))
	}))
	defer server.Close()
	err := newProvider(t, server.URL, nil).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "answers with an internal error")
	server.Close()
	err = newProvider(t, server.URL, nil).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "Cloudflare's API, needed for zone cupdomain.com, refuses connections")
}

func TestAChangeThatMayHaveBeenMadeIsNotSentAgainBlindly(t *testing.T) {
	_, server := serve(t)
	p := newProvider(t, server.URL, nil)
	server.FailNext(dnstest.CloudflareFailure{Operation: "POST", Status: 500, Code: 1, Message: "oops"})
	err := p.Apply(t.Context(), dns.Change{Put: units(300, false)[1].Records})
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false)
	if e, _ := dns.AsError(err); !e.Unsettled {
		t.Error("the change counts as not made")
	}
	server.LoseAnswers(1)
	err = p.Apply(t.Context(), dns.Change{Put: units(300, false)[1].Records})
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "closes the connection")
	posts := 0
	for _, r := range server.Requests() {
		if strings.HasPrefix(r, "POST") {
			posts++
		}
	}
	if posts != 2 {
		t.Errorf("two changes were sent %d times", posts)
	}
}

func TestATokenIsNeeded(t *testing.T) {
	for _, token := range []string{"", "two words", "line\n"} {
		reader, err := public.New(public.Config{Zone: "cupdomain.com", Resolvers: []string{"127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cloudflare.New(cloudflare.Config{Reader: reader, APIToken: token})
		dnstest.WantError(t, err, v1alpha1.ReasonCredentialsRejected, true, "is no API token")
		if strings.Contains(err.Error(), "words") {
			t.Errorf("%q: %v gives something away", token, err)
		}
	}
	_, server := serve(t)
	err := newProvider(t, server.URL, func(c *cloudflare.Config) { c.APIToken = "another" }).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonCredentialsRejected, true)
}

func TestAZoneIsFoundByItsName(t *testing.T) {
	right := dnstest.CloudflareZone{ID: dnstest.CloudflareZoneID, Name: "cupdomain.com", Status: "active", Type: "full"}
	other := dnstest.CloudflareZone{ID: "1", Name: "cupdomain.com", Status: "pending", Type: "full"}
	for name, test := range map[string]struct {
		zones []dnstest.CloudflareZone
		words string
	}{
		"The only one":               {[]dnstest.CloudflareZone{right}, ""},
		"None":                       {nil, "leads to no zone cupdomain.com"},
		"One of two, nobody can say": {[]dnstest.CloudflareZone{right, other}, "leads to several zones cupdomain.com"},
	} {
		t.Run(name, func(t *testing.T) {
			_, server := serve(t)
			server.Zones = test.zones
			err := newProvider(t, server.URL, func(c *cloudflare.Config) { c.ZoneID = "" }).Probe(t.Context())
			if test.words == "" && err != nil {
				t.Error(err)
			}
			if test.words != "" {
				dnstest.WantError(t, err, v1alpha1.ReasonNotAuthoritative, true, test.words)
			}
		})
	}
}

func TestAZoneThatReplacesTheOneThatWasFoundIsFoundInItsTurn(t *testing.T) {
	for name, gone := range map[string]dnstest.CloudflareFailure{
		"The old one is not found":    {Status: 404, Code: 7003, Message: "Could not route to /zones/x"},
		"The old one is out of reach": {Status: 403, Code: 10000, Message: "Authentication error"},
		"The old ID is of no zone":    {Status: 400, Code: 1001, Message: "Invalid zone identifier"},
	} {
		t.Run(name, func(t *testing.T) {
			_, server := serve(t)
			p := newProvider(t, server.URL, func(c *cloudflare.Config) { c.ZoneID = "" })
			lookups := func() int {
				all := server.Requests()
				return len(all) - len(slices.DeleteFunc(all, func(r string) bool { return r == "GET /client/v4/zones" }))
			}
			for range 2 {
				if _, err := dnstest.Converge(t, p, units(300, false)...); err != nil || lookups() != 1 {
					t.Fatalf("publishing: %v, the zone was looked for %d times", err, lookups())
				}
			}
			server.FailNext(gone)
			if err := p.Probe(t.Context()); err == nil || strings.Contains(err.Error(), "the ID given") {
				t.Errorf("without the zone: got %v, want an error that speaks of no ID that was given", err)
			}
			if _, err := dnstest.Converge(t, p, units(300, false)...); err != nil || lookups() != 2 {
				t.Errorf("once there is another: %v, the zone was looked for %d times", err, lookups())
			}
		})
	}
}

func TestAZoneThatPartnersDoNotSeeIsRefused(t *testing.T) {
	for words, change := range map[string]func(*dnstest.CloudflareZone){
		"is cupdomain.net and not cupdomain.com":              func(z *dnstest.CloudflareZone) { z.Name = "cupdomain.net" },
		"as a secondary zone, whose records":                  func(z *dnstest.CloudflareZone) { z.Type = "secondary" },
		"delegated to bob.ns.example and lola.ns.example":     func(z *dnstest.CloudflareZone) { z.Status = "pending" },
		"zone cupdomain.com is moved at Cloudflare":           func(z *dnstest.CloudflareZone) { z.Status = "moved" },
		"no zone with the ID given for cupdomain.com, or the": func(z *dnstest.CloudflareZone) { z.ID = "" },
	} {
		_, server := serve(t)
		change(&server.Zones[0])
		p := newProvider(t, server.URL, func(c *cloudflare.Config) {
			if server.Zones[0].ID == "" {
				c.ZoneID = "elsewhere"
			}
		})
		dnstest.WantError(t, p.Probe(t.Context()), v1alpha1.ReasonNotAuthoritative, true, words)
	}
}

func TestAllPagesOfAZoneAreRead(t *testing.T) {
	zone, server := serve(t)
	server.PageSize = 7
	var foreign dns.Change
	for i := range 100 {
		name := fmt.Sprintf("a%d.cupdomain.com", i)
		foreign.Put = append(foreign.Put, dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.9")})...)
	}
	zone.Edit(foreign)
	p := newProvider(t, server.URL, nil)
	if _, err := dnstest.Converge(t, p, units(300, false)...); err != nil || len(zone.Dump()) != 105 {
		t.Errorf("got %v, %d records, want 105", err, len(zone.Dump()))
	}
	if r, err := dnstest.Converge(t, p, units(300, false)...); err != nil || r.Changed {
		t.Errorf("got %+v %v, want that nothing is changed", r, err)
	}
	if _, err := dnstest.Converge(t, p); err != nil || len(zone.Dump()) != 100 {
		t.Errorf("got %v, %d records, want the 100 of others", err, len(zone.Dump()))
	}
}

// others are records as only Cloudflare has them.
func others() []dnstest.CloudflareRecord {
	return []dnstest.CloudflareRecord{
		{ID: "1", Name: "cup1.cupdomain.com", Type: "A", TTL: 1, Content: "203.0.113.130", Proxied: true},
		{ID: "2", Name: "www.cupdomain.com", Type: "A", TTL: 1, Content: "203.0.113.1", Proxied: true},
	}
}

func TestAProxiedRecordIsForeignUntilItIsTakenOver(t *testing.T) {
	zone, server := serve(t)
	server.Others = others()
	p := newProvider(t, server.URL, nil)
	_, err := dnstest.Converge(t, p, units(300, false)...)
	dnstest.WantError(t, err, v1alpha1.ReasonRecordExistsUnowned, true, "A cup1.cupdomain.com exists")
	if diff := cmp.Diff(others(), server.Others); diff != "" || len(zone.Dump()) > 0 {
		t.Errorf("the zone changed (-before +after):\n%s%v", diff, zone.Dump())
	}
	r, err := dnstest.Converge(t, p, units(300, true)...)
	if err != nil || len(r.Adopted) != 1 {
		t.Fatalf("got %+v %v, want the record taken over", r, err)
	}
	if diff := cmp.Diff(others()[1:], server.Others); diff != "" || len(zone.Dump()) != 5 {
		t.Errorf("other records changed (-before +after):\n%s%v", diff, zone.Dump())
	}
}

func TestARecordThatSomebodyPutsBehindTheProxyIsPutBack(t *testing.T) {
	zone, server := serve(t)
	p := newProvider(t, server.URL, nil)
	if _, err := dnstest.Converge(t, p, units(300, false)...); err != nil {
		t.Fatal(err)
	}
	host := units(300, false)[1].Records[0]
	zone.Edit(dns.Change{Drop: []dns.Key{host.Key()}})
	server.Others = others()[:1]
	if r, err := dnstest.Converge(t, p, units(300, false)...); err != nil || !r.Changed {
		t.Errorf("got %+v %v, want a change", r, err)
	}
	got, err := zone.Get(t.Context(), host.Key())
	if err != nil || len(got) != 1 || !got[0].Equal(host) || len(server.Others) > 0 {
		t.Errorf("got %v %v, behind the proxy %v, want %v", got, err, server.Others, host)
	}
}

func TestTheTTLOfSeveralAddressesChangesWhateverOrderTheyAreListedIn(t *testing.T) {
	zone, server := serve(t)
	p := newProvider(t, server.URL, nil)
	host := func(ttl uint32, addresses ...string) dns.Unit {
		u := dns.Unit{Anchor: "cup1.cupdomain.com"}
		var parsed []netip.Addr
		for _, a := range addresses {
			parsed = append(parsed, netip.MustParseAddr(a))
		}
		u.Records = dns.AddressRecords("cup1.cupdomain.com", ttl, parsed)
		return u
	}
	for _, u := range []dns.Unit{
		host(300, "203.0.113.140"), host(300, "203.0.113.130", "203.0.113.140"), host(60, "203.0.113.130", "203.0.113.140"),
		host(300, "203.0.113.120", "203.0.113.140"),
	} {
		if _, err := dnstest.Converge(t, p, u); err != nil {
			t.Fatalf("publishing %v: %v", u.Records, err)
		}
		got, err := zone.Get(t.Context(), u.Records[0].Key())
		if err != nil || len(got) != 1 || !got[0].Equal(u.Records[0]) {
			t.Errorf("got %v %v, want %v", got, err, u.Records[0])
		}
	}
}

func TestWhatABatchItselfChecksIsAPrerequisite(t *testing.T) {
	host := units(300, false)[1].Records[0]
	alias := dns.RRset{Name: host.Name, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}
	for name, test := range map[string]struct{ before, change, meanwhile dns.Change }{
		"The same record is created meanwhile": {dns.Change{}, dns.Change{Put: []dns.RRset{host}}, dns.Change{Put: []dns.RRset{host}}},
		"An alias is created meanwhile":        {dns.Change{}, dns.Change{Put: []dns.RRset{host}}, dns.Change{Put: []dns.RRset{alias}}},
		"What is to be removed goes meanwhile": {dns.Change{Put: []dns.RRset{host}}, dns.Change{Drop: []dns.Key{host.Key()}},
			dns.Change{Drop: []dns.Key{host.Key()}}},
	} {
		t.Run(name, func(t *testing.T) {
			zone, server := serve(t)
			zone.Edit(test.before)
			var after []string
			server.BeforeChange(func() {
				zone.Edit(test.meanwhile)
				after = zone.Dump()
			})
			err := newProvider(t, server.URL, nil).Apply(t.Context(), test.change)
			if !errors.Is(err, dns.ErrPrerequisite) {
				t.Errorf("got %v, want that a prerequisite does not hold", err)
			}
			if diff := cmp.Diff(after, zone.Dump()); diff != "" {
				t.Errorf("the zone changed (-before +after):\n%s", diff)
			}
		})
	}
}
