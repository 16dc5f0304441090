// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// parentZone is a zone whose server has a zone below it as well, and answers from the closer one, as BIND does.
type parentZone struct {
	*dnstest.Memory
	child *dnstest.Memory
}

func (z parentZone) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	var sets []dns.RRset
	for _, k := range keys {
		zone := z.Memory
		if dns.InZone(k.Name, z.child.Apex()) {
			zone = z.child
		}
		found, err := zone.Get(ctx, k)
		if err != nil {
			return nil, err
		}
		sets = append(sets, found...)
	}
	return sets, nil
}

func TestWhatMovesToAZoneBelowIsTakenOffTheIndex(t *testing.T) {
	unit := func(name string) dns.Unit {
		return dns.Unit{Anchor: name, Records: dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})}
	}
	stays, moves := unit("cup1.cupdomain.com"), unit("cup1.eu.cupdomain.com")
	for what, left := range map[string][]dns.Unit{"some of it stays": {stays}, "all of it moves": nil} {
		t.Run(what, func(t *testing.T) {
			zone := parentZone{dnstest.NewMemory("cupdomain.com"), dnstest.NewMemory("eu.cupdomain.com")}
			if _, err := converge(t, zone.Memory, append(left, moves)...); err != nil {
				t.Fatal(err)
			}
			if _, err := converge(t, zone.child, moves); err != nil {
				t.Fatal(err)
			}
			before := zone.child.Dump()
			r, err := converge(t, zone, left...)
			if err != nil || !r.Changed || len(r.Dropped) != 0 {
				t.Fatalf("got %+v, %v, want that the index is written anew, and nothing else", r, err)
			}
			if strings.Contains(strings.Join(zone.Dump(), "\n"), `"own._xmppfed.cup1.eu TXT"`) {
				t.Errorf("the index still lists what has moved:\n%s", strings.Join(zone.Dump(), "\n"))
			}
			if r, err := converge(t, zone, left...); err != nil || r.Changed {
				t.Errorf("again: got %+v, %v, want that nothing is written", r, err)
			}
			if after := zone.child.Dump(); !slices.Equal(after, before) {
				t.Errorf("the zone below was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		})
	}
}

func TestAnOwnershipRecordInAZoneBelowThatWeDidNotSignIsForged(t *testing.T) {
	zone := parentZone{dnstest.NewMemory("cupdomain.com"), dnstest.NewMemory("eu.cupdomain.com")}
	moves := dns.Unit{Anchor: "cup1.eu.cupdomain.com", Records: dns.AddressRecords("cup1.eu.cupdomain.com", 300,
		[]netip.Addr{netip.MustParseAddr("203.0.113.130")})}
	if _, err := converge(t, zone.Memory, moves); err != nil {
		t.Fatal(err)
	}
	signer, err := dns.NewSigner([]byte("the key of somebody else, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dns.Converge(context.Background(), zone.child, signer, owner, []dns.Unit{moves}); err != nil {
		t.Fatal(err)
	}
	_, err = converge(t, zone)
	want(t, err, v1alpha1.ReasonOwnershipLost, true)
}
