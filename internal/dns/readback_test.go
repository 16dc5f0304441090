// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestARemovalThatIsAcceptedButNotCarriedOutIsReported(t *testing.T) {
	other := dns.Unit{Anchor: "cup2.cupdomain.com", Records: dns.AddressRecords("cup2.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("203.0.113.131")})}
	for what, test := range map[string]struct {
		units []dns.Unit
		still string
	}{
		"of everything":   {nil, "TXT own._xmppfed.cup1.cupdomain.com"},
		"of one of two":   {[]dns.Unit{other}, "TXT own._xmppfed.cup1.cupdomain.com"},
		"of the other":    {[]dns.Unit{hostUnit("203.0.113.130")}, "TXT own._xmppfed.cup2.cupdomain.com"},
		"beside a change": {[]dns.Unit{hostUnit("203.0.113.9")}, "TXT own._xmppfed.cup2.cupdomain.com"},
	} {
		for _, capabilities := range []dns.Capabilities{{Writes: true, Atomic: true, Prerequisites: true}, {Writes: true}} {
			m := dnstest.NewMemory("cupdomain.com")
			if _, err := converge(t, m, hostUnit("203.0.113.130"), other); err != nil {
				t.Fatal(err)
			}
			_, err := converge(t, keepingProvider{m, capabilities}, test.units...)
			e := want(t, err, v1alpha1.ReasonNotApplied, false)
			if !strings.Contains(e.Message, "still serves "+test.still) {
				t.Errorf("%s: message %q does not name %s", what, e.Message, test.still)
			}
			if capabilities.Atomic {
				continue // one that is can't have changed anything
			}
			if _, err := converge(t, unguarded{m}, test.units...); err != nil || len(m.Dump()) != records(test.units) {
				t.Errorf("%s: once removals are carried out: got %v, want that %d records are left:\n%s", what, err, records(test.units),
					strings.Join(m.Dump(), "\n"))
			}
		}
	}
}

// records that stand for units of one record, with their ownership records.
func records(units []dns.Unit) int {
	if len(units) == 0 {
		return 0
	}
	return 1 + 2*len(units)
}

// unguarded guarantees nothing but does what it is told.
type unguarded struct{ *dnstest.Memory }

func (unguarded) Capabilities() dns.Capabilities { return dns.Capabilities{Writes: true} }

// keepingProvider accepts removals without carrying them out.
type keepingProvider struct {
	*dnstest.Memory
	capabilities dns.Capabilities
}

func (p keepingProvider) Capabilities() dns.Capabilities { return p.capabilities }

func (p keepingProvider) Apply(ctx context.Context, c dns.Change) error {
	c.Drop = nil
	return p.Memory.Apply(ctx, c)
}

func TestWhatOthersWriteWhereWeHaveJustRemovedIsNotOurs(t *testing.T) {
	theirs := dns.Owner{ID: "owner002"}
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: []dns.RRset{
		{Name: "*.cupdomain.com.", Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{dns.TXT{"made up"}}},
	}})
	if _, err := converge(t, m, hostUnit("203.0.113.130")); err != nil {
		t.Fatal(err)
	}
	signer, err := dns.NewSigner([]byte("the key of somebody else, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	p := &afterApply{Memory: m, do: func() {
		if _, err := dns.Converge(context.Background(), m, signer, theirs, []dns.Unit{hostUnit("203.0.113.131")}); err != nil {
			t.Error(err)
		}
	}}
	if r, err := converge(t, p); err != nil || !r.Changed || len(m.Dump()) != 4 {
		t.Errorf("got %+v, %v, want that all of ours is gone, and what the next owner has stands:\n%s", r, err, strings.Join(m.Dump(), "\n"))
	}
}

// afterApply does something after each update.
type afterApply struct {
	*dnstest.Memory
	do func()
}

func (p *afterApply) Apply(ctx context.Context, c dns.Change) error {
	err := p.Memory.Apply(ctx, c)
	p.do()
	return err
}

func TestLeavingWhatIsSharedIsReadBackToo(t *testing.T) {
	shared := func(target string) dns.Unit {
		record := dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: target})
		record.Shared = true
		return dns.Unit{Anchor: "cupdomain.com", Records: []dns.RRset{record}}
	}
	m := dnstest.NewMemory("cupdomain.com")
	if _, err := converge(t, m, shared("cup1.cupdomain.com")); err != nil {
		t.Fatal(err)
	}
	signer, err := dns.NewSigner([]byte("the key of somebody else, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dns.Converge(context.Background(), m, signer, dns.Owner{ID: "owner002"}, []dns.Unit{shared("cup2.cupdomain.com")}); err != nil {
		t.Fatal(err)
	}
	before := m.Sets()
	_, err = converge(t, removingProvider{m})
	e := want(t, err, v1alpha1.ReasonNotApplied, false)
	if !strings.Contains(e.Message, "TXT own._xmppfed.cupdomain.com") {
		t.Errorf("message %q does not name the ownership record", e.Message)
	}
	m.Edit(dns.Change{Put: before})
	if _, err := converge(t, m); err != nil || len(m.Dump()) != 3 {
		t.Errorf("once it is carried out: got %v, want that the other's three records stay:\n%s", err, strings.Join(m.Dump(), "\n"))
	}
}

// removingProvider accepts changes but carries out removals of whole record sets only.
type removingProvider struct{ *dnstest.Memory }

func (p removingProvider) Apply(ctx context.Context, c dns.Change) error {
	c.Put = nil
	return p.Memory.Apply(ctx, c)
}
