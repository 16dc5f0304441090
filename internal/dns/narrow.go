// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"slices"
)

// retry notes that a prerequisite of an update did not hold. What is read next may tell which; when it does not, or only seems to,
// the server is asked about fewer anchors.
func (r *run) retry(ctx context.Context, next plan) error {
	r.strict = true
	r.try++
	last := changingError(next.held, r.apex)
	if r.tries() > maxTries {
		last = busyError(r.apex)
		pause(ctx)
	}
	doubtful := false
	for _, a := range slices.Concat(next.groups...) {
		if len(next.groups) == 1 {
			r.asked[a] = true
			delete(r.lenient, a)
		}
		doubtful = doubtful || r.lenient[a]
	}
	if r.try < r.tries() && !doubtful {
		return nil
	}
	if r.contended {
		return last
	}
	return r.reduce(next, last)
}

// narrow finds out on account of which anchors the server refused an update.
func (r *run) narrow(next plan, why *Error) error {
	if r.refusal == nil {
		r.refusal = why
	}
	if len(next.groups) == 1 {
		r.alone++
	}
	// When nothing was ever accepted, two are enough to know that it is not on account of their names.
	if r.alone > 1 && !r.accepted && !next.held {
		return r.refusal
	}
	return r.reduce(next, why)
}

// reduce makes the next update one of fewer anchors. One that can't be updated alone is left out.
func (r *run) reduce(next plan, why *Error) error {
	switch number := len(next.groups); number {
	case 0:
		return why
	case 1:
		for _, a := range next.groups[0] {
			r.bars.anchors[a] = why
		}
	default:
		r.most = (number + 1) / 2
	}
	r.try = 0
	return nil
}

// decide what to do about some anchors; all if only is nil.
func (r *run) decide(ctx context.Context, only map[string]bool) (plan, error) {
	p := r.planner
	p.only = only
	for {
		next, conflict := p.plan()
		if conflict != nil {
			return plan{}, r.nameOwner(ctx, conflict)
		}
		again, err := r.doubt(ctx, next)
		if err == nil && !again {
			again, err = r.leaveToOthers(ctx, next.adoptedAt)
		}
		if err != nil || !again {
			return next, err
		}
	}
}

// doubt finds the anchors for which something seems to be in the way that may be made up from a wildcard. It reports whether that
// makes a difference.
func (r *run) doubt(ctx context.Context, p plan) (bool, error) {
	suspects, keys := map[string]Key{}, []Key(nil)
	for a, why := range p.refused {
		if why.suspect != (Key{}) && !r.asked[a] && r.bars.anchors[a] == nil {
			suspects[a] = why.suspect
			keys = append(keys, wildcards(why.suspect, r.apex)...)
		}
	}
	if len(suspects) == 0 {
		return false, nil
	}
	found, err := r.provider.Get(ctx, keys...)
	if err != nil {
		return false, err
	}
	doubtful := false
	for a, k := range suspects {
		r.asked[a] = true
		madeUp := func(set RRset) bool {
			set.Name = k.Name
			return set.SameData(r.read[k])
		}
		if slices.ContainsFunc(found, madeUp) {
			r.lenient[a], doubtful = true, true
		}
	}
	return doubtful, nil
}
