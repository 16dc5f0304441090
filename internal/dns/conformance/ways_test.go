// SPDX-License-Identifier: Apache-2.0

//go:build integration

package conformance_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// wayCase is about the way to a server, and about what the server says when something is wrong.
type wayCase struct {
	name string
	run  func(*testing.T, serverZone) conformance.Result
}

func wayCases() []wayCase {
	return []wayCase{
		{"Published with a key for hmac-sha256", signed("hmac-sha256")},
		{"Published with a key for hmac-sha384", signed("hmac-sha384")},
		{"Published with a key for hmac-sha512", signed("hmac-sha512")},
		{"Published by IPv6", byIPv6},
		{"The next server is used when one refuses connections, is silent or hangs up", failover},
		{"Text that differs in case is not equal", textCase},
		{"A wrong secret is TSIGBadSignature", failing(v1alpha1.ReasonTSIGBadSignature, func(c *rfc2136.Config) {
			c.Secret = base64.StdEncoding.EncodeToString([]byte("another secret than the server's"))
		})},
		{"An unknown key is TSIGKeyUnknown", failing(v1alpha1.ReasonTSIGKeyUnknown, func(c *rfc2136.Config) { c.KeyName = "fed-kye" })},
		{"A key with another algorithm is TSIGKeyUnknown", failing(v1alpha1.ReasonTSIGKeyUnknown, func(c *rfc2136.Config) {
			c.Algorithm = "hmac-sha512"
		})},
		{"A clock that is behind is ClockSkew", failing(v1alpha1.ReasonClockSkew, func(c *rfc2136.Config) {
			c.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) }
		})},
		{"A clock that is ahead is ClockSkew", failing(v1alpha1.ReasonClockSkew, func(c *rfc2136.Config) {
			c.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
		})},
		{"A key without the right is UpdateRefused", failing(v1alpha1.ReasonUpdateRefused, func(c *rfc2136.Config) {
			c.KeyName, c.Secret = dnstest.LimitedKey, dnstest.LimitedSecret
		})},
		{"A change of which one record is not allowed changes nothing", partlyAllowed},
		{"A zone that the server does not have is NotAuthoritative", failing(v1alpha1.ReasonNotAuthoritative, func(c *rfc2136.Config) {
			c.Zone = "elsewhere.example"
		})},
	}
}

// publish what a Federation publishes, release it, and make sure that nothing is left.
func (z serverZone) publish(t *testing.T, client *rfc2136.Client) conformance.Result {
	t.Helper()
	before := z.Dump()
	for _, units := range [][]dns.Unit{federation(client.Apex()), nil} {
		if err := converge(t, client, units); err != nil {
			t.Fatalf("publishing %v: %v", units, err)
		}
		if err := client.Probe(context.Background()); err != nil || client.Capabilities().BestEffort() {
			t.Errorf("probing: got %v, capabilities %+v", err, client.Capabilities())
		}
	}
	if diff := cmp.Diff(before, z.Dump()); diff != "" {
		t.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
	return conformance.OK
}

func federation(apex string) []dns.Unit {
	return dnstest.Federation("cup1."+apex, "203.0.113.130", 300)
}

func converge(t *testing.T, p dns.Provider, units []dns.Unit) error {
	t.Helper()
	_, err := dnstest.Converge(t, p, units...)
	return err
}

func signed(algorithm string) func(*testing.T, serverZone) conformance.Result {
	return func(t *testing.T, z serverZone) conformance.Result {
		return z.publish(t, z.client(func(c *rfc2136.Config) {
			c.Algorithm = algorithm
			if algorithm != "hmac-sha256" {
				c.KeyName = dnstest.FedKeyOf(algorithm)
			}
		}))
	}
}

func byIPv6(t *testing.T, z serverZone) conformance.Result {
	testkit.Require(t, z.server.Address6 != "", "IPv6 on the loopback interface")
	return z.publish(t, z.client(func(c *rfc2136.Config) { c.Servers = []string{z.server.Address6} }))
}

func failover(t *testing.T, z serverZone) conformance.Result {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	go func() {
		for conn, err := hanging.Accept(); err == nil; conn, err = hanging.Accept() {
			_ = conn.Close()
		}
	}()
	for _, broken := range []string{"127.0.0.1:1", hanging.Addr().String(), silent.Addr().String()} {
		z.publish(t, z.client(func(c *rfc2136.Config) {
			c.Servers = []string{broken, z.server.Address}
			if broken == silent.Addr().String() {
				c.Timeout = time.Second
			}
		}))
	}
	return conformance.OK
}

// failing publishes with something wrong, and wants the reason and an untouched zone.
func failing(reason string, change func(*rfc2136.Config)) func(*testing.T, serverZone) conformance.Result {
	return func(t *testing.T, z serverZone) conformance.Result {
		before := strings.Join(z.Dump(), "\n")
		client := z.client(change)
		e, ok := dns.AsError(converge(t, client, federation(client.Apex())))
		if after := strings.Join(z.Dump(), "\n"); before != after {
			t.Errorf("the zone was\n%s\nand is\n%s", before, after)
		}
		if ok && reason != e.Reason && e.Reason == v1alpha1.ReasonTSIGBadSignature && strings.Contains(e.Message, "does not say why") {
			return conformance.Differs("the server rejects signatures without saying why, so it is TSIGBadSignature with all causes in the message")
		}
		if !ok || e.Reason != reason || !e.Permanent {
			t.Errorf("got %+v, want %s, which somebody has to put right", e, reason)
		}
		return conformance.OK
	}
}

// partlyAllowed writes, with a key for service records only, one of them before an address.
func partlyAllowed(t *testing.T, z serverZone) conformance.Result {
	client := z.client(func(c *rfc2136.Config) { c.KeyName, c.Secret = dnstest.LimitedKey, dnstest.LimitedSecret })
	records := federation(client.Apex())
	change := dns.Change{Put: slices.Concat(records[0].Records, records[1].Records)}
	before := z.Dump()
	e, ok := dns.AsError(client.Apply(context.Background(), change))
	if !ok || e.Reason != v1alpha1.ReasonUpdateRefused {
		t.Errorf("writing what is allowed and what is not: got %v, want UpdateRefused", e)
	}
	if diff := cmp.Diff(before, z.Dump()); diff != "" {
		t.Errorf("the zone changed (-before +after):\n%s", diff)
	}
	change.Put = records[0].Records
	e, refused := dns.AsError(client.Apply(context.Background(), change))
	switch {
	case refused && e.Reason == v1alpha1.ReasonUpdateRefused:
		return conformance.NotApplicable("the server gives a key rights on the whole zone or none")
	case refused:
		t.Errorf("writing what is allowed: %v", e)
	}
	return conformance.OK
}

// textCase is no matter of the suite, as all that ownership records hold is in lower case.
func textCase(_ *testing.T, z serverZone) conformance.Result {
	text := dns.RRset{Name: "text." + z.zone + ".", Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{dns.TXT{"Case"}}}
	z.Edit(dns.Change{Put: []dns.RRset{text}})
	text.Data = []dns.Data{dns.TXT{"case"}}
	err := z.Provider().Apply(context.Background(), dns.Change{Equal: []dns.RRset{text}, Drop: []dns.Key{text.Key()}})
	if !errors.Is(err, dns.ErrPrerequisite) {
		return conformance.Differs("the server compares text without regard to case; ownership records hold lower case only")
	}
	return conformance.OK
}
