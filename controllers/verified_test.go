// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestVerifiableInputs_AreNoneWhereMoreDecides(t *testing.T) {
	standing := []v1alpha1.RecordStatus{{Name: "cup1.cupdomain.com", Type: "A", State: v1alpha1.RecordPublished}}
	for name, test := range map[string]struct {
		edit func(*v1alpha1.Federation)
		want bool
	}{
		"all is published":           {func(*v1alpha1.Federation) {}, true},
		"a record is pending":        {func(fed *v1alpha1.Federation) { fed.Status.Records[0].State = v1alpha1.RecordPending }, false},
		"a host name is given up":    {func(fed *v1alpha1.Federation) { fed.Status.FormerHosts = make([]v1alpha1.FormerHost, 1) }, false},
		"a domain is given up":       {func(fed *v1alpha1.Federation) { fed.Status.FormerDomains = make([]v1alpha1.FormerDomain, 1) }, false},
		"a port is given up":         {func(fed *v1alpha1.Federation) { fed.Status.FormerPorts = make([]v1alpha1.FormerPort, 1) }, false},
		"names are handed over":      {func(fed *v1alpha1.Federation) { fed.Spec.DNS.TransferTo = "9f86d081884c7d65900a" }, false},
		"TLSA records are wanted":    {func(fed *v1alpha1.Federation) { fed.Spec.DNS.TLSA = v1alpha1.TLSAEnabled }, false},
		"TLSA records are withdrawn": {func(fed *v1alpha1.Federation) { fed.Status.TLSA = &v1alpha1.TLSAStatus{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{}
			fed.Status.Records = append(fed.Status.Records, standing...)
			test.edit(fed)
			got, err := verifiableInputs(newScope(fed), nil)
			if err != nil || (got != "") != test.want {
				t.Errorf("got %q, %v, want that it can be believed: %v", got, err, test.want)
			}
		})
	}
}

func TestVerifiableInputs_ChangeWithWhatTheRecordsFollowFrom(t *testing.T) {
	base := func() *scope {
		s := newScope(&v1alpha1.Federation{})
		s.fed.Status.Records = []v1alpha1.RecordStatus{{Name: "cup1.cupdomain.com", Type: "A", State: v1alpha1.RecordPublished}}
		s.fed.Status.Zones = []string{"cupdomain.com"}
		return s
	}
	inputs := func(s *scope, version int) string {
		t.Helper()
		got, err := verifiableInputs(s, map[string]int{"cupdomain.com": version})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := inputs(base(), 1)
	if inputs(base(), 1) != before {
		t.Error("they differ though nothing changed")
	}
	if inputs(base(), 2) == before {
		t.Error("they are the same though others changed the zone")
	}
	for name, edit := range map[string]func(*scope){
		"the spec":                 func(s *scope) { s.fed.Generation++ },
		"the address":              func(s *scope) { s.addresses = []netip.Addr{netip.MustParseAddr("203.0.113.130")} },
		"the zone of a name":       func(s *scope) { s.apexes = map[string]string{"cup1.cupdomain.com": "cupdomain.com"} },
		"what may be taken over":   func(s *scope) { s.adoptable = map[string]bool{"cupdomain.com": true} },
		"what status says of them": func(s *scope) { s.fed.Status.Records[0].TTL = 60 },
		"the zones":                func(s *scope) { s.fed.Status.Zones = nil },
	} {
		s := base()
		edit(s)
		if inputs(s, 1) == before {
			t.Errorf("they are the same though %s changed", name)
		}
	}
}
