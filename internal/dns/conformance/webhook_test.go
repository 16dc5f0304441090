// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/webhook"
)

// webhookZone is behind a webhook of ExternalDNS' protocol.
type webhookZone struct {
	memoryZone
	server   *dnstest.Webhook
	provider *webhook.Provider
}

func (z webhookZone) Provider() dns.Provider { return z.provider }

func (z webhookZone) Losing() dns.Provider {
	z.server.LoseAnswers(1)
	return z.provider
}

func newWebhookZone(t *testing.T) conformance.Zone {
	t.Helper()
	z := newMemoryZone()
	server := dnstest.ServeWebhook(t, z.Memory)
	provider, err := webhook.New(webhook.Config{URL: server.URL, Reader: reader(t, z)})
	if err != nil {
		t.Fatal(err)
	}
	return webhookZone{z, server, provider}
}

func TestWebhookConforms(t *testing.T) {
	table.Run(t, conformance.Subject{Name: "webhook", Fresh: newWebhookZone})
}
