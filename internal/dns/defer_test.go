// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// only makes a unit one that is not claimed.
func only(unit dns.Unit) dns.Unit {
	unit.HeldOnly = true
	return unit
}

func TestWhatIsOnlyKeptUpToDateIsNotClaimed(t *testing.T) {
	const anchor = "cup1.cupdomain.com."
	theirs, taken := hostUnit("203.0.113.9"), hostUnit("203.0.113.130")
	taken.Takeover, taken.Accept = []dns.Key{taken.Records[0].Key()}, true
	other := domainUnit("cupdomain.com")
	offered := func(m *dnstest.Memory) {
		signer, err := dns.NewSigner([]byte("the key of somebody else, long enough"))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"", owner.ID} {
			if _, err := dns.Converge(context.Background(), m, signer, dns.Owner{ID: "owner002", TransferTo: to}, []dns.Unit{theirs}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, before := range map[string]func(*dnstest.Memory){
		"Nothing stands there":          func(*dnstest.Memory) {},
		"A foreign record stands there": func(m *dnstest.Memory) { m.Edit(dns.Change{Put: theirs.Records}) },
		"Another owner offers it":       offered,
	} {
		t.Run(name, func(t *testing.T) {
			m := dnstest.NewMemory("cupdomain.com")
			before(m)
			stood := m.Dump()
			r, err := converge(t, m, other, only(taken))
			if err != nil || !slices.Equal(r.Deferred, []string{anchor}) || len(m.Dump()) != len(stood)+3 {
				t.Errorf("got %+v %v, want that the other unit is published and this one deferred:\n%v", r, err, m.Dump())
			}
			if r, err := converge(t, m, other, only(taken)); err != nil || r.Changed || !slices.Equal(r.Deferred, []string{anchor}) {
				t.Errorf("again: got %+v %v, want no change and the unit deferred", r, err)
			}
			if r, err := converge(t, m, other, taken); err != nil || len(r.Deferred) > 0 || !holds(m, taken) {
				t.Errorf("wanted without condition: got %+v %v, want it published", r, err)
			}
			changed := hostUnit("203.0.113.131")
			if r, err := converge(t, m, other, only(changed)); err != nil || len(r.Deferred) > 0 || !holds(m, changed) {
				t.Errorf("held: got %+v %v, want it kept up to date", r, err)
			}
			if _, err := converge(t, m, other); err != nil || holds(m, changed) || !holds(m, other) {
				t.Errorf("not wanted any more: got %v, want it released:\n%v", err, m.Dump())
			}
		})
	}
}

// holds reports whether the zone has exactly the records of the units.
func holds(m *dnstest.Memory, units ...dns.Unit) bool {
	sets := m.Sets()
	for _, unit := range units {
		for _, want := range unit.Records {
			if !slices.ContainsFunc(sets, want.Equal) {
				return false
			}
		}
	}
	return true
}

func domainUnit(domain string) dns.Unit {
	return dns.Unit{Anchor: domain, Records: []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, domain, 300, dns.SRV{Port: 5269, Target: "elsewhere.example"}),
	}}
}

func TestPeopleAreNotToldToCreateWhatIsDeferred(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	r, err := converge(t, adviser{m}, only(hostUnit("203.0.113.130")))
	if err != nil || !slices.Equal(r.Deferred, []string{"cup1.cupdomain.com."}) {
		t.Errorf("nothing stands: got %+v %v, want it deferred", r, err)
	}
	m.Edit(dns.Change{Put: hostUnit("203.0.113.9").Records})
	r, err = converge(t, adviser{m}, only(hostUnit("203.0.113.130")))
	if _, told := dns.AsError(err); !told || len(r.Deferred) > 0 {
		t.Errorf("another address stands: got %+v %v, want that people are told", r, err)
	}
}

func TestWhatIsAddedToAHeldUnitWaitsToo(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	held, host := domainUnit("cupdomain.com"), hostUnit("203.0.113.130")
	if _, err := converge(t, m, held, host); err != nil {
		t.Fatal(err)
	}
	foreign := dns.SRVRecord(dns.ServiceXMPPSServer, "cupdomain.com", 300, dns.SRV{Port: 443, Target: "old.cupdomain.com"})
	m.Edit(dns.Change{Put: []dns.RRset{foreign}})
	more := held
	direct := dns.SRVRecord(dns.ServiceXMPPSServer, "cupdomain.com", 300, dns.SRV{Port: 5270, Target: "cup1.cupdomain.com"})
	more.Records = append(slices.Clone(held.Records), direct)
	more.Takeover = []dns.Key{direct.Key()}
	host.Records = append(slices.Clone(host.Records), dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("2001:db8::1")})...)
	stood := m.Dump()
	r, err := converge(t, m, only(more), only(host))
	if err != nil || !slices.Equal(r.Withheld, []dns.Key{direct.Key()}) || len(r.Deferred) > 0 || !holds(m, held, host) {
		t.Errorf("got %+v %v, want the address added and the service record left alone:\n%v", r, err, m.Dump())
	}
	if !slices.ContainsFunc(m.Sets(), foreign.Equal) || len(m.Dump()) != len(stood)+1 {
		t.Errorf("the foreign record was touched:\n%v", m.Dump())
	}
	if r, err := converge(t, m, more, host); err != nil || len(r.Withheld) > 0 || !holds(m, more, host) {
		t.Errorf("wanted without condition: got %+v %v, want it taken over", r, err)
	}
}

func TestWhatIsHeldIsNotWithheldFromItself(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	if _, err := converge(t, m, domainUnit("cupdomain.com")); err != nil {
		t.Fatal(err)
	}
	if r, err := converge(t, m, only(domainUnit("cupdomain.com"))); err != nil || r.Changed || len(r.Withheld) > 0 {
		t.Errorf("got %+v %v, want nothing to do", r, err)
	}
	if _, err := converge(t, m); err != nil || len(m.Dump()) > 0 {
		t.Errorf("not wanted any more: got %v, want it released:\n%v", err, m.Dump())
	}
}
