// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// messages is a zone that takes what fits into a message.
type messages struct {
	*dnstest.Memory
	client *Client
	sent   int
}

func (m *messages) Apply(ctx context.Context, change dns.Change) error {
	if err := m.client.checkSize(change); err != nil {
		return err
	}
	m.sent++
	return m.Memory.Apply(ctx, change)
}

// largest is a Federation with as many domains as it may have, of about 200 characters, and with every port.
func largest(host string, ttl uint32, priority uint16) []dns.Unit {
	server := dns.Unit{Anchor: host, Accept: true, Records: dns.AddressRecords(host, ttl, []netip.Addr{
		netip.MustParseAddr("203.0.113.130"), netip.MustParseAddr("2001:db8::5"),
	})}
	for _, port := range []uint16{5269, 5270} {
		server.Records = append(server.Records, dns.TLSARecord(host, port, ttl, strings.Repeat("ab", 32), strings.Repeat("cd", 32)))
	}
	units := []dns.Unit{server}
	for i := range 64 {
		domain := fmt.Sprintf("d%02d%s.corp.test", i, strings.Repeat("."+strings.Repeat("y", 30), 6))
		unit := dns.Unit{Anchor: domain, Accept: true}
		add := func(service, name string) {
			unit.Records = append(unit.Records, dns.SRVRecord(service, name, ttl, dns.SRV{Priority: priority, Port: 5269, Target: host}))
		}
		for _, name := range []string{domain, "conference." + domain} {
			add(dns.ServiceXMPPServer, name)
			add(dns.ServiceXMPPSServer, name)
		}
		add(dns.ServiceXMPPClient, domain)
		add(dns.ServiceXMPPSClient, domain)
		units = append(units, unit)
	}
	return units
}

func TestEveryOperationOfTheLargestFederationFitsIntoMessages(t *testing.T) {
	client, err := New(Config{Zone: "corp.test", Servers: []string{"127.0.0.1:53"}, KeyName: "k", Secret: "c2VjcmV0c2VjcmV0"})
	if err != nil {
		t.Fatal(err)
	}
	signer := func(keys ...string) dns.Signer {
		var raw [][]byte
		for _, key := range keys {
			raw = append(raw, []byte("the key of tests "+key))
		}
		s, err := dns.NewSigner(raw...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	zone := &messages{Memory: dnstest.NewMemory("corp.test"), client: client}
	one, two := dns.Owner{ID: "9f86d081884c7d65900a"}, dns.Owner{ID: "60303ae22b998861bce3"}
	offering := one
	offering.TransferTo = two.ID
	for _, step := range []struct {
		what  string
		by    dns.Owner
		key   dns.Signer
		units []dns.Unit
	}{
		{"create", one, signer("a"), largest("h1.corp.test", 300, 0)},
		{"another host name", one, signer("a"), largest("h2.corp.test", 300, 0)},
		{"another TTL", one, signer("a"), largest("h2.corp.test", 60, 0)},
		{"another priority", one, signer("a"), largest("h2.corp.test", 60, 5)},
		{"another signing key", one, signer("b", "a"), largest("h2.corp.test", 60, 5)},
		{"offer", offering, signer("b"), largest("h2.corp.test", 60, 5)},
		{"accept", two, signer("c"), largest("h2.corp.test", 60, 10)},
		{"forget what was accepted", offering, signer("b"), nil},
		{"withdraw the service records", two, signer("c"), largest("h2.corp.test", 60, 10)[:1]},
		{"delete", two, signer("c"), nil},
	} {
		zone.sent = 0
		r, err := dns.Converge(t.Context(), zone, step.key, step.by, step.units)
		if err != nil || r.Err() != nil || zone.sent == 0 {
			t.Fatalf("%s: %v %v after %d messages", step.what, err, r.Err(), zone.sent)
		}
		t.Logf("%s: %d messages", step.what, zone.sent)
		if again, err := dns.Converge(t.Context(), zone, step.key, step.by, step.units); err != nil || again.Changed {
			t.Errorf("%s again: got %+v %v, want nothing to do", step.what, again, err)
		}
	}
	if left := zone.Dump(); len(left) > 0 {
		t.Errorf("left are:\n%s", strings.Join(left, "\n"))
	}
}
