// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
)

const (
	// checkTimeout bounds one check from the wire.
	checkTimeout = 15 * time.Second
	// firstRecheck is how soon a failed check is repeated; each further failure doubles it, up to the interval.
	firstRecheck = 2 * time.Second
)

// checks remembers the newest check of one kind of each Federation, so that one is made only when what it looks at changed or when it
// is due. After a restart every Federation is checked again.
type checks[R any] struct {
	mu    sync.Mutex
	byFed map[types.UID]checked[R]
}

// checked is the newest check of a Federation.
type checked[R any] struct {
	result R
	// good is set when the result needs no other check before the interval is over.
	good bool
	// inputs that the result speaks of; empty before the first result.
	inputs   string
	at       time.Time
	failures int
	// running is set while the next check is under way.
	running bool
	// asking are the inputs of the check that began last.
	asking string
}

// due is how long the result holds.
func (c checked[R]) due(interval time.Duration) time.Duration {
	if c.good {
		return interval
	}
	wait := firstRecheck
	for range c.failures - 1 {
		if wait *= 2; wait >= interval {
			return interval
		}
	}
	return wait
}

// stale reports whether another check is due: of other inputs, or because time has passed.
func (c checked[R]) stale(inputs string, interval time.Duration, now time.Time) bool {
	return c.inputs != inputs || clock.Due(c.at, now, c.due(interval))
}

// left is how long it is until another check is due.
func (c checked[R]) left(interval time.Duration, now time.Time) time.Duration {
	return clock.Left(c.at, now, c.due(interval))
}

func (v *checks[R]) get(uid types.UID) checked[R] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.byFed[uid]
}

func (v *checks[R]) forget(uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.byFed, uid)
}

// begin reports whether a check of the inputs may begin, which is so while no other is under way, and notes that it does.
func (v *checks[R]) begin(uid types.UID, inputs string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.byFed[uid]
	if last.running {
		return false
	}
	last.running, last.asking = true, inputs
	if v.byFed == nil {
		v.byFed = map[types.UID]checked[R]{}
	}
	v.byFed[uid] = last
	return true
}

// note replaces the result, without a check of that kind.
func (v *checks[R]) note(uid types.UID, result R) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byFed == nil {
		v.byFed = map[types.UID]checked[R]{}
	}
	last := v.byFed[uid]
	last.result = result
	v.byFed[uid] = last
}

// end notes the result of a check that began, unless it was forgotten meanwhile, be it that another began since.
func (v *checks[R]) end(uid types.UID, result R, good bool, inputs string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, found := v.byFed[uid]
	if !found || last.asking != inputs {
		return
	}
	next := checked[R]{result: result, good: good, inputs: inputs, asking: inputs, at: now}
	if !good {
		next.failures = 1
		if last.inputs == inputs {
			next.failures += last.failures
		}
	}
	v.byFed[uid] = next
}

// aside runs a check with a bounded context, and has the Federation looked at again when it is over: a firewall that drops packets
// must not keep a change of the Federation waiting.
func (r *FederationReconciler) aside(fed *v1alpha1.Federation, check func(context.Context)) {
	run := func() {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		check(ctx)
	}
	if r.Checked == nil {
		run()
		return
	}
	about := event.TypedGenericEvent[*v1alpha1.Federation]{Object: fed.DeepCopy()}
	go func() {
		run()
		r.Checked <- about
	}()
}
