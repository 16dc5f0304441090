// SPDX-License-Identifier: Apache-2.0

package patrol

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
)

// round is the watch over one Federation's partners: one goroutine that starts what is due.
type round struct {
	patrol     *Patrol
	federation types.NamespacedName
	ctx        context.Context
	stop       context.CancelFunc
	wake       chan struct{}
	slots      chan struct{}

	mu     sync.Mutex
	orders Orders
	// paused is set while nothing may be started.
	paused bool
	beats  map[string]*beat
	// news is set when there is something to tell; told is when that was done last.
	news bool
	told time.Time
}

// beat is one partner on the round.
type beat struct {
	target Target
	// turn counts the changes of what is asked; a try that began in an earlier one says nothing any more.
	turn    int
	due     time.Time
	running bool
	// known is the verdict that was told; nil before the first.
	known *check.PeerVerdict
	// failures in succession, and tries of which nothing was learnt.
	failures int
	// unlearnt is set when nothing was learnt of the last try.
	unlearnt bool
	// suspected is the reason of a failure that awaits confirmation; else empty.
	suspected string
	// fresh is set from the first order, or a change of the target, to the verdict on it.
	fresh bool
}

func newRound(p *Patrol, federation types.NamespacedName) *round {
	r := &round{
		patrol: p, federation: federation, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxOwnTries),
		beats: map[string]*beat{},
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	go r.walk()
	return r
}

// update takes new orders.
func (r *round) update(orders Orders) map[string]check.PeerVerdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, changed := r.beats, !r.orders.Post.asksLike(orders.Post)
	returned := r.paused || !r.orders.Post.standsLike(orders.Post) // what was in the way may be gone
	r.beats = make(map[string]*beat, len(orders.Targets))
	now := time.Now()
	next, latest := now, now.Add(orders.Interval)
	for _, target := range orders.Targets {
		b, found := before[target.Domain]
		if !found {
			b = &beat{}
		}
		switch {
		case b.target != target || changed:
			b.target, b.fresh, b.suspected = target, true, ""
			b.turn++
			b.hasten(&next, orders)
		case returned && (b.unlearnt || b.due.Before(now)):
			b.hasten(&next, orders)
		case b.due.After(latest):
			b.due = latest // the interval became shorter
		}
		r.beats[target.Domain] = b
	}
	r.orders, r.paused = orders, false
	r.rouse()
	return r.verdicts()
}

// hasten has the partner tried next, and moves next on to the turn of the one after it.
func (b *beat) hasten(next *time.Time, orders Orders) {
	b.failures, b.due = 0, *next
	*next = next.Add(min(firstSpacing, orders.Interval/time.Duration(2*len(orders.Targets))))
}

// pause starts nothing until the next orders.
func (r *round) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
}

func (r *round) known() map[string]check.PeerVerdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdicts()
}

func (r *round) verdicts() map[string]check.PeerVerdict {
	known := make(map[string]check.PeerVerdict, len(r.beats))
	for domain, b := range r.beats {
		if b.known != nil && !b.fresh {
			known[domain] = *b.known
		}
	}
	return known
}

func (r *round) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

