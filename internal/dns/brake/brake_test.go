// SPDX-License-Identifier: Apache-2.0

package brake_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// rig is a zone with a brake, in which owners publish two hosts each.
type rig struct {
	*testing.T
	now    time.Time
	zone   *dnstest.Memory
	brake  *brake.Brake
	limit  int
	memory *memory
	signer dns.Signer
}

// memory is what outlives the brake.
type memory struct {
	kept   brake.Losses
	writes int
	// fails is the error of every update.
	fails error
}

func (m *memory) Update(_ context.Context, change func(brake.Losses) (brake.Losses, error)) error {
	if m.fails != nil {
		return m.fails
	}
	next, err := change(maps.Clone(m.kept))
	if err == nil && !maps.Equal(next, m.kept) {
		m.kept = next
		m.writes++
	}
	return err
}

func newRig(t *testing.T, owners int) *rig {
	t.Helper()
	signer, err := dns.NewSigner([]byte("a key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, now: time.Unix(1_800_000_000, 0), zone: dnstest.NewMemory("cupdomain.com"), signer: signer}
	r.memory = &memory{kept: brake.Losses{}}
	r.restart()
	for i := range owners {
		r.admit(r.converge(i, host(i, "a"), host(i, "b")))
	}
	return r
}

// restart makes the brake anew, as a restart of the operator does.
func (r *rig) restart() {
	r.brake = brake.New(func() time.Time { return r.now })
	r.setLimit(r.limit)
}

func (r *rig) setLimit(limit int) {
	r.limit = limit
	r.brake.Set(limit, r.memory)
}

// host6 is a host with an address of the other family.
func host6(owner int, label string) dns.Unit {
	unit := host(owner, label)
	unit.Records = dns.AddressRecords(unit.Anchor, 300, []netip.Addr{netip.MustParseAddr("2001:db8::5")})
	return unit
}

// federation is the name of an owner.
func federation(owner int) string { return fmt.Sprintf("chat/owner%03d", owner) }

func host(owner int, label string) dns.Unit {
	name := fmt.Sprintf("%s%d.cupdomain.com", label, owner)
	return dns.Unit{Anchor: name, Records: dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})}
}

