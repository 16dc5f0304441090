//go:build integration

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

const guideZone = "cupdomain.com"

// publishAsTheGuideSays publishes what the Federation of config/samples publishes, at a real BIND whose update-policy holds
// the given lines, with a key that may do nothing else (except service records of the domain itself).
func publishAsTheGuideSays(t *testing.T, grants []string) error {
	t.Helper()
	policy := strings.ReplaceAll(strings.Join(grants, " "), dnstest.FedKey, dnstest.LimitedKey)
	named := dnstest.StartNamed(t, dnstest.NamedOptions{Zones: map[string]string{guideZone: ""}, Grants: policy})
	client, err := rfc2136.New(rfc2136.Config{
		Zone: guideZone, Servers: []string{named.Address},
		KeyName: dnstest.LimitedKey, Algorithm: "hmac-sha256", Secret: dnstest.LimitedSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := dns.NewSigner([]byte("a key of some length for this test"))
	if err != nil {
		t.Fatal(err)
	}
	srv := dns.SRV{Port: 5269, Target: "cup1.cupdomain.com."}
	result, err := dns.Converge(t.Context(), client, signer, dns.Owner{ID: "0123456789abcdef"}, []dns.Unit{
		{Anchor: "cup1.cupdomain.com", Records: dns.AddressRecords("cup1.cupdomain.com", 300,
			[]netip.Addr{netip.MustParseAddr("203.0.113.128"), netip.MustParseAddr("2001:db8::128")})},
		{Anchor: guideZone, Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, guideZone, 300, srv),
			dns.SRVRecord(dns.ServiceXMPPServer, "conference."+guideZone, 300, srv),
		}},
	})
	return cmp.Or(err, result.Err())
}

func TestTheUpdatePolicyOfTheGuideIsTheLeastThatIsNeeded(t *testing.T) {
	grants := regexp.MustCompile(`grant fed-key [^;]+;`).FindAllString(readText(t, "docs/guides/dns.md"), -1)
	if len(grants) < 5 {
		t.Fatalf("the guide has the lines %q", grants)
	}
	if err := publishAsTheGuideSays(t, grants); err != nil {
		t.Fatalf("all lines together are not enough: %v", err)
	}
	for i, grant := range grants {
		if strings.Contains(grant, "_tcp.cupdomain.com.") {
			continue // the test's key has this one anyway
		}
		t.Run("without "+grant, func(t *testing.T) {
			var refused *dns.Error
			err := publishAsTheGuideSays(t, slices.Delete(slices.Clone(grants), i, i+1))
			if !errors.As(err, &refused) || refused.Reason != v1alpha1.ReasonUpdateRefused {
				t.Errorf("got %v, want reason %s; the line is not needed", err, v1alpha1.ReasonUpdateRefused)
			}
		})
	}
}
