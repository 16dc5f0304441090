// SPDX-License-Identifier: Apache-2.0

//go:build integration

package rfc2136_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

func publish(t *testing.T, c *rfc2136.Client) error {
	t.Helper()
	_, err := dnstest.Converge(t, c, dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)...)
	return err
}

func TestFailuresOfBINDBecomeReasonsAndFixes(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	zone := bindZone{t: t, named: named, zone: "cupdomain.com"}
	before := zone.Dump()
	tests := map[string]struct {
		change func(*rfc2136.Config)
		reason string
		words  []string
		// probe tells that the reason is seen already when the server is probed.
		probe bool
	}{
		"A wrong secret is reported": {
			change: func(c *rfc2136.Config) {
				c.Secret = base64.StdEncoding.EncodeToString([]byte("another secret than the server's"))
			},
			reason: v1alpha1.ReasonTSIGBadSignature, words: []string{"fed-key", "another secret (BADSIG)", "puts the secret"}, probe: true,
		},
		"An unknown key is reported": {
			change: func(c *rfc2136.Config) { c.KeyName = "fed-kye" },
			reason: v1alpha1.ReasonTSIGKeyUnknown, words: []string{"fed-kye", "tsig-keygen -a hmac-sha256 fed-kye"}, probe: true,
		},
		"A known key with another algorithm is reported": {
			change: func(c *rfc2136.Config) { c.Algorithm = "hmac-sha512" },
			reason: v1alpha1.ReasonTSIGKeyUnknown, words: []string{"with algorithm hmac-sha512"}, probe: true,
		},
		"A clock that is behind is reported": {
			change: func(c *rfc2136.Config) { c.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) } },
			reason: v1alpha1.ReasonClockSkew, words: []string{"differ by hours", "that of the DNS server is ahead"}, probe: true,
		},
		"A clock that is ahead is reported": {
			change: func(c *rfc2136.Config) { c.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } },
			reason: v1alpha1.ReasonClockSkew, words: []string{"differ by minutes", "that of the operator is ahead"}, probe: true,
		},
		"A key that may not update is reported with the lines that allow it": {
			change: func(c *rfc2136.Config) { c.KeyName, c.Secret = dnstest.LimitedKey, dnstest.LimitedSecret },
			reason: v1alpha1.ReasonUpdateRefused, words: []string{
				"grant limited-key name _xmpp-server._tcp.cupdomain.com. SRV;",
				"grant limited-key name cup1.cupdomain.com. A;",
				"grant limited-key subdomain _xmppfed.cup1.cupdomain.com. TXT;",
				"grant limited-key subdomain _xmppfed.cupdomain.com. TXT;",
			},
		},
		"A zone that the server does not have is reported": {
			change: func(c *rfc2136.Config) { c.Zone = "com" },
			reason: v1alpha1.ReasonNotAuthoritative, words: []string{"is not the primary of zone com"}, probe: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := bindZone{t: t, named: named, zone: "cupdomain.com"}.client(test.change)
			dnstest.WantError(t, publish(t, c), test.reason, true, test.words...)
			err := c.Probe(context.Background())
			if test.probe {
				dnstest.WantError(t, err, test.reason, true, test.words...)
			} else if err != nil {
				t.Errorf("probing: got %v, want no error", err)
			}
		})
	}
	if after := zone.Dump(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the zone was\n%s\nand is\n%s", before, after)
	}
}

func TestANameThatIsDelegatedIsReported(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": "cup1 NS ns.elsewhere.example.\n"}})
	c := bindZone{t: t, named: named, zone: "cupdomain.com"}.client(nil)
	dnstest.WantError(t, publish(t, c), v1alpha1.ReasonNotAuthoritative, true, "cup1.cupdomain.com is delegated", "create a DNSZone for cup1.cupdomain.com")
}

func TestAStoppedServerIsReportedAndHealsWithoutHelp(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	c := bindZone{t: t, named: named, zone: "cupdomain.com"}.client(nil)
	if err := publish(t, c); err != nil {
		t.Fatal(err)
	}
	named.Stop()
	dnstest.WantError(t, publish(t, c), v1alpha1.ReasonServerUnavailable, false, named.Address+" refuses connections", "whoever runs it starts it")
	dnstest.WantError(t, c.Probe(context.Background()), v1alpha1.ReasonServerUnavailable, false)
	named.Start()
	if err := publish(t, c); err != nil {
		t.Errorf("publishing after the server is back: %v", err)
	}
	if err := c.Probe(context.Background()); err != nil {
		t.Errorf("probing after the server is back: %v", err)
	}
}

func TestTheNextServerIsAskedWhenTheFirstCanNotBeReached(t *testing.T) {
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{"cupdomain.com": foreign}})
	c := bindZone{t: t, named: named, zone: "cupdomain.com"}.client(func(cfg *rfc2136.Config) {
		cfg.Servers = []string{"127.0.0.1:1", named.Address}
	})
	if err := publish(t, c); err != nil {
		t.Fatal(err)
	}
}

func TestTheGrantsInTheMessageSuffice(t *testing.T) {
	limited := func(cfg *rfc2136.Config) { cfg.KeyName, cfg.Secret = dnstest.LimitedKey, dnstest.LimitedSecret }
	zones := map[string]string{"cupdomain.com": foreign}
	refusing := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: zones})
	err := publish(t, bindZone{t: t, named: refusing, zone: "cupdomain.com"}.client(limited))
	dnstest.WantError(t, err, v1alpha1.ReasonUpdateRefused, true)
	_, rest, _ := strings.Cut(err.Error(), "update-policy {")
	grants, _, _ := strings.Cut(rest, "}")
	allowing := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: zones, Grants: grants})
	if err := publish(t, bindZone{t: t, named: allowing, zone: "cupdomain.com"}.client(limited)); err != nil {
		t.Errorf("publishing with update-policy {%s}: %v", grants, err)
	}
}
