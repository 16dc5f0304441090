// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func signer(t testing.TB) dns.Signer {
	t.Helper()
	s, err := dns.NewSigner([]byte("a key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// convergeAs returns what is refused by anchor, rather than as an error.
func convergeAs(t *testing.T, p dns.Provider, o dns.Owner, units ...dns.Unit) dns.Result {
	t.Helper()
	r, err := dns.Converge(context.Background(), p, signer(t), o, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// domainAt is a domain whose service records have the port and lead to host cup1.
func domainAt(domain string, port uint16) dns.Unit {
	return dns.Unit{Anchor: domain, Records: []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, domain, 300, dns.SRV{Port: port, Target: "cup1.cupdomain.com"}),
	}}
}

// capable is a zone with other capabilities.
type capable struct {
	dns.Provider
	capabilities dns.Capabilities
}

func (c capable) Capabilities() dns.Capabilities { return c.capabilities }

// denying refuses changes that touch some names, as a server whose policy does not grant them.
type denying struct {
	*dnstest.Memory
	names   []string
	reason  string
	updates int
}

func (p *denying) Apply(ctx context.Context, c dns.Change) error {
	p.updates++
	keys := slices.Clone(c.Drop)
	for _, set := range c.Put {
		keys = append(keys, set.Key())
	}
	for _, k := range keys {
		if slices.ContainsFunc(p.names, func(name string) bool { return strings.HasSuffix(k.Name, name) }) {
			return &dns.Error{Reason: p.reason, Message: "not " + k.Name, Permanent: true, PerName: true}
		}
	}
	return p.Memory.Apply(ctx, c)
}

const bad = "bad.cupdomain.com."

// obstacles are what keeps anchor bad from being published, and the reason.
func obstacles(t *testing.T) map[string]struct {
	before func(*dnstest.Memory)
	unit   dns.Unit
	reason string
} {
	t.Helper()
	ownership := dns.Key{Name: "own._xmppfed." + bad, Type: dns.TypeTXT}
	plain, foreign := domainAt(bad, 5269), domainAt(bad, 1).Records
	type obstacle = struct {
		before func(*dnstest.Memory)
		unit   dns.Unit
		reason string
	}
	put := func(sets ...dns.RRset) func(*dnstest.Memory) {
		return func(m *dnstest.Memory) { m.Edit(dns.Change{Put: sets}) }
	}
	text := func(s string) dns.RRset {
		return dns.RRset{Name: ownership.Name, Type: dns.TypeTXT, TTL: 60, Data: []dns.Data{dns.TXT{s}}}
	}
	return map[string]obstacle{
		"a foreign record":                    {put(foreign...), plain, v1alpha1.ReasonRecordExistsUnowned},
		"a stray text":                        {put(text("v=spf1 -all")), plain, v1alpha1.ReasonRecordExistsUnowned},
		"an alias":                            {put(dns.RRset{Name: "_xmpp-server._tcp." + bad, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("a.")}}), plain, v1alpha1.ReasonCNAMEConflict},
		"an ownership record that was forged": {put(text("v=xf1;o=owner001;e=1;k=00000000;h=" + strings.Repeat("0", 32))), plain, v1alpha1.ReasonOwnershipLost},
		"a name outside the zone":             {put(), domainAt("bad.elsewhere.example.", 5269), v1alpha1.ReasonNameOutsideZone},
		"another owner": {func(m *dnstest.Memory) {
			convergeAs(t, m, dns.Owner{ID: "owner002"}, domainUnit(bad))
		}, plain, v1alpha1.ReasonOwnershipConflict},
	}
}

func TestOneBadNameKeepsNothingElseFromBeingMade(t *testing.T) {
	providers := map[string]dns.Capabilities{
		"guarded": {Writes: true, Prerequisites: true, Atomic: true}, "atomic": {Writes: true, Atomic: true}, "in steps": {Writes: true},
	}
	for what, obstacle := range obstacles(t) {
		for guarantee, capabilities := range providers {
			t.Run(what+", "+guarantee, func(t *testing.T) {
				m := dnstest.NewMemory("cupdomain.com")
				p := capable{m, capabilities}
				good, leaving := domainAt("good.cupdomain.com", 5269), domainAt("leaving.cupdomain.com", 5269)
				convergeAs(t, p, owner, hostUnit("203.0.113.130"), good, leaving)
				obstacle.before(m)
				changed := []dns.Unit{hostUnit("203.0.113.131"), domainAt("good.cupdomain.com", 5299), domainAt("new.cupdomain.com", 5269)}
				for _, change := range []bool{true, false} {
					r := convergeAs(t, p, owner, append(changed, obstacle.unit)...)
					why := r.Refused[obstacle.unit.Anchor]
					if len(r.Refused) != 1 || why == nil || why.Reason != obstacle.reason || r.Changed != change {
						t.Errorf("got %+v with %v, want that only %s is refused with %s", r, why, obstacle.unit.Anchor, obstacle.reason)
					}
				}
				if !holds(m, changed...) || holds(m, leaving) {
					t.Errorf("the rest was not made:\n%s", strings.Join(m.Dump(), "\n"))
				}
				before := m.Dump()
				convergeAs(t, p, owner, changed...)
				if what != "a name outside the zone" && what != "an ownership record that was forged" && !slices.Equal(before, m.Dump()) {
					t.Errorf("taking the bad name out changed the zone from %v to %v", before, m.Dump())
				}
			})
		}
	}
}

func TestANameThatTheServerRefusesIsFoundOut(t *testing.T) {
	for _, number := range []int{2, 5, 64} {
		for _, refused := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d of %d", refused, number), func(t *testing.T) {
				p := &denying{Memory: dnstest.NewMemory("cupdomain.com"), reason: v1alpha1.ReasonUpdateRefused}
				convergeAs(t, p, owner, hostUnit("203.0.113.130"))
				units := []dns.Unit{hostUnit("203.0.113.131")}
				for i := range number {
					name := fmt.Sprintf("d%02d.cupdomain.com.", i)
					units = append(units, domainAt(name, 5269))
					if i >= number-refused {
						p.names = append(p.names, name)
					}
				}
				p.updates = 0
				r := convergeAs(t, p, owner, units...)
				if len(r.Refused) != refused || !holds(p.Memory, units[:len(units)-refused]...) {
					t.Errorf("got %+v, want %v refused and all else made", r, p.names)
				}
				for _, name := range p.names {
					if why := r.Refused[name]; why == nil || !strings.HasSuffix(why.Message, name) {
						t.Errorf("%s: got %v, want what the server said of it", name, why)
					}
				}
				if p.updates > 8*refused+8 {
					t.Errorf("it took %d updates", p.updates)
				}
				t.Logf("%d updates", p.updates)
			})
		}
	}
}

