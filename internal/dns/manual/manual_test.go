// SPDX-License-Identifier: Apache-2.0

package manual_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/manual"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

func newProvider(t *testing.T, zone *dnstest.Memory) (p manual.Provider, port uint16) {
	t.Helper()
	resolver, port := dnstest.Delegate(t, zone)
	reader, err := public.New(public.Config{Zone: zone.Apex(), Resolvers: []string{resolver}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return manual.New(reader), port
}

func TestRecordsArePublishedOnceEveryServerHasWhatPeopleWereTold(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	p, port := newProvider(t, zone)
	unit := dns.Unit{Anchor: "cup1.cupdomain.com", Records: dns.AddressRecords("cup1.cupdomain.com", 300,
		[]netip.Addr{netip.MustParseAddr("203.0.113.130")})}
	_, err := dnstest.Converge(t, p, unit)
	e, ok := dns.AsError(err)
	if !ok || e.Reason != v1alpha1.ReasonRecordsToCreate || len(e.Records) != 1 {
		t.Fatalf("got %v, want one record to create", err)
	}
	zone.Edit(dns.Change{Put: e.Records})
	if _, err := dnstest.Converge(t, p, unit); err != nil {
		t.Errorf("after the record was created: %v", err)
	}
	report, err := verify.Verifier{Port: port}.Check(context.Background(), p, unit.Records, nil)
	if err != nil || !report.Published(unit.Records[0].Key()) {
		t.Errorf("got %+v, %v, want that it is published", report, err)
	}
}

func TestNothingIsEverWritten(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	p, _ := newProvider(t, zone)
	before := len(zone.Dump())
	e, ok := dns.AsError(p.Apply(context.Background(), dns.Change{Drop: []dns.Key{{Name: "ns1.cupdomain.com.", Type: dns.TypeA}}}))
	if !ok || e.Reason != v1alpha1.ReasonRecordsToCreate || p.Capabilities().Writes || len(zone.Dump()) != before {
		t.Errorf("got %+v, want that it is refused", e)
	}
}
