// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/manual"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// manualZone is a zone that only people write to.
type manualZone struct {
	memoryZone
	provider manual.Provider
}

func (z manualZone) Provider() dns.Provider { return z.provider }
func (z manualZone) Losing() dns.Provider   { return z.provider }

func newManualZone(t *testing.T) conformance.Zone {
	t.Helper()
	z := newMemoryZone()
	return manualZone{z, manual.New(reader(t, z))}
}

// reader reads the zone as the world does.
func reader(t *testing.T, z memoryZone) *public.Reader {
	t.Helper()
	resolver, port := dnstest.Delegate(t, z.Memory)
	reader, err := public.New(public.Config{Zone: z.Apex(), Resolvers: []string{resolver}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func TestManualConforms(t *testing.T) {
	table.Run(t, conformance.Subject{Name: "manual", Fresh: newManualZone})
}
