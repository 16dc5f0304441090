// SPDX-License-Identifier: Apache-2.0

package brake_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// rig is a zone with a brake, in which owners publish two hosts each.
type rig struct {
	*testing.T
	now      time.Time
	zone     *dnstest.Memory
	brake    *brake.Brake
	provider dns.Provider
	signer   dns.Signer
}

func newRig(t *testing.T, owners int) *rig {
	t.Helper()
	signer, err := dns.NewSigner([]byte("a key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, now: time.Unix(1_800_000_000, 0), zone: dnstest.NewMemory("cupdomain.com"), signer: signer}
	r.brake = brake.New(func() time.Time { return r.now })
	r.provider = r.brake.On(r.zone)
	for i := range owners {
		r.admit(r.converge(i, host(i, "a"), host(i, "b")))
	}
	return r
}

func host(owner int, label string) dns.Unit {
	name := fmt.Sprintf("%s%d.cupdomain.com", label, owner)
	return dns.Unit{Anchor: name, Records: dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})}
}

func (r *rig) converge(owner int, units ...dns.Unit) error {
	_, err := dns.Converge(r.Context(), r.provider, r.signer, dns.Owner{ID: fmt.Sprintf("owner%03d", owner)}, units)
	return err
}

func (r *rig) admit(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// refuse expects that a removal is held back, and that nothing changed.
func (r *rig) refuse(owner int, units ...dns.Unit) {
	r.Helper()
	before := strings.Join(r.zone.Dump(), "\n")
	e, ok := dns.AsError(r.converge(owner, units...))
	if !ok || e.Reason != v1alpha1.ReasonRemovalsPaused || e.Permanent || !strings.Contains(e.Message, "zone cupdomain.com") {
		r.Fatalf("got %+v, want that it is held back", e)
	}
	if strings.Join(r.zone.Dump(), "\n") != before {
		r.Fatal("the zone changed")
	}
}

func (r *rig) expectHolds(want bool) {
	r.Helper()
	if got := r.brake.Holds(); got != want {
		r.Fatalf("the brake holds: %t, want %t", got, want)
	}
}

func TestTheFirstOwnersLoseTheirRecordsAndTheNextHasToWait(t *testing.T) {
	r := newRig(t, 4)
	r.brake.SetLimit(2)
	r.admit(r.converge(0, host(0, "a")))
	r.admit(r.converge(1))
	r.expectHolds(false)
	r.refuse(2)
	r.refuse(3, host(3, "a"))
	r.expectHolds(true)
	r.admit(r.converge(0)) // It counts already.
}

func TestWhatRemovesNothingIsNotHeldBack(t *testing.T) {
	r := newRig(t, 3)
	r.brake.SetLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.admit(r.converge(2, host(2, "a"), host(2, "b"), host(2, "c")))
	r.admit(r.converge(9, host(9, "a")))
}

func TestOthersGoOnWhenTheWindowHasPassed(t *testing.T) {
	r := newRig(t, 3)
	r.brake.SetLimit(1)
	r.admit(r.converge(0))
	r.now = r.now.Add(brake.Window - time.Second)
	r.refuse(1)
	r.now = r.now.Add(time.Second)
	r.admit(r.converge(1))
	r.expectHolds(false)
	r.refuse(2)
}

func TestAReleasedBrakeHoldsNothing(t *testing.T) {
	r := newRig(t, 4)
	r.brake.SetLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.brake.SetLimit(0)
	r.expectHolds(false)
	for owner := range 4 {
		r.admit(r.converge(owner))
	}
	if left := r.zone.Dump(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWhoeverStopsTryingIsNotWaitingAnyMore(t *testing.T) {
	r := newRig(t, 2)
	r.brake.SetLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.admit(r.converge(1, host(1, "a"), host(1, "b"))) // The mistake was undone.
	r.now = r.now.Add(2 * time.Minute)
	r.expectHolds(false)
}
