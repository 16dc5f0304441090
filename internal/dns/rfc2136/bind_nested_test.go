// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestAZoneBelowAtTheSameBINDTakesOverWhatTheZoneAboveHad(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign, "eu.cupdomain.com": ""}})
	parent, child := bindZone{t: t, named: named, zone: "cupdomain.com"}, bindZone{t: t, named: named, zone: "eu.cupdomain.com"}
	units := dnstest.Federation("cup1.eu.cupdomain.com", "203.0.113.130", 300)[1:]
	// BIND takes the update, and answers from the zone below: all is as if that had been added later.
	_, err := dnstest.Converge(t, parent.client(nil), units...)
	dnstest.WantError(t, err, v1alpha1.ReasonNotApplied, false)
	if _, err := dnstest.Converge(t, child.client(nil), units...); err != nil {
		t.Fatalf("publishing in the zone below: %v", err)
	}
	if r, err := dnstest.Converge(t, parent.client(nil)); err != nil || !r.Changed {
		t.Fatalf("releasing the zone above: got %+v, %v", r, err)
	}
	if dump := strings.Join(parent.Dump(), "\n"); strings.Contains(dump, "owner001._xmppfed.cupdomain.com") {
		t.Errorf("the index of the zone above is left:\n%s", dump)
	}
	if dump := strings.Join(child.Dump(), "\n"); !strings.Contains(dump, "203.0.113.130") || !strings.Contains(dump, "own._xmppfed.cup1.eu") {
		t.Errorf("the zone below has lost what stands there:\n%s", dump)
	}
}
