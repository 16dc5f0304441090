// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// sharedAt is a shared domain, of which each owner has its own port.
func sharedAt(domain string, port uint16) dns.Unit {
	unit := domainAt(domain, port)
	unit.Records[0].Shared = true
	return unit
}

func TestASharedNameInTheWayKeepsNoOtherBack(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: domainAt(bad, 1).Records})
	a, b := dns.Owner{ID: "owner001"}, dns.Owner{ID: "owner002"}
	for i, o := range []dns.Owner{a, b} {
		host := dns.Unit{Anchor: fmt.Sprintf("cup%d.cupdomain.com", i+1)}
		host.Records = slices.Clone(hostUnit("203.0.113.130").Records)
		host.Records[0].Name = host.Anchor + "."
		r := convergeAs(t, m, o, host, sharedAt("good.cupdomain.com", uint16(5000+i)), sharedAt(bad, uint16(5000+i)))
		if why := r.Refused[bad]; len(r.Refused) != 1 || why == nil || why.Reason != v1alpha1.ReasonRecordExistsUnowned {
			t.Errorf("%s: got %+v, want that %s alone is refused", o.ID, r.Refused, bad)
		}
	}
	if dump := strings.Join(m.Dump(), "\n"); !strings.Contains(dump, "0 0 5000 cup1") || !strings.Contains(dump, "0 0 5001 cup1") {
		t.Errorf("the zone has:\n%s", dump)
	}
	convergeAs(t, m, a)
	convergeAs(t, m, b)
	if len(m.Dump()) != 1 {
		t.Errorf("left are:\n%s", strings.Join(m.Dump(), "\n"))
	}
}

func TestANameThatCanNotBeOfferedKeepsNoOtherFromBeingOffered(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	units := []dns.Unit{hostUnit("203.0.113.130"), domainAt("good.cupdomain.com", 5269), sharedAt(bad, 5269)}
	convergeAs(t, m, owner, units...)
	other := dns.Owner{ID: "owner002"}
	convergeAs(t, m, other, sharedAt(bad, 5299))
	offering := owner
	offering.TransferTo = other.ID
	r := convergeAs(t, m, offering, units...)
	if why := r.Refused[bad]; len(r.Refused) != 1 || why == nil || why.Reason != v1alpha1.ReasonOwnershipConflict || len(r.Offered) != 2 {
		t.Fatalf("got %+v, want that all but %s is offered", r, bad)
	}
	accepting := []dns.Unit{hostUnit("203.0.113.131"), domainAt("good.cupdomain.com", 5299), sharedAt(bad, 5299)}
	accepting[0].Accept, accepting[1].Accept = true, true
	if r := convergeAs(t, m, other, accepting...); len(r.Refused) > 0 || !holds(m, accepting[:2]...) {
		t.Errorf("accepting: got %+v, the zone has:\n%s", r, strings.Join(m.Dump(), "\n"))
	}
}

// Accepting one name does not wait for another that is not offered.
func TestANameThatIsNotOfferedKeepsNoOtherFromBeingAccepted(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	other := dns.Owner{ID: "owner002"}
	convergeAs(t, m, dns.Owner{ID: "owner003"}, domainAt(bad, 5269))
	convergeAs(t, m, other, hostUnit("203.0.113.9"), domainAt("good.cupdomain.com", 5269))
	offering := other
	offering.TransferTo = owner.ID
	convergeAs(t, m, offering)
	units := []dns.Unit{hostUnit("203.0.113.130"), domainAt("good.cupdomain.com", 5299), domainAt(bad, 5299)}
	for i := range units {
		units[i].Accept = true
	}
	r := convergeAs(t, m, owner, units...)
	if why := r.Refused[bad]; len(r.Refused) != 1 || why == nil || len(r.Adopted) != 2 || !holds(m, units[:2]...) {
		t.Errorf("got %+v, want that all but %s is accepted:\n%s", r, bad, strings.Join(m.Dump(), "\n"))
	}
}

func TestATakeoverThatIsRefusedKeepsNoOtherBack(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	heritage := dns.RRset{Name: "srv-_xmpp-server._tcp." + bad, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{dns.TXT{"heritage=external-dns"}}}
	m.Edit(dns.Change{Put: slices.Concat(domainAt(bad, 1).Records, domainAt("hand.cupdomain.com", 1).Records, []dns.RRset{heritage})})
	units := []dns.Unit{hostUnit("203.0.113.130"), domainAt("hand.cupdomain.com", 5269), domainAt(bad, 5269)}
	for i := range units {
		units[i].Takeover = []dns.Key{units[i].Records[0].Key()}
	}
	r := convergeAs(t, m, owner, units...)
	if why := r.Refused[bad]; len(r.Refused) != 1 || why == nil || !strings.Contains(why.Message, "ExternalDNS") || !holds(m, units[:2]...) {
		t.Errorf("got %+v, want that ExternalDNS keeps %s alone:\n%s", r, bad, strings.Join(m.Dump(), "\n"))
	}
}

// The root of the index is removed by hand while there are pages.
func TestPagesAreFoundWithoutTheirRoot(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	units := []dns.Unit{hostUnit("203.0.113.130")}
	for i := range 40 {
		units = append(units, domainAt(fmt.Sprintf("d%02d.%s.cupdomain.com", i, strings.Repeat("y", 60)+"."+strings.Repeat("y", 60)), 5269))
	}
	convergeAs(t, m, owner, units...)
	page := dns.Key{Name: owner.ID + "-1._xmppfed.cupdomain.com.", Type: dns.TypeTXT}
	if !slices.ContainsFunc(m.Sets(), func(set dns.RRset) bool { return set.Key() == page }) {
		t.Fatalf("there is no %s:\n%s", page, strings.Join(m.Dump(), "\n"))
	}
	m.Edit(dns.Change{Drop: []dns.Key{{Name: owner.ID + "._xmppfed.cupdomain.com.", Type: dns.TypeTXT}}})
	if r := convergeAs(t, m, owner, units...); !r.Changed || len(r.Refused) > 0 {
		t.Errorf("got %+v, want a root again", r)
	}
	convergeAs(t, m, owner)
	if len(m.Dump()) > 0 {
		t.Errorf("left are:\n%s", strings.Join(m.Dump(), "\n"))
	}
}

func TestAHostIsNotClaimedForDomainsThatAreRefused(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: domainAt(bad, 1).Records})
	host := hostUnit("203.0.113.130")
	host.ForServices = true
	r := convergeAs(t, m, owner, host, domainAt(bad, 5269))
	if len(r.Refused) != 2 || !strings.Contains(r.Err().Error(), "exists already") || len(m.Dump()) != 1 {
		t.Errorf("got %+v, want that the host waits for the domain:\n%s", r, strings.Join(m.Dump(), "\n"))
	}
	r = convergeAs(t, m, owner, host, domainAt(bad, 5269), domainAt("good.cupdomain.com", 5269))
	if len(r.Refused) != 1 || !holds(m, host, domainAt("good.cupdomain.com", 5269)) {
		t.Errorf("got %+v, want that it is claimed for the other domain", r)
	}
	if r := convergeAs(t, m, owner, host, domainAt(bad, 5269)); len(r.Refused) != 1 || !holds(m, host) {
		t.Errorf("got %+v, want that what is held is kept up to date", r)
	}
}
