// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"net/netip"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// table of what was run.
var table conformance.Table

// memoryZone runs the suite without a server, which shows that package dns itself holds its promises.
type memoryZone struct{ *dnstest.Memory }

// newMemoryZone has records of others in it.
func newMemoryZone() memoryZone {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: dns.AddressRecords("www.cupdomain.com", 3600, []netip.Addr{netip.MustParseAddr("203.0.113.7")})})
	return memoryZone{m}
}

func (z memoryZone) Provider() dns.Provider { return z.Memory }

func (z memoryZone) Losing() dns.Provider {
	z.LoseReplies(1)
	return z.Memory
}

// besideAlias is what servers of dynamic updates do, and so a zone in memory.
var besideAlias = map[string]string{
	"A change of which one record can't be written changes nothing": "servers of dynamic updates pass over a record beside an alias " +
		"(RFC 2136 section 3.4.2.2), and do the rest; that is why nothing is written without the prerequisite that there is none",
}

func TestMemoryConforms(t *testing.T) {
	fresh := func(*testing.T) conformance.Zone { return newMemoryZone() }
	table.Run(t, conformance.Subject{Name: "memory", Fresh: fresh, Exceptions: besideAlias})
}
