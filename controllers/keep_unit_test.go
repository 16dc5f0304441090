// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Whatever status says is the host name: what is kept up leads to a host that was published.
func TestKeep_LeadsToAHostThatWasPublished(t *testing.T) {
	for name, test := range map[string]struct {
		status, spec, want string
	}{
		"the host name stays":               {"h.example", "h.example", "h.example"},
		"it is about to change":             {"h.example", "new.example", "h.example"},
		"somebody wrote another one":        {"elsewhere.test", "h.example", "h.example"},
		"somebody did, and the spec did so": {"elsewhere.test", "new.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{}
			fed.Spec.Domains, fed.Spec.DNS.Hostname = []v1alpha1.DomainName{"a.example"}, v1alpha1.DomainName(test.spec)
			fed.Status.Hostname, fed.Status.Zones = test.status, []string{"example"}
			fed.Status.Records = []v1alpha1.RecordStatus{
				srv("_xmpp-server._tcp.a.example", "0 0 5269 h.example."), {Name: "h.example", Type: "A", Data: []string{"203.0.113.1"}},
			}
			s := newScope(fed)
			(&FederationReconciler{Now: func() time.Time { return noon }}).keep(s)
			if got := string(s.fed.Spec.DNS.Hostname); s.keeping != (test.want != "") || s.keeping && got != test.want {
				t.Errorf("keeps %t, at %s, want %q", s.keeping, got, test.want)
			}
		})
	}
}
