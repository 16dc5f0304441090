// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// maxTries of read, decide, write. More than one is needed only when somebody else writes at the same moment or an answer got
	// lost.
	maxTries = 3
	// sharedTries is the number where several owners share a name: each of the others may be faster.
	sharedTries = 24
	// maxPause between them.
	maxPause = 50 * time.Millisecond
)

// run is one call of Converge.
type run struct {
	planner
	provider Provider
	// result so far.
	result Result
	// most is how many groups of anchors one update is about; zero: all. It is halved when an update is too large or refused, and
	// doubled when one is accepted, up to what fits, if that is known.
	most, fits int
	// try is how often the update was tried in vain.
	try int
	// left is how many more updates may be sent.
	left int
	// accepted tells that the server accepted an update, and refusal is what it said of the first one that it refused.
	accepted bool
	refusal  *Error
	// alone is how many anchors the server refused although they were asked for alone.
	alone int
	// root is the root of the index as it was read last, and contended tells that it differed from reading to reading.
	root      RRset
	contended bool
	// asked are the anchors that the server was asked about alone, or of which nothing can be made up.
	asked map[string]bool
}

// convergeInSteps is for providers whose changes are not atomic. A change that both adds and removes would need an index that
// lists more than it should before it, and after it one that lists less. So what is to be removed stays, and stays listed,
// until all else is done. Then it goes, and only when it was read to be gone it leaves the index.
func (r *run) convergeInSteps(ctx context.Context) (Result, error) {
	r.keep = true
	added, err := r.converge(ctx)
	if err != nil {
		return added, err
	}
	r.keep = false
	removed, err := r.converge(ctx)
	if err == nil && removed.Changed {
		var last Result
		last, err = r.converge(ctx)
		removed.Refused, removed.Kept = last.Refused, last.Kept
	}
	removed.Changed, removed.Adopted = removed.Changed || added.Changed, added.Adopted
	return removed, err
}

func (r *run) converge(ctx context.Context) (Result, error) {
	r.result, r.most, r.fits, r.try, r.left = Result{}, 0, 0, 0, 0
	for {
		done, err := r.step(ctx)
		if done || err != nil {
			return r.result, err
		}
	}
}

// step reads, decides, and sends one update. It reports whether that was the last.
func (r *run) step(ctx context.Context) (done bool, err error) {
	r.last = r.try+1 >= r.tries()
	if err := r.readZone(ctx); err != nil {
		return true, err
	}
	whole, err := r.decide(ctx, nil)
	if err != nil {
		return true, err
	}
	r.result.Offered, r.result.Deferred, r.result.Withheld = whole.offered, whole.deferred, whole.withheld
	r.result.Refused, r.result.Kept = whole.refused, whole.kept
	if whole.change.Empty() {
		return true, r.end(ctx, whole)
	}
	next := whole
	if only := first(whole.groups, r.most); only != nil {
		if next, err = r.decide(ctx, only); err != nil {
			return true, err
		}
		next.groups = whole.groups[:r.most]
	}
	if r.left == 0 {
		r.left = 4*len(whole.groups) + 2*r.tries() + 16
	}
	if r.left--; r.left == 0 {
		return true, changingError(whole.held, r.apex)
	}
	done, err = r.send(ctx, next, len(next.groups) == len(whole.groups))
	if done && err == nil {
		err = r.end(ctx, whole)
	}
	return done, err
}

// send an update. It reports whether nothing is left to do.
func (r *run) send(ctx context.Context, next plan, isWhole bool) (done bool, err error) {
	err = r.provider.Apply(ctx, next.change)
	switch e, _ := AsError(err); {
	case err == nil:
		r.carriedOut(next)
		r.accepted, r.try, r.most = true, 0, 2*r.most
		if r.fits > 0 {
			r.most = min(r.most, r.fits)
		}
		return isWhole, r.readBack(ctx, next)
	case errors.Is(err, ErrPrerequisite):
		return false, r.retry(ctx, next)
	case errors.Is(err, ErrTooLarge):
		r.fits = (len(next.groups) + 1) / 2
		return false, r.reduce(next, unfitError(next.groups, r.apex))
	case e != nil && e.PerName:
		return false, r.narrow(next, e)
	case e != nil && e.Unsettled:
		// The next reading shows whether the update was applied. If it was not, trying again is safe: should the
		// first one still come, the prerequisites of one of the two fail.
		r.carriedOut(next)
		if r.try++; r.try < r.tries() {
			return false, nil
		}
		return true, err
	default:
		return true, err
	}
}

// carriedOut notes what an update has done, if it was carried out.
func (r *run) carriedOut(p plan) {
	r.result.Changed = true
	r.result.Dropped = union(r.result.Dropped, p.dropped)
	r.result.Adopted = union(r.result.Adopted, append(p.adopted, p.accepted...))
}

// union appends the keys that are new.
func union(keys, more []Key) []Key {
	for _, k := range more {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// end names who is in the way. Where the server has refused all there was to do, and nothing is held, it is not some name that is
// refused.
func (r *run) end(ctx context.Context, p plan) error {
	if r.refusal != nil && !r.accepted && !p.held {
		return r.refusal
	}
	for a, why := range r.result.Refused {
		r.result.Refused[a] = r.nameOwner(ctx, why)
	}
	return nil
}

// tries are more where others may write at the same moment with the same right.
func (r *run) tries() int {
	if r.want.sharesAny() || len(r.sharedKeys(append(r.indexAsRead().listed(), r.unlisted()...))) > 0 {
		return sharedTries
	}
	return maxTries
}

// pause for a random time, so that those who collided do not collide again.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(maxPause)): //nolint:gosec // nothing secret depends on it
	}
}