func TestAServerThatRefusesEverythingIsNotAskedForEveryName(t *testing.T) {
	p := &denying{Memory: dnstest.NewMemory("cupdomain.com"), names: []string{"cupdomain.com."}, reason: v1alpha1.ReasonUpdateRefused}
	units := []dns.Unit{hostUnit("203.0.113.131")}
	for i := range 64 {
		units = append(units, domainAt(fmt.Sprintf("d%02d.cupdomain.com.", i), 5269))
	}
	_, err := dns.Converge(t.Context(), p, signer(t), owner, units)
	want(t, err, v1alpha1.ReasonUpdateRefused, true)
	if p.updates > 10 {
		t.Errorf("it was asked %d times", p.updates)
	}
}

func TestTheServerIsAskedWhatAWildcardHides(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	wildcard := domainAt("x.cupdomain.com", 7777).Records[0]
	wildcard.Name = "*.cupdomain.com."
	m.Edit(dns.Change{Put: append(domainAt(bad, 1).Records, wildcard)})
	units := []dns.Unit{hostUnit("203.0.113.130"), domainAt(bad, 5269)}
	for i := range 5 {
		units = append(units, domainAt(fmt.Sprintf("d%d.cupdomain.com", i), 5269))
	}
	r := convergeAs(t, m, owner, units...)
	if why := r.Refused[bad]; len(r.Refused) != 1 || why == nil || why.Reason != v1alpha1.ReasonRecordExistsUnowned {
		t.Errorf("got %+v, want that only %s is refused", r.Refused, bad)
	}
	if !holds(m, append(slices.Clone(units[:1]), units[2:]...)...) {
		t.Errorf("the rest was not made:\n%s", strings.Join(m.Dump(), "\n"))
	}
}

func TestDomainsWaitForTheirHost(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: hostUnit("203.0.113.1").Records})
	r := convergeAs(t, m, owner, hostUnit("203.0.113.130"), domainAt("good.cupdomain.com", 5269))
	why := r.Refused["good.cupdomain.com."]
	if len(r.Refused) != 2 || why == nil || !strings.HasPrefix(why.Message, "good.cupdomain.com waits for its host cup1.cupdomain.com") {
		t.Errorf("got %+v, want that the domain waits for the host", r.Refused)
	}
	if len(m.Dump()) != 1 {
		t.Errorf("something was published:\n%s", strings.Join(m.Dump(), "\n"))
	}
	r = convergeAs(t, dnstest.NewMemory("cupdomain.com"), owner, only(hostUnit("203.0.113.130")), domainAt("good.cupdomain.com", 5269))
	if len(r.Refused) > 0 || !slices.Equal(r.Deferred, []string{"cup1.cupdomain.com.", "good.cupdomain.com."}) {
		t.Errorf("got %+v, want that the domain is deferred with its host", r)
	}
}