// walk starts what is due, tells what is new, and sleeps until there is more to do.
func (r *round) walk() {
	for {
		wait := r.startDue()
		if tell := r.tell(); tell > 0 {
			wait = min(wait, tell)
		}
		timer := time.NewTimer(wait)
		select {
		case <-r.ctx.Done():
			timer.Stop()
			return
		case <-r.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// startDue starts the tries that are due and returns how long to wait for the next.
func (r *round) startDue() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, wait := time.Now(), time.Hour
	for _, b := range r.beats {
		switch {
		case r.paused:
		case b.running:
		case b.due.After(now):
			wait = min(wait, b.due.Sub(now))
		default:
			b.running = true
			go r.try(b, b.turn, b.target)
		}
	}
	return wait
}

// tell gives notice of news unless there was one just now; then it returns how long to wait.
func (r *round) tell() time.Duration {
	r.mu.Lock()
	wait := time.Until(r.told.Add(quiet))
	if !r.news || wait > 0 {
		defer r.mu.Unlock()
		if !r.news {
			return 0
		}
		return wait
	}
	r.news, r.told = false, time.Now()
	r.mu.Unlock()
	r.patrol.notify(r.federation)
	return 0
}

// try makes one try and takes in what came of it.
func (r *round) try(b *beat, turn int, target Target) {
	verdict, err := r.attempt(target)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.rouse()
	b.running = false
	if b.turn != turn {
		return // changed meanwhile, and due already
	}
	if b.unlearnt = err != nil || verdict.Status == metav1.ConditionUnknown; b.unlearnt {
		b.due = time.Now().Add(b.next(check.PeerVerdict{}, r.orders.Interval))
		return
	}
	if b.suspects(verdict) {
		b.due = time.Now().Add(min(confirmAfter, r.orders.Interval))
		return
	}
	b.due = time.Now().Add(b.next(verdict, r.orders.Interval))
	r.news = b.tell(verdict) || r.news
}

// errPaused is the error of a try that was paused before it began.
var errPaused = errors.New("waiting for the server")

// attempt waits for its turn and tries, from where the server is by then.
func (r *round) attempt(target Target) (check.PeerVerdict, error) {
	for _, slots := range []chan struct{}{r.slots, r.patrol.slots} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-r.ctx.Done():
			return check.PeerVerdict{}, r.ctx.Err()
		}
	}
	r.mu.Lock()
	post, paused := r.orders.Post, r.paused
	r.mu.Unlock()
	if paused {
		return check.PeerVerdict{}, errPaused
	}
	return r.patrol.prober.Try(r.ctx, post, target)
}

// suspects tells that a verdict is a failure that was not there before, and has to be seen twice before it counts: one
// lost packet is no news. A partner that answered before fails for sure when it fails twice, for whatever reasons. What
// follows a change of the target needs no confirmation, the change explains it; nor does that a partner hosts our domain,
// which was asked twice.
func (b *beat) suspects(verdict check.PeerVerdict) bool {
	news := verdict.Status == metav1.ConditionFalse && !b.fresh && b.known != nil && b.known.Reason != verdict.Reason
	confirmed := news && b.suspected != "" && (b.suspected == verdict.Reason || b.known.Status == metav1.ConditionTrue)
	if !news || confirmed || verdict.Reason == v1alpha1.ReasonPeerHostsOurDomain {
		b.suspected = ""
		return false
	}
	b.suspected = verdict.Reason
	return true
}

// next counts a verdict and returns when the next try is due.
func (b *beat) next(verdict check.PeerVerdict, interval time.Duration) time.Duration {
	if verdict.Status == metav1.ConditionTrue {
		b.failures = 0
		return interval - interval/20 - jitter(b.target.Domain, interval)
	}
	wait := firstRetry
	for range b.failures {
		if wait *= 2; wait >= interval {
			break
		}
	}
	b.failures++
	return min(wait, interval)
}

// tell makes a verdict known, and tells whether it means something new. How long the answer took is no news by itself.
func (b *beat) tell(verdict check.PeerVerdict) bool {
	before := b.known
	b.fresh, b.known = false, &verdict
	return before == nil || !sameMeaning(*before, verdict)
}

// sameMeaning tells that two verdicts differ at most in how long the answer took.
func sameMeaning(a, b check.PeerVerdict) bool {
	a.RoundTrip, b.RoundTrip = 0, 0
	return a == b
}

// jitter is up to a tenth of the interval, different from partner to partner, so that tries that once fell together
// drift apart. Together with the twentieth that every try comes early, news is found and confirmed within the interval.
func jitter(domain string, interval time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(domain)) // a hash takes every write
	return time.Duration(h.Sum32()%1000) * interval / 10 / 1000
}
