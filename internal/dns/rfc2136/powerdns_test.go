// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestPowerDNSTakesUpdatesOnceItKnowsWhereTheyComeFrom(t *testing.T) {
	power := dnstest.StartPowerDNS(t, map[string]string{"cupdomain.com": foreign}, "allow-dnsupdate-from=203.0.113.0/24")
	c := bindZone{t: t, named: power.Daemon, zone: "cupdomain.com"}.client(nil)
	dnstest.WantError(t, publish(t, c), v1alpha1.ReasonUpdateRefused, true, "in PowerDNS with TSIG-ALLOW-DNSUPDATE", "ALLOW-DNSUPDATE-FROM")
	power.AllowUpdatesFrom(t, "cupdomain.com", "127.0.0.1/32")
	if err := publish(t, c); err != nil {
		t.Errorf("publishing as an address that is let in: %v", err)
	}
}
