// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/cloudflare"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// cloudflareZone is a zone of a local Cloudflare.
type cloudflareZone struct {
	memoryZone
	server   *dnstest.Cloudflare
	provider *cloudflare.Provider
}

func (z cloudflareZone) Provider() dns.Provider { return z.provider }

func (z cloudflareZone) Losing() dns.Provider {
	z.server.LoseAnswers(1)
	return z.provider
}

func newCloudflareZone(t *testing.T) conformance.Zone {
	t.Helper()
	z := newMemoryZone()
	server := dnstest.ServeCloudflare(t, z.Memory)
	provider, err := cloudflare.New(cloudflare.Config{Reader: reader(t, z), APIToken: dnstest.CloudflareToken, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return cloudflareZone{z, server, provider}
}

func TestCloudflareConforms(t *testing.T) {
	table.Run(t, conformance.Subject{Name: "Cloudflare (local)", Fresh: newCloudflareZone, Exceptions: map[string]string{
		"As many domains as a Federation may have fit into one update": "Cloudflare takes 4,096 bytes in a record, and the index of 64 " +
			"domains fits only if their names are short",
	}})
}
