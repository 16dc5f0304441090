// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestRepaired_IsWhatStoodAsItIsWanted(t *testing.T) {
	host := dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})[0]
	status := v1alpha1.RecordStatus{
		Name: "cup1.cupdomain.com", Type: "A", TTL: 300, Data: []string{"203.0.113.130"}, State: v1alpha1.RecordPublished,
	}
	with := func(edit func(*v1alpha1.RecordStatus)) v1alpha1.RecordStatus {
		other := *status.DeepCopy()
		edit(&other)
		return other
	}
	for name, test := range map[string]struct {
		stood v1alpha1.RecordStatus
		want  int
	}{
		"it stood":                         {status, 1},
		"it had not been published":        {with(func(r *v1alpha1.RecordStatus) { r.State = v1alpha1.RecordPending }), 0},
		"it had another address":           {with(func(r *v1alpha1.RecordStatus) { r.Data = []string{"203.0.113.9"} }), 0},
		"it had another TTL":               {with(func(r *v1alpha1.RecordStatus) { r.TTL = 60 }), 0},
		"another record of the name stood": {with(func(r *v1alpha1.RecordStatus) { r.Type = "AAAA" }), 0},
		"a record of the same type stood":  {with(func(r *v1alpha1.RecordStatus) { r.Name = "cup2.cupdomain.com" }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{Status: v1alpha1.FederationStatus{
				Zones: []string{"cupdomain.com"}, Records: []v1alpha1.RecordStatus{test.stood},
			}}
			if got := repaired(dns.Change{Put: []dns.RRset{host}}, standing(fed, "cupdomain.com")); len(got) != test.want {
				t.Errorf("got %v, want %d", got, test.want)
			}
		})
	}
}

func TestRepaired_CountsOwnershipRecordsThatAreMissing(t *testing.T) {
	stood := []v1alpha1.RecordStatus{{Name: "_xmpp-server._tcp.cupdomain.com", Type: "SRV", State: v1alpha1.RecordPublished}}
	for name, test := range map[string]struct {
		name   string
		absent bool
		want   int
	}{
		"of the domain":            {"own._xmppfed.cupdomain.com.", true, 1},
		"of another domain":        {"own._xmppfed.new.cupdomain.com.", true, 0},
		"the index":                {"9f86d081884c7d65._xmppfed.cupdomain.com.", true, 1},
		"a page of the index":      {"9f86d081884c7d65-1._xmppfed.cupdomain.com.", true, 0},
		"of the domain, as it was": {"own._xmppfed.cupdomain.com.", false, 0},
		"the index, as it was":     {"9f86d081884c7d65._xmppfed.cupdomain.com.", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			change := dns.Change{Put: []dns.RRset{{Name: test.name, Type: dns.TypeTXT}}}
			if test.absent {
				change.Absent = []dns.Key{change.Put[0].Key()}
			}
			if got := repaired(change, stood); len(got) != test.want {
				t.Errorf("got %v, want %d", got, test.want)
			}
		})
	}
}

func TestRepairs_AreForgottenAfterAnHour(t *testing.T) {
	r, now, uid := repairs{}, time.Unix(1_800_000_000, 0), types.UID("one")
	key := dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}
	r.note(uid, []repair{{"cupdomain.com", key, now}})
	r.note(uid, []repair{{"cupdomain.com", key, now.Add(time.Minute)}})
	for after, want := range map[time.Duration]int{time.Minute: 2, time.Hour - time.Second: 2} {
		if got := r.recent(uid, now.Add(after)); len(got) != want {
			t.Errorf("after %s: %v, want %d", after, got, want)
		}
	}
	if got := r.recent("another", now.Add(time.Minute)); len(got) != 0 {
		t.Errorf("got %v of another Federation", got)
	}
	if got := r.recent(uid, now.Add(time.Hour)); len(got) != 1 {
		t.Errorf("after an hour: %v, want the later one", got)
	}
	if r.recent(uid, now.Add(2*time.Hour)); len(r.byFed) != 0 {
		t.Errorf("%v is left", r.byFed)
	}
}

func TestRepairs_NameWhoGoesOnChanging(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	srv := repair{"cupdomain.com", dns.Key{Name: "_xmpp-server._tcp.cupdomain.com.", Type: dns.TypeSRV}, now}
	host := repair{"cupdomain.com", dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}, now}
	once := changedByOthers([]repair{srv, host})
	if !strings.Contains(once, "A cup1.cupdomain.com in zone cupdomain.com, SRV _xmpp-server._tcp.cupdomain.com") {
		t.Errorf("got %q", once)
	}
	often := changedByOthers([]repair{srv, host, srv, srv})
	for _, part := range []string{"SRV _xmpp-server._tcp.cupdomain.com in zone cupdomain.com: 3 times", "another operator", "an ExternalDNS"} {
		if !strings.Contains(often, part) {
			t.Errorf("%q does not say %q", often, part)
		}
	}
}

// repairsCounted returns what the metric counts for a zone.
func repairsCounted(t *testing.T, zone string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(dnsRepairs); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == zone {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestRepairs_AreCountedByZone(t *testing.T) {
	zones := NewZones(time.Now)
	keys := []dns.Key{{Name: "a.counted.example.", Type: dns.TypeA}, {Name: "a.counted.example.", Type: dns.TypeAAAA}}
	before, elsewhere := repairsCounted(t, "counted.example"), repairsCounted(t, "other.example")
	zones.noteRepairs("fed", "counted.example", keys)
	zones.noteRepairs("fed", "counted.example", nil)
	if got := repairsCounted(t, "counted.example") - before; got != 2 {
		t.Errorf("%v are counted, want 2", got)
	}
	if got := repairsCounted(t, "other.example") - elsewhere; got != 0 {
		t.Errorf("%v are counted for another zone", got)
	}
}
