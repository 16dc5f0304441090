// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// at is a time relative to noon.
func at(d time.Duration) *metav1.Time {
	t := metav1.NewTime(noon.Add(d))
	return &t
}

func srv(name, data string) v1alpha1.RecordStatus {
	return v1alpha1.RecordStatus{Name: name, Type: "SRV", TTL: 300, Data: []string{data}, State: v1alpha1.RecordPublished}
}

func TestFormerDomainsAreThoseWithRecordsThatNobodyWants(t *testing.T) {
	wanted := []string{"a.example", "rooms.a.example"}
	status := &v1alpha1.FederationStatus{
		Records: []v1alpha1.RecordStatus{
			srv("_xmpp-server._tcp.a.example", "0 0 5269 h.example."), srv("_xmpp-server._tcp.b.example", "0 0 5269 h.example."),
			srv("_xmpps-client._tcp.b.example", "0 0 5223 h.example."), {Name: "h.example", Type: "A", Data: []string{"203.0.113.1"}},
		},
		FormerDomains: []v1alpha1.FormerDomain{
			{Domain: "rooms.a.example", TTL: 60, GroupChat: true},       // wanted again
			{Domain: "c.example", TTL: 60},                              // its records may still stand
			{Domain: "d.example", TTL: 60, Until: at(0)},                // over
			{Domain: "e.example", TTL: 60, Until: at(time.Second)},      // not quite
			{Domain: "f.example", TTL: 60, Until: at(8760 * time.Hour)}, // from a clock that was ahead
		},
	}
	all := formerDomains(status, wanted, noon)
	if diff := cmp.Diff([]v1alpha1.FormerDomain{
		{Domain: "c.example", TTL: 60}, {Domain: "e.example", TTL: 60, Until: at(time.Second)},
		{Domain: "f.example", TTL: 60, Until: at(61 * time.Second)}, {Domain: "b.example", TTL: 300},
	}, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFormerPortsAreThoseOfRecordsThatNobodyWants(t *testing.T) {
	status := &v1alpha1.FederationStatus{
		Records: []v1alpha1.RecordStatus{
			srv("_xmpp-server._tcp.a.example", "0 0 5269 h.example."), srv("_xmpp-server._tcp.b.example", "0 0 5269 h.example."),
			srv("_xmpps-server._tcp.a.example", "0 0 443 h.example."), srv("_xmpp-client._tcp.a.example", "0 0 5222 h.example."),
		},
		FormerPorts: []v1alpha1.FormerPort{
			{Port: 5000, Target: "s2s", TTL: 60, Until: at(-time.Second)}, {Port: 5001, Target: "s2s", TTL: 60},
			{Port: 15269, Target: "s2s-tls", TTL: 60},
		},
	}
	got := formerPorts(status, map[string]int32{"s2s": 15269, "c2s": 5222}, noon)
	if diff := cmp.Diff([]v1alpha1.FormerPort{
		{Port: 5001, Target: "s2s", TTL: 60}, {Port: 443, Target: "s2s-tls", TTL: 300}, {Port: 5269, Target: "s2s", TTL: 300},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheTimeOfWhatIsFormerBeginsOnce(t *testing.T) {
	status := &v1alpha1.FederationStatus{
		FormerDomains: []v1alpha1.FormerDomain{{Domain: "a.example", TTL: 300}, {Domain: "b.example", TTL: 300, Until: at(time.Minute)}},
		FormerPorts:   []v1alpha1.FormerPort{{Port: 5269, Target: "s2s", TTL: 10}},
	}
	if soonest := endFormer(status, noon); soonest != 11*time.Second {
		t.Errorf("the first goes after %s", soonest)
	}
	if diff := cmp.Diff(&v1alpha1.FederationStatus{
		FormerDomains: []v1alpha1.FormerDomain{{Domain: "a.example", TTL: 300, Until: at(301 * time.Second)}, {Domain: "b.example", TTL: 300, Until: at(time.Minute)}},
		FormerPorts:   []v1alpha1.FormerPort{{Port: 5269, Target: "s2s", TTL: 10, Until: at(11 * time.Second)}},
	}, status); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if soonest := endFormer(&v1alpha1.FederationStatus{}, noon); soonest != 0 {
		t.Errorf("with nothing former, the first goes after %s", soonest)
	}
}

func TestWherePeopleWriteOnlyWhatWasPublishedCounts(t *testing.T) {
	unit := func(domain string, heldOnly bool) dns.Unit {
		return dns.Unit{Anchor: domain, HeldOnly: heldOnly, Records: []dns.RRset{dns.SRVRecord(dns.ServiceXMPPServer, domain, 300, dns.SRV{})}}
	}
	pending := srv("_xmpp-server._tcp.c.example", "0 0 5269 h.example.")
	pending.State = v1alpha1.RecordPending
	now, later := advisable(
		[]dns.Unit{unit("a.example", true), unit("b.example", true), unit("c.example", true), unit("d.example", false)},
		[]v1alpha1.RecordStatus{srv("_xmpp-server._tcp.a.example", "0 0 5269 h.example."), pending},
	)
	if diff := cmp.Diff([]dns.Unit{unit("a.example", false), unit("d.example", false)}, now); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]dns.Unit{unit("b.example", true), unit("c.example", true)}, later); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}
}

func TestUnitsWaitForTheServiceRecordsThatTheServerHasProved(t *testing.T) {
	unit := func(names ...string) dns.Unit {
		var records []dns.RRset
		for _, name := range names {
			records = append(records, dns.SRVRecord(name, "a.example", 300, dns.SRV{}))
		}
		return dns.Unit{Anchor: "a.example", Records: records}
	}
	host := dns.Unit{Anchor: "h.example"}
	both := unit(dns.ServiceXMPPServer, dns.ServiceXMPPSServer)
	published := []v1alpha1.RecordStatus{srv("_xmpp-server._tcp.z.example", "0 0 5269 h.example.")}
	for name, tc := range map[string]struct {
		policy     v1alpha1.PublicationPolicy
		served     []string
		records    []v1alpha1.RecordStatus
		unit, host bool
	}{
		"nothing proved":                {unit: true, host: true},
		"one of two":                    {served: []string{"_xmpp-server._tcp.a.example"}, unit: true},
		"both":                          {served: []string{"_xmpp-server._tcp.a.example", "_xmpps-server._tcp.a.example"}},
		"nothing, but another is there": {records: published, unit: true},
		"nothing, nor is it asked for":  {policy: v1alpha1.PublishImmediately},
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{}
			fed.UID, fed.Spec.DNS.PublicationPolicy, fed.Status.Records = "fed", tc.policy, tc.records
			r, s := &FederationReconciler{}, newScope(fed)
			r.proofs.begin(fed.UID, "inputs")
			r.proofs.end(fed.UID, check.Proof{Served: tc.served}, true, "inputs", noon)
			wanted := map[string][]dns.Unit{"example": {host, both}}
			r.holdBack(s, wanted)
			if got := wanted["example"]; got[0].HeldOnly != tc.host || got[1].HeldOnly != tc.unit {
				t.Errorf("host waits: %v, unit waits: %v", got[0].HeldOnly, got[1].HeldOnly)
			}
		})
	}
}
