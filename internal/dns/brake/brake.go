// SPDX-License-Identifier: Apache-2.0

// Package brake holds removals back when too many owners of a zone lose records in a short time: a mistake in what manages
// them is more likely than the wish, and can be undone as long as the records stand.
package brake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Window in which owners that lose records are counted.
const Window = 10 * time.Minute

// waitingFor is how long an owner that was refused counts as waiting; it tries again sooner than that.
const waitingFor = time.Minute

// Brake of one zone. It counts in memory: after a restart it begins anew.
type Brake struct {
	now func() time.Time

	mu    sync.Mutex
	limit int
	// lost is when an owner first lost records in the window; waiting is when one was last refused.
	lost, waiting map[string]time.Time
}

// New brake, which holds nothing back before it has a limit.
func New(now func() time.Time) *Brake {
	return &Brake{now: now, lost: map[string]time.Time{}, waiting: map[string]time.Time{}}
}

// SetLimit to the number of owners that may lose records in the window; zero for any number.
func (b *Brake) SetLimit(owners int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = owners
}

// Holds tells whether an owner is held back now.
func (b *Brake) Holds() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	forget(b.waiting, b.now().Add(-waitingFor))
	return b.limit > 0 && len(b.waiting) > 0
}

// admit counts an owner that is to lose records, or tells that it has to wait. One that was admitted may lose more.
func (b *Brake) admit(owner string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	forget(b.lost, now.Add(-Window))
	_, counted := b.lost[owner]
	if !counted && b.limit > 0 && len(b.lost) >= b.limit {
		b.waiting[owner] = now
		return false
	}
	if !counted {
		b.lost[owner] = now
	}
	delete(b.waiting, owner)
	return true
}

func forget(times map[string]time.Time, before time.Time) {
	for owner, at := range times {
		if !at.After(before) {
			delete(times, owner)
		}
	}
}

// On a provider.
func (b *Brake) On(p dns.Provider) dns.Provider { return braked{p, b} }

type braked struct {
	dns.Provider
	brake *Brake
}

// Apply refuses changes that remove records of one owner too many.
func (p braked) Apply(ctx context.Context, change dns.Change) error {
	if owner, removes := loser(change); removes && !p.brake.admit(owner) {
		return &dns.Error{Reason: v1alpha1.ReasonRemovalsPaused, Message: Message(p.Apex())}
	}
	return p.Provider.Apply(ctx, change)
}

// Message says what is held back in a zone, why, and how to go on.
func Message(apex string) string {
	return fmt.Sprintf("removals from zone %s are paused, because more Federations lost records in it within ten minutes than "+
		"spec.brake of its DNSZone allows; if that is a mistake, undo it, and nothing more is lost; if not, the platform team releases "+
		"the brake with annotation %s, or waits, as some go on when time passes", dns.Display(apex), v1alpha1.AnnotationBrakeReleasedUntil)
}

// loser is the owner that a change takes records from, by its index, which every change rewrites or removes.
func loser(change dns.Change) (owner string, removes bool) {
	keys := slices.Clone(change.Drop)
	removes = len(change.Withdrawn) > 0
	for _, k := range change.Drop {
		ownership, _ := dns.Ownership(k)
		removes = removes || !ownership
	}
	for _, set := range change.Put {
		keys = append(keys, set.Key())
	}
	for _, k := range keys {
		if _, index := dns.Ownership(k); index {
			owner = k.Name
		}
	}
	return owner, removes
}
