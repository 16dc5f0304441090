// SPDX-License-Identifier: Apache-2.0

//go:build integration

package conformance_test

import (
	"fmt"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// TestMain prints the table, whatever the result.
func TestMain(m *testing.M) {
	testkit.Isolated(func() int {
		defer fmt.Print(&table)
		return m.Run()
	})
}

// foreign records that no test may touch.
const foreign = `www 3600 A 203.0.113.7
mail 3600 MX 10 www
odd TXT "semicolon; \"quotes\" \\ backslash \000\255" "second string"
`

// serverZone is a zone of a real server.
type serverZone struct {
	updates
	server *dnstest.Daemon
}

func (z serverZone) Edit(c dns.Change) { z.server.Edit(z.zone, c) }
func (z serverZone) Dump() []string    { return z.server.Dump(z.zone) }

// server is a real server under test.
type server struct {
	name  string
	start func(t testing.TB, zones map[string]string) *dnstest.Daemon
}

func servers() []server {
	return []server{
		{"BIND", func(t testing.TB, zones map[string]string) *dnstest.Daemon {
			return dnstest.StartNamed(t, dnstest.NamedOptions{Zones: zones})
		}},
		{"Knot DNS", dnstest.StartKnot},
		{"PowerDNS", func(t testing.TB, zones map[string]string) *dnstest.Daemon {
			return dnstest.StartPowerDNS(t, zones).Daemon
		}},
	}
}

func TestDynamicUpdateConforms(t *testing.T) {
	zones := map[string]string{}
	for i := range 80 {
		zones[fmt.Sprintf("cup%02d.example", i)] = foreign
	}
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			server := s.start(t, zones)
			next := 0
			fresh := func(t *testing.T) serverZone {
				next++
				return serverZone{updates{t, server.Address, fmt.Sprintf("cup%02d.example", next-1)}, server}
			}
			name := s.name + " " + server.Version
			table.Run(t, conformance.Subject{
				Name: name, Fresh: func(t *testing.T) conformance.Zone { return fresh(t) }, Exceptions: besideAlias,
			})
			for _, c := range wayCases() {
				table.Case(t, name, c.name, func(t *testing.T) conformance.Result {
					return c.run(t, fresh(t))
				})
			}
		})
	}
}
