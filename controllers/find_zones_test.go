// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestWhatASearchOfZonesMeans(t *testing.T) {
	names := []string{"cupdomain.com"}
	dead := outcome.Waiting(v1alpha1.ReasonServerUnavailable, time.Second, "no server answers")
	unprobed := outcome.Unlearnt(v1alpha1.ReasonZoneNotProbed, "not asked yet")
	for name, test := range map[string]struct {
		answer asked
		want   searchResult
	}{
		"nothing there":   {asked{apex: "a", names: names}, searchResult{}},
		"something there": {asked{apex: "a", trace: dns.TraceOurs}, searchResult{found: []string{"a"}}},
		"signed with another key, among our names":   {asked{apex: "a", names: names, trace: dns.TraceForged}, searchResult{found: []string{"a"}}},
		"signed with another key, somewhere else":    {asked{apex: "a", trace: dns.TraceForged}, searchResult{unasked: 1}},
		"no answer about our names":                  {asked{apex: "a", names: names, err: dead}, searchResult{stuckIn: "a", err: dead}},
		"no answer from a zone that status lists":    {asked{apex: "a", listed: true, err: dead}, searchResult{stuckIn: "a", err: dead}},
		"no answer from a zone of others":            {asked{apex: "a", err: dead}, searchResult{unasked: 1}},
		"a zone of others that is about to be asked": {asked{apex: "a", err: unprobed}, searchResult{stuckIn: "a", err: unprobed}},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeSearch([]asked{test.answer})
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(searchResult{}), cmpopts.EquateErrors()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhereToSearch(t *testing.T) {
	fed := &v1alpha1.Federation{Spec: v1alpha1.FederationSpec{
		Domains: []v1alpha1.DomainName{"cupdomain.com", "eu.cupdomain.com"}, DNS: v1alpha1.DNSSpec{Hostname: "cup1.eu.cupdomain.com"},
	}}
	fed.Status.Zones = []string{"known.com"}
	fed.Status.Records = []v1alpha1.RecordStatus{{Name: "_xmpp-server._tcp.former.example.com", Type: "SRV"}}
	var zones []v1alpha1.DNSZone
	for _, apex := range []v1alpha1.DomainName{"others.com", "known.com", "eu.cupdomain.com", "cupdomain.com", "cupdomain.com", "example.com"} {
		zones = append(zones, v1alpha1.DNSZone{Spec: v1alpha1.DNSZoneSpec{Zone: apex}})
	}
	want := []asked{
		{apex: "cupdomain.com", names: []string{"cupdomain.com"}},
		{apex: "eu.cupdomain.com", names: []string{"cup1.eu.cupdomain.com", "eu.cupdomain.com"}},
		{apex: "example.com", names: []string{"former.example.com"}},
		{apex: "known.com", listed: true},
		{apex: "others.com"},
	}
	if diff := cmp.Diff(want, placeSearch(fed, zones), cmp.AllowUnexported(asked{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALivingFederationDoesNotSearchAllTheTime(t *testing.T) {
	now := time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)
	var s searches
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Minute, false}, {59 * time.Minute, false}, {time.Hour, true}, {-24 * time.Hour, true}} {
		got := s.due("uid", now.Add(step.after))
		if got != step.want {
			t.Errorf("after %s: got %t, want %t", step.after, got, step.want)
		}
		if got && !s.due("uid", now.Add(step.after)) {
			t.Errorf("after %s: what was not written down counts as searched", step.after)
		}
		if got {
			s.made("uid", now.Add(step.after))
		}
	}
	s.forget("uid")
	if len(s.byFed) > 0 {
		t.Errorf("left: %v", s.byFed)
	}
}
