// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// narrowZone takes changes up to a size, and stops answering after some of them.
type narrowZone struct {
	*testing.T
	*dnstest.Memory
	size, left int
	sent       int
}

func sizeOf(c dns.Change) int {
	size := 0
	for _, set := range slices.Concat(c.Equal, c.Put) {
		for _, d := range set.Strings() {
			size += len(set.Name) + len(d)
		}
	}
	for _, k := range slices.Concat(c.Absent, c.Drop) {
		size += len(k.Name)
	}
	return size
}

func (z *narrowZone) Apply(ctx context.Context, c dns.Change) error {
	if sizeOf(c) > z.size {
		return dns.ErrTooLarge
	}
	if z.left == 0 {
		return &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "gone"}
	}
	z.left--
	z.sent++
	err := z.Memory.Apply(ctx, c)
	if err == nil {
		z.checkListed()
	}
	return err
}

// checkListed fails unless all that stands is listed by an ownership record which the index lists, be it on a page, and every page
// by the root; and unless every service record leads to an address.
func (z *narrowZone) checkListed() {
	z.Helper()
	owned, indexed := map[string]bool{}, map[string]bool{owner.ID + "._xmppfed.cupdomain.com. TXT": true}
	for _, set := range z.Sets() {
		text, _ := set.Data[0].(dns.TXT)
		for _, line := range text[min(1, len(text)):] {
			name, t, _ := strings.Cut(line, " ")
			key := strings.TrimPrefix(name+".cupdomain.com. "+t, "@.")
			if _, index := dns.Ownership(set.Key()); index {
				indexed[key] = true
			} else {
				owned[key] = true
			}
		}
	}
	for _, set := range z.Sets() {
		key := set.Name + " " + set.TypeName()
		if ownership, _ := dns.Ownership(set.Key()); ownership && !indexed[key] || !ownership && !owned[key] {
			z.Fatalf("%s stands and nothing lists it", key)
		}
		for _, d := range set.Data {
			if s, ok := d.(dns.SRV); ok && !owned[s.Target+" A"] {
				z.Fatalf("%s leads to %s, which has no address", key, s.Target)
			}
		}
	}
}

// randomUnits are a Federation with some of the domains, whose names are of any length.
func randomUnits(random *rand.Rand) []dns.Unit {
	host := fmt.Sprintf("cup%d.cupdomain.com", random.IntN(3))
	units := []dns.Unit{{Anchor: host, Records: dns.AddressRecords(host, 300, []netip.Addr{
		netip.AddrFrom4([4]byte{203, 0, 113, byte(random.IntN(3))}),
	})}}
	most := 1 + random.IntN(64)
	for i := range most {
		if random.IntN(4) == 0 {
			continue
		}
		name := fmt.Sprintf("d%02d%s.cupdomain.com", i, strings.Repeat("."+strings.Repeat("y", 30), i%6))
		unit := dns.Unit{Anchor: name}
		for _, service := range []string{dns.ServiceXMPPServer, dns.ServiceXMPPSServer, dns.ServiceXMPPClient}[:1+random.IntN(3)] {
			unit.Records = append(unit.Records, dns.SRVRecord(service, name, 300, dns.SRV{Port: uint16(5000 + random.IntN(2)), Target: host}))
		}
		units = append(units, unit)
	}
	return units
}

func TestAChangeInPartsIsSafeAfterEachOfThem(t *testing.T) {
	keys := [][]byte{[]byte("the first key for tests"), []byte("the second key for tests")}
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 11))
		z := &narrowZone{T: t, Memory: dnstest.NewMemory("cupdomain.com"), size: 14000 + random.IntN(60000)}
		for range 8 {
			units := randomUnits(random)
			if random.IntN(5) == 0 {
				units = nil
			}
			random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			signer := signerOf(t, keys)
			z.left = random.IntN(6)
			if _, err := dns.Converge(t.Context(), z, signer, owner, randomUnits(random)); err != nil {
				if e, ok := dns.AsError(err); !ok || e.Message != "gone" {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			z.left = -1
			r, err := dns.Converge(t.Context(), z, signer, owner, units)
			if err != nil || r.Err() != nil {
				t.Fatalf("seed %d: %v %v", seed, err, r.Err())
			}
			wanted := 0
			for _, u := range units {
				wanted += len(u.Records)
			}
			stands := len(slices.DeleteFunc(z.Sets(), func(set dns.RRset) bool { is, _ := dns.Ownership(set.Key()); return is }))
			if !holds(z.Memory, units...) || stands != wanted {
				t.Fatalf("seed %d: the zone has %d record sets, want %d, all of them as wanted", seed, stands, wanted)
			}
			if r, err := dns.Converge(t.Context(), z, signer, owner, units); err != nil || r.Changed {
				t.Fatalf("seed %d: again: %+v %v, want nothing to do", seed, r, err)
			}
		}
		if _, err := dns.Converge(t.Context(), z, signerOf(t, keys), owner, nil); err != nil || len(z.Dump()) > 0 {
			t.Fatalf("seed %d: left are %v, %v", seed, z.Dump(), err)
		}
	}
}

func signerOf(t *testing.T, keys [][]byte) dns.Signer {
	t.Helper()
	s, err := dns.NewSigner(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestANameThatDoesNotFitAloneIsRefusedAlone(t *testing.T) {
	z := &narrowZone{T: t, Memory: dnstest.NewMemory("cupdomain.com"), size: 2000, left: -1}
	units := []dns.Unit{hostUnit("203.0.113.130"), domainAt("a.cupdomain.com", 5269), domainAt("b.cupdomain.com", 5269)}
	for i := range 40 {
		units[1].Records[0].Data = append(units[1].Records[0].Data, dns.SRV{Port: uint16(i), Target: "cup1.cupdomain.com."})
	}
	r, err := dns.Converge(t.Context(), z, signer(t), owner, units)
	why := r.Refused["a.cupdomain.com."]
	if err != nil || len(r.Refused) != 1 || why == nil || why.Reason != v1alpha1.ReasonUpdateRejected || !holds(z.Memory, units[0], units[2]) {
		t.Errorf("got %+v %v, want that a is refused and the rest published", r, err)
	}
}