func (r *rig) converge(owner int, units ...dns.Unit) error {
	provider := r.brake.On(r.zone, federation(owner))
	result, err := dns.Converge(r.Context(), provider, r.signer, dns.Owner{ID: fmt.Sprintf("owner%03d", owner)}, units)
	if err != nil {
		return err
	}
	brake.Settle(provider, result)
	return result.Err()
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

// expectWaiting expects who is held back.
func (r *rig) expectWaiting(owners ...int) {
	r.Helper()
	var want []string
	for _, owner := range owners {
		want = append(want, federation(owner))
	}
	if got, _ := r.brake.Waiting(); !slices.Equal(got, want) {
		r.Fatalf("waiting: %v, want %v", got, want)
	}
}

func (r *rig) expectWrites(want int) {
	r.Helper()
	if r.memory.writes != want {
		r.Fatalf("the memory was written %d times, want %d", r.memory.writes, want)
	}
}

func TestTheFirstOwnersLoseTheirRecordsAndTheNextHasToWait(t *testing.T) {
	r := newRig(t, 4)
	r.setLimit(2)
	r.admit(r.converge(0, host(0, "a")))
	r.admit(r.converge(1))
	r.expectWaiting()
	r.refuse(2)
	r.refuse(3, host(3, "a"))
	r.expectWaiting(2, 3)
	r.admit(r.converge(0)) // It counts already.
	r.expectWrites(2)
}

func TestWhatRemovesNothingIsNotHeldBack(t *testing.T) {
	r := newRig(t, 3)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.admit(r.converge(2, host(2, "a"), host(2, "b"), host(2, "c")))
	r.admit(r.converge(9, host(9, "a")))
	r.admit(r.converge(9, host6(9, "a"))) // The name has an address as before.
	// What is new is published meanwhile, and what it takes the place of stays.
	if e, ok := dns.AsError(r.converge(9, host6(9, "b"))); !ok || e.Reason != v1alpha1.ReasonRemovalsPaused {
		t.Fatalf("got %+v, want that it is held back", e)
	}
	if left := strings.Join(r.zone.Dump(), "\n"); !strings.Contains(left, "a9.cupdomain.com. 300 AAAA") || !strings.Contains(left, "b9.cupdomain.com. 300 AAAA") {
		t.Errorf("the zone has:\n%s", left)
	}
}

func TestOthersGoOnWhenTheWindowHasPassed(t *testing.T) {
	r := newRig(t, 3)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.now = r.now.Add(brake.Window - time.Second)
	r.refuse(1)
	r.now = r.now.Add(time.Second)
	r.admit(r.converge(1))
	r.expectWaiting()
	r.refuse(2)
}

func TestAReleasedBrakeHoldsNothing(t *testing.T) {
	r := newRig(t, 4)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.setLimit(brake.Off)
	r.expectWaiting()
	for owner := range 4 {
		r.admit(r.converge(owner))
	}
	if left := r.zone.Dump(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	r.expectWrites(1)
}

func TestWhoeverStopsTryingIsNotWaitingAnyMore(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.admit(r.converge(1, host(1, "a"), host(1, "b"))) // The mistake was undone.
	r.expectWaiting()
	r.refuse(1)
	r.now = r.now.Add(brake.WaitingFor) // The Federation is gone.
	r.expectWaiting()
}

func TestWhoeverTriesSeldomGoesOnWaiting(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.refuse(1)
	r.now = r.now.Add(outcome.MaxWait)
	r.expectWaiting(1)
}

func TestHoweverOftenTheOperatorRestartsNoMoreThanTheLimitLoseRecords(t *testing.T) {
	r := newRig(t, 6)
	r.setLimit(2)
	for owner := range 6 {
		r.restart()
		if owner < 2 {
			r.admit(r.converge(owner, host(owner, "a")))
			continue
		}
		r.refuse(owner)
	}
	r.restart()
	r.admit(r.converge(1)) // It may go on to the end, and counts from its first loss.
	r.expectWrites(2)
	r.now = r.now.Add(brake.Window)
	r.restart()
	r.admit(r.converge(2))
}

func TestNothingIsRemovedBeforeItIsNoted(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(2)
	r.memory.fails = errors.New("the API server is away")
	before := strings.Join(r.zone.Dump(), "\n")
	e, ok := dns.AsError(r.converge(0))
	if !ok || e.Reason != v1alpha1.ReasonRemovalsPaused || !errors.Is(e, r.memory.fails) || !strings.Contains(e.Message, "are counted") {
		t.Fatalf("got %+v, want that it can't be counted", e)
	}
	if strings.Join(r.zone.Dump(), "\n") != before {
		t.Fatal("the zone changed")
	}
	r.expectWaiting()
	r.memory.fails = nil
	r.admit(r.converge(0))
}

func TestAFederationIsCountedThoughItsRemovalDoesNotHappen(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(1)
	provider := r.brake.On(r.zone, federation(0))
	there := []dns.Key{{Name: dns.Canonical("a0.cupdomain.com"), Type: dns.TypeA}}
	if err := provider.Apply(t.Context(), dns.Change{Absent: there, Drop: there, Lost: there}); !errors.Is(err, dns.ErrPrerequisite) {
		t.Fatal(err)
	}
	r.refuse(1)
}

func TestWhatAnotherOperatorNotedCounts(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(1)
	r.memory.kept["chat/another"] = r.now
	r.refuse(0)
	r.expectWrites(0)
}

func TestWhoWaitsIsKnownOnlyAfterAllHadTheTimeToTry(t *testing.T) {
	r := newRig(t, 2)
	r.setLimit(1)
	r.admit(r.converge(0))
	r.restart()
	if _, known := r.brake.Waiting(); known {
		t.Error("a brake knows who waits as soon as it is made")
	}
	r.now = r.now.Add(brake.WaitingFor)
	r.refuse(1)
	if waiting, known := r.brake.Waiting(); !known || len(waiting) != 1 {
		t.Errorf("waiting: %v, known: %t", waiting, known)
	}
}
