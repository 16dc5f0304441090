// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/route53"
)

// route53Zone is a hosted zone of a local Route 53.
type route53Zone struct {
	memoryZone
	server   *dnstest.Route53
	provider *route53.Provider
}

func (z route53Zone) Provider() dns.Provider { return z.provider }

func (z route53Zone) Losing() dns.Provider {
	z.server.LoseAnswers(1)
	return z.provider
}

func newRoute53Zone(t *testing.T) conformance.Zone {
	t.Helper()
	z := newMemoryZone()
	server := dnstest.ServeRoute53(t, z.Memory)
	provider, err := route53.New(route53.Config{
		Reader: reader(t, z), Region: dnstest.Route53Region, Endpoint: server.URL,
		AccessKeyID: dnstest.Route53KeyID, SecretAccessKey: dnstest.Route53Secret, Backoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return route53Zone{z, server, provider}
}

func TestRoute53Conforms(t *testing.T) {
	table.Run(t, conformance.Subject{Name: "Route 53 (local)", Fresh: newRoute53Zone, Exceptions: map[string]string{
		"As many domains as a Federation may have fit into one update": "Route 53 takes 32,000 characters of data in a change; " +
			"64 domains fit only if their names are short",
	}})
}
