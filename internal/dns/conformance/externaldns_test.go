// SPDX-License-Identifier: Apache-2.0

//go:build integration

package conformance_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/webhook"
)

// hookedZone is a zone of a real PowerDNS behind the webhook server of a real ExternalDNS.
type hookedZone struct {
	serverZone
	t   *testing.T
	url string
}

func (z hookedZone) Provider() dns.Provider { return z.through(z.url) }

// Losing goes through a proxy that breaks the connection when the first change is made.
func (z hookedZone) Losing() dns.Provider {
	target, err := url.Parse(z.url)
	if err != nil {
		z.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	var lost atomic.Bool
	proxy.ModifyResponse = func(answer *http.Response) error {
		if answer.StatusCode == http.StatusNoContent && lost.CompareAndSwap(false, true) {
			return http.ErrAbortHandler
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(proxy)
	z.t.Cleanup(server.Close)
	return z.through(server.URL)
}

func (z hookedZone) through(address string) *webhook.Provider {
	return z.with(webhook.Config{URL: address, BareTargets: true})
}

func (z hookedZone) with(cfg webhook.Config) *webhook.Provider {
	z.t.Helper()
	cfg.Reader = z.reader()
	provider, err := webhook.New(cfg)
	if err != nil {
		z.t.Fatal(err)
	}
	return provider
}

// reader asks the PowerDNS.
func (z hookedZone) reader() *public.Reader {
	z.t.Helper()
	server := netip.MustParseAddrPort(z.server.Address)
	reader, err := public.New(public.Config{Zone: z.zone, Resolvers: []string{server.String()}, Port: server.Port()})
	if err != nil {
		z.t.Fatal(err)
	}
	return reader
}

// hookCase is about what lies behind the webhook.
type hookCase struct {
	name string
	run  func(*testing.T, hookedZone)
}

func hookCases() []hookCase {
	return []hookCase{
		{"Service records end with a dot in the zone, whether their targets do at the webhook or not", dots},
		{"TLSA records pass the webhook", tlsa},
		{"Steps that the service refuses change nothing, and count as ServerUnavailable", refusedStep},
		{"A zone that the webhook ignores is NotApplied", ignoredZone},
		{"A service that is away is ServerUnavailable, and written to when it is back", away},
	}
}

// served fails unless the PowerDNS answers with the records of the units.
func (z hookedZone) served(units []dns.Unit) {
	z.t.Helper()
	for _, u := range units {
		for _, want := range u.Records {
			got, err := z.reader().Get(context.Background(), want.Key())
			if err != nil || len(got) != 1 || !got[0].Equal(want) {
				z.t.Errorf("asking for %s: got %v %v, want %v", want.Key(), got, err, want)
			}
		}
	}
}

// publish and release through a provider.
func (z hookedZone) publish(provider dns.Provider, units []dns.Unit) {
	z.t.Helper()
	before := z.Dump()
	if err := converge(z.t, provider, units); err != nil {
		z.t.Fatalf("publishing: %v", err)
	}
	z.served(units)
	if err := converge(z.t, provider, nil); err != nil {
		z.t.Fatalf("releasing: %v", err)
	}
	if diff := cmp.Diff(before, z.Dump()); diff != "" {
		z.t.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func dots(_ *testing.T, z hookedZone) {
	for _, bare := range []bool{true, false} {
		provider := z.with(webhook.Config{URL: z.url, BareTargets: bare})
		z.publish(provider, federation(provider.Apex()))
	}
}

func tlsa(_ *testing.T, z hookedZone) {
	units := federation(z.reader().Apex())
	units[1].Records = append(units[1].Records, dns.RRset{
		Name: "_5269._tcp." + units[1].Anchor, Type: dns.TypeTLSA, TTL: 300,
		Data: []dns.Data{dns.TLSA{Usage: 3, Selector: 1, Matching: 1, Data: strings.Repeat("ab", 32)}},
	})
	z.publish(z.Provider(), units)
}

func refusedStep(t *testing.T, z hookedZone) {
	provider := z.Provider()
	alias := dns.RRset{Name: "alias." + provider.Apex(), Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}
	z.Edit(dns.Change{Put: []dns.RRset{alias}})
	before := z.Dump()
	var change dns.Change
	for _, name := range []string{"cup1." + provider.Apex(), alias.Name} {
		change.Put = append(change.Put, dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})...)
	}
	e, ok := dns.AsError(provider.Apply(context.Background(), change))
	if !ok || e.Reason != v1alpha1.ReasonServerUnavailable || !e.Unsettled || !strings.Contains(e.Message, "status 500") {
		t.Errorf("writing beside an alias: got %+v, want ServerUnavailable with status 500", e)
	}
	if diff := cmp.Diff(before, z.Dump()); diff != "" {
		t.Errorf("the zone changed (-before +after):\n%s", diff)
	}
}

func ignoredZone(t *testing.T, z hookedZone) {
	z.zone = "ignored.example"
	provider := z.Provider()
	e, ok := dns.AsError(converge(t, provider, federation(provider.Apex())))
	if !ok || e.Reason != v1alpha1.ReasonNotApplied || !strings.Contains(e.Message, "filter of a webhook") {
		t.Errorf("publishing in a zone that PowerDNS does not have: got %+v, want NotApplied", e)
	}
}

func away(t *testing.T, z hookedZone) {
	z.server.Stop()
	provider := z.through(z.url)
	units := federation(provider.Apex())
	err := converge(t, provider, units)
	z.server.Start()
	if e, ok := dns.AsError(err); !ok || e.Reason != v1alpha1.ReasonServerUnavailable || e.Permanent {
		t.Errorf("publishing without PowerDNS: got %+v, want ServerUnavailable", e)
	}
	z.publish(provider, units)
}

func TestWebhookConformsWithARealExternalDNS(t *testing.T) {
	power := dnstest.StartPowerDNS(t, map[string]string{"other.example": foreign})
	address := dnstest.StartWebhookServer(t, power)
	next := 0
	fresh := func(t *testing.T) hookedZone {
		zone := fmt.Sprintf("cup%02d.example", next)
		next++
		power.AddZone(t, zone, foreign)
		return hookedZone{serverZone{updates{t, power.Address, zone}, power.Daemon}, t, address}
	}
	const name = "webhook (ExternalDNS 0.20, PowerDNS)"
	table.Run(t, conformance.Subject{Name: name, Fresh: func(t *testing.T) conformance.Zone { return fresh(t) }})
	for _, c := range hookCases() {
		table.Case(t, name, c.name, func(t *testing.T) conformance.Result {
			c.run(t, fresh(t))
			return conformance.OK
		})
	}
}
