// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/checktest"
)

// loopback leads every address to the server of the same port.
type loopback map[string]string

func (l loopback) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, l[address])
}

func pairFor(t *testing.T, from time.Time, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: from, NotAfter: from.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func startedServer(t *testing.T, s *checktest.Server) string {
	t.Helper()
	address, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return address
}

func TestServesProvesEachDomainByItself(t *testing.T) {
	now := time.Now()
	good := pairFor(t, now.Add(-time.Minute), "a.example", "rooms.a.example")
	both := []string{"a.example", "rooms.a.example"}
	for name, tc := range map[string]struct {
		server  *checktest.Server
		served  []string
		missing string
	}{
		"a server of all of them": {
			server: &checktest.Server{Hosts: both, Certificate: good},
			served: []string{"_xmpp-server._tcp.a.example", "_xmpp-server._tcp.rooms.a.example"},
		},
		"one that lacks a domain": {
			server:  &checktest.Server{Hosts: both[1:], Certificate: good},
			served:  []string{"_xmpp-server._tcp.rooms.a.example"},
			missing: `the server refuses streams to a.example with "host-unknown" ""`,
		},
		"one whose certificate lacks a name": {
			server:  &checktest.Server{Hosts: both, Certificate: pairFor(t, now.Add(-time.Minute), "a.example")},
			served:  []string{"_xmpp-server._tcp.a.example"},
			missing: `the certificate served for rooms.a.example does not name it, but "a.example"`,
		},
		"one whose certificate has expired": {
			server:  &checktest.Server{Hosts: both, Certificate: pairFor(t, now.Add(-2*time.Hour), both...)},
			missing: "the certificate served for a.example expired at ",
		},
		"one without encryption": {
			server:  &checktest.Server{Hosts: both},
			missing: "the server offers no encryption (STARTTLS) for a.example",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checker := check.New()
			checker.Dialer = loopback{"10.244.0.5:5269": startedServer(t, tc.server)}
			got := checker.Serves(t.Context(), check.InboundTarget{
				Domains: both, Port: 5269, Through: []netip.Addr{netip.MustParseAddr("10.244.0.5")},
			})
			if !slices.Equal(got.Served, tc.served) || !strings.HasPrefix(got.Missing, tc.missing) || (tc.missing == "") != (got.Missing == "") {
				t.Errorf("got %q, missing %q", got.Served, got.Missing)
			}
		})
	}
}

func TestServesProvesWhatEveryAddressAndPortAnswersFor(t *testing.T) {
	domains := []string{"a.example"}
	pair := pairFor(t, time.Now().Add(-time.Minute), domains...)
	good := startedServer(t, &checktest.Server{Hosts: domains, Certificate: pair})
	direct := startedServer(t, &checktest.Server{Hosts: domains, Certificate: pair, Direct: true})
	bare := startedServer(t, &checktest.Server{Certificate: pair})
	target := check.InboundTarget{
		Domains: domains, Port: 5269, DirectPort: 5270,
		Through: []netip.Addr{netip.MustParseAddr("10.244.0.5"), netip.MustParseAddr("10.244.0.6")},
	}
	for name, tc := range map[string]struct {
		network loopback
		served  []string
	}{
		"all": {
			loopback{"10.244.0.5:5269": good, "10.244.0.6:5269": good, "10.244.0.5:5270": direct, "10.244.0.6:5270": direct},
			[]string{"_xmpp-server._tcp.a.example", "_xmpps-server._tcp.a.example"},
		},
		"one that has not got the port yet": {
			loopback{"10.244.0.5:5269": good, "10.244.0.6:5269": good, "10.244.0.5:5270": direct},
			[]string{"_xmpp-server._tcp.a.example"},
		},
		"one that does not know the domain yet": {
			loopback{"10.244.0.5:5269": good, "10.244.0.6:5269": bare, "10.244.0.5:5270": direct, "10.244.0.6:5270": direct},
			[]string{"_xmpps-server._tcp.a.example"},
		},
		"nobody": {loopback{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checker := check.New()
			checker.Dialer = tc.network
			got := checker.Serves(t.Context(), target)
			if !slices.Equal(got.Served, tc.served) || (len(tc.served) == 2) != (got.Missing == "") {
				t.Errorf("got %q, missing %q", got.Served, got.Missing)
			}
		})
	}
}

func TestServesKnowsNothingOfWhatItCouldNotTry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := check.InboundTarget{Domains: []string{"a.example"}, Port: 5269, Through: []netip.Addr{netip.MustParseAddr("10.244.0.5")}}
	if got := check.New().Serves(ctx, target); len(got.Served) > 0 || got.Missing == "" {
		t.Errorf("when interrupted: got %+v", got)
	}
	target.Through = nil
	if got := check.New().Serves(t.Context(), target); len(got.Served) > 0 || got.Missing == "" {
		t.Errorf("of nobody: got %+v", got)
	}
}
