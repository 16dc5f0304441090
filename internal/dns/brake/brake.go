// SPDX-License-Identifier: Apache-2.0

// Package brake holds removals back when too many Federations lose records of a zone in a short time: a mistake in what
// manages them is more likely than the wish, and can be undone as long as the records stand.
package brake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// WaitingFor is how long a Federation that was refused counts as waiting if nothing more is heard of it. It has to be longer than
// the longest pause between two tries, or those who wait would be forgotten between them.
const WaitingFor = 6 * time.Minute

// errHeld tells that a removal has to wait.
var errHeld = errors.New("the limit is reached")

// Memory keeps the losses of a zone where they outlive the operator.
type Memory interface {
	// Update replaces what is kept by what change makes of it, unless somebody else writes at the same time: then change is
	// asked again. An error of change is returned as it is, and nothing is written.
	Update(ctx context.Context, change func(kept Losses) (Losses, error)) error
}

// Brake of one zone. A Federation is counted in the memory before its first record goes, so however often the operator dies
// and whenever, no more than the limit lets go are lost. What was once learnt from the memory is not asked again.
type Brake struct {
	now  func() time.Time
	made time.Time

	mu     sync.Mutex
	limit  int
	memory Memory
	lost   Losses
	// waiting is when a Federation was last refused.
	waiting map[string]time.Time
}

// New brake, which holds nothing back before it has a limit.
func New(now func() time.Time) *Brake {
	return &Brake{now: now, made: now(), lost: Losses{}, waiting: map[string]time.Time{}}
}

// Set the number of Federations of one namespace that may lose records in the window, or Off, and where they are noted.
func (b *Brake) Set(limit int, memory Memory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.memory = limit, memory
}

// Waiting are the Federations that are held back now, sorted. They are known only after each had the time to try.
func (b *Brake) Waiting() (federations []string, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.DeleteFunc(b.waiting, func(_ string, at time.Time) bool { return now.Sub(at) >= WaitingFor })
	if b.limit == Off {
		return nil, true
	}
	return slices.Sorted(maps.Keys(b.waiting)), now.Sub(b.made) >= WaitingFor
}

// admit counts a Federation that is to lose records, or tells that it has to wait.
func (b *Brake) admit(ctx context.Context, who, apex string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.lost = b.lost.Recent(now)
	verdict := b.lost.judge(who, b.limit)
	if verdict == count {
		err := b.memory.Update(ctx, func(kept Losses) (Losses, error) {
			maps.Copy(b.lost, kept.Recent(now))
			verdict = b.lost.judge(who, b.limit)
			if verdict == wait {
				return nil, errHeld
			}
			next := maps.Clone(b.lost)
			if verdict == count {
				next[who] = now
			}
			return next, nil
		})
		if err != nil && !errors.Is(err, errHeld) {
			return uncounted(apex, err)
		}
	}
	if verdict == wait {
		b.waiting[who] = now
		return &dns.Error{Reason: v1alpha1.ReasonRemovalsPaused, Message: Message(apex), PerName: true}
	}
	if verdict == count {
		b.lost[who] = now
	}
	delete(b.waiting, who)
	return nil
}

func uncounted(apex string, err error) error {
	return &dns.Error{
		Reason: v1alpha1.ReasonRemovalsPaused, Err: err, PerName: true,
		Message: fmt.Sprintf("removals from zone %s are counted in status of its DNSZone before they are done, and that can't be written "+
			"now; the operator tries again; if it stays so, the platform team has to see why the API server refuses it", dns.Display(apex)),
	}
}

// On a provider, for the changes of one Federation.
func (b *Brake) On(p dns.Provider, federation string) dns.Provider { return braked{p, b, federation} }

// Settle notes, of a provider that On returned, what one call of Converge came to. A Federation of which nothing is held back does
// not wait any more: the mistake was undone.
func Settle(p dns.Provider, result dns.Result) {
	on, ok := p.(braked)
	if !ok {
		return
	}
	for _, why := range result.Refused {
		if why.Reason == v1alpha1.ReasonRemovalsPaused {
			return
		}
	}
	on.brake.mu.Lock()
	defer on.brake.mu.Unlock()
	delete(on.brake.waiting, on.federation)
}

type braked struct {
	dns.Provider
	brake      *Brake
	federation string
}

// Unwrap gives the provider.
func (p braked) Unwrap() dns.Provider { return p.Provider }

// Apply holds changes back that remove records of one Federation too many.
func (p braked) Apply(ctx context.Context, change dns.Change) error {
	if len(change.Lost) > 0 {
		if err := p.brake.admit(ctx, p.federation, p.Apex()); err != nil {
			return err
		}
	}
	return p.Provider.Apply(ctx, change)
}