// Of what is held only the record that is in the way waits.
func TestDomainsWaitForAHostInAnotherZoneThatHasNoAddress(t *testing.T) {
	leading := func(host string, noHost *dns.Error) dns.Unit {
		service := dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: host})
		return dns.Unit{Anchor: "cupdomain.com", Records: []dns.RRset{service}, NoHost: noHost}
	}
	unavailable := &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no answer"}
	m := dnstest.NewMemory("cupdomain.com")
	before := leading("a.example", nil)
	for _, provider := range []dns.Provider{m, capable{m, dns.Capabilities{}}} {
		if r := convergeAs(t, m, owner, before); len(r.Refused) > 0 {
			t.Fatalf("got %+v", r)
		}
		r := convergeAs(t, provider, owner, leading("b.example", unavailable))
		if why := r.Refused["cupdomain.com."]; why == nil || why.Reason != v1alpha1.ReasonServerUnavailable || !holds(m, before) {
			t.Errorf("got %+v, want that the service record goes on leading to the host before", r)
		}
		if r := convergeAs(t, provider, owner, leading("a.example", unavailable)); len(r.Refused) > 0 || !holds(m, before) {
			t.Errorf("got %+v, want that what leads there already stays", r)
		}
	}
	after := leading("b.example", nil)
	if r := convergeAs(t, m, owner, after); len(r.Refused) > 0 || !holds(m, after) {
		t.Errorf("got %+v, want that the service record leads to the new host once that has an address", r)
	}
}

func TestWhatIsHeldIsKeptUpToDateBesideARecordInTheWay(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	unit := func(port uint16, services ...string) dns.Unit {
		u := dns.Unit{Anchor: "good.cupdomain.com"}
		for _, s := range services {
			u.Records = append(u.Records, domainAt(s, port).Records...)
		}
		return u
	}
	const room = "rooms.good.cupdomain.com"
	convergeAs(t, m, owner, hostUnit("203.0.113.130"), unit(5269, "good.cupdomain.com"))
	m.Edit(dns.Change{Put: domainAt(room, 1).Records})
	wanted := unit(5299, "good.cupdomain.com", room)
	for range 2 {
		r := convergeAs(t, m, owner, hostUnit("203.0.113.131"), wanted)
		if why := r.Refused["good.cupdomain.com."]; why == nil || !strings.Contains(why.Message, room) {
			t.Errorf("got %+v, want %s named", r.Refused, room)
		}
		if !holds(m, hostUnit("203.0.113.131"), unit(5299, "good.cupdomain.com")) || !holds(m, dns.Unit{Records: domainAt(room, 1).Records}) {
			t.Errorf("the rest was not made, or the foreign record not left alone:\n%s", strings.Join(m.Dump(), "\n"))
		}
	}
	m.Edit(dns.Change{Drop: []dns.Key{domainAt(room, 1).Records[0].Key()}})
	if r := convergeAs(t, m, owner, hostUnit("203.0.113.131"), wanted); len(r.Refused) > 0 || !holds(m, wanted) {
		t.Errorf("once it is gone: got %+v", r)
	}
	convergeAs(t, m, owner)
	if len(m.Dump()) > 0 {
		t.Errorf("something is left:\n%s", strings.Join(m.Dump(), "\n"))
	}
}

// Owners whose names go round in a circle all get theirs.
func TestOwnersWhoSwapNamesAllGetTheirs(t *testing.T) {
	for _, number := range []int{2, 3} {
		m := dnstest.NewMemory("cupdomain.com")
		units := func(i, domain int) []dns.Unit {
			host := dns.Unit{Anchor: fmt.Sprintf("h%d.cupdomain.com", (i+domain)%number)}
			host.Records = dns.AddressRecords(host.Anchor, 300, []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})})
			name := fmt.Sprintf("d%d.cupdomain.com", (i+domain)%number)
			return []dns.Unit{host, {Anchor: name, Records: []dns.RRset{
				dns.SRVRecord(dns.ServiceXMPPServer, name, 300, dns.SRV{Port: uint16(5000 + i), Target: host.Anchor}),
			}}}
		}
		for i := range number {
			convergeAs(t, m, dns.Owner{ID: fmt.Sprintf("owner%03d", i)}, units(i, 0)...)
		}
		for range 2 {
			for i := range number {
				convergeAs(t, m, dns.Owner{ID: fmt.Sprintf("owner%03d", i)}, units(i, 1)...)
			}
		}
		for i := range number {
			if !holds(m, units(i, 1)...) {
				t.Errorf("owner %d of %d has not got its names:\n%s", i, number, strings.Join(m.Dump(), "\n"))
			}
		}
	}
}
