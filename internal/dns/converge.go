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
	// sharedTries are those where others who share a name may write as well, each of whom may be faster.
	sharedTries = 24
	// maxPause between them.
	maxPause = 50 * time.Millisecond
)

// maxTries of read, decide, write. More than one is needed only when somebody else writes at the same moment or an
// answer got lost.
const maxTries = 3

// Result of Converge.
type Result struct {
	// Changed tells that this run changed the zone.
	Changed bool
	// Dropped record sets were removed by this run; ownership records are not listed.
	Dropped []Key
	// Adopted record sets were somebody else's and were taken over, or accepted, by this run.
	Adopted []Key
	// Offered record sets are still this owner's, who offers them to Owner.TransferTo.
	Offered []Key
	// Deferred anchors are not held, and were not claimed because all that is wanted of them is Unit.HeldOnly. They are sorted and
	// have a trailing dot.
	Deferred []string
	// Withheld record sets are wanted of units that are Unit.HeldOnly, and not the owner's yet: all of the deferred anchors, and
	// those that were added to held ones. They were neither added nor taken over.
	Withheld []Key
}

// Converge makes the zone hold what units say, as far as owner is concerned, in one atomic update that leaves foreign
// records alone; the protocol is described at the head of the package. Units are all that owner wants in this zone:
// whatever else it holds is removed, so a call without units releases everything. When all is well, nothing is written.
// An owner with TransferTo changes no records; it offers them until they are the other's.
//
// With a provider that does not write it compares the wanted records only, and tells people what to create.
//
// Errors of type *Error are for the DNSPublished condition. All others mean that the units contradict each other or
// that ctx was cancelled.
func Converge(ctx context.Context, p Provider, s Signer, owner Owner, units []Unit) (Result, error) {
	if err := checkOwner(owner); err != nil {
		return Result{}, err
	}
	want, err := mergeUnits(p.Apex(), units)
	if err != nil {
		return Result{}, err
	}
	if owner.TransferTo != "" && !p.Capabilities().guarded() {
		return Result{}, unsupportedError("spec.dns.transferTo", p.Apex())
	}
	if want.sharesAny() && !p.Capabilities().guarded() {
		return Result{}, unsupportedError("spec.dns.shared", p.Apex())
	}
	if !p.Capabilities().guarded() {
		want.accept = nil
	}
	run := run{provider: p, planner: planner{
		apex: p.Apex(), signer: s, owner: owner, want: want, unguarded: !p.Capabilities().guarded(), stepwise: !p.Capabilities().Atomic,
	}}
	switch c := p.Capabilities(); {
	case !c.Writes:
		return run.advise(ctx)
	case !c.Atomic:
		return run.convergeInSteps(ctx)
	default:
		return run.converge(ctx)
	}
}

// run is one call of Converge.
type run struct {
	planner
	provider Provider
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
	r.keep, r.strict = false, false
	removed, err := r.converge(ctx)
	if err == nil && removed.Changed {
		_, err = r.converge(ctx)
	}
	removed.Changed, removed.Adopted = removed.Changed || added.Changed, added.Adopted
	return removed, err
}

func (r *run) converge(ctx context.Context) (Result, error) {
	var result Result
	var last error
	for try := 1; try <= r.tries(); try++ {
		r.last = try == r.tries()
		if err := r.readZone(ctx); err != nil {
			return result, err
		}
		next, conflict := r.plan()
		if conflict != nil {
			return result, r.nameOwner(ctx, conflict)
		}
		if err := r.checkAdopted(ctx, next.adopted); err != nil {
			return result, err
		}
		result.Offered, result.Deferred, result.Withheld = next.offered, next.deferred, next.withheld
		if next.change.Empty() {
			return result, nil
		}
		err := r.provider.Apply(ctx, next.change)
		switch e, _ := AsError(err); {
		case err == nil:
			result = next.result()
			return result, r.readBack(ctx, next)
		case errors.Is(err, ErrPrerequisite):
			r.strict = true
			last = changingError(next.held, r.apex)
			if r.tries() > maxTries {
				last = busyError(r.apex)
				pause(ctx)
			}
		case e != nil && e.Unsettled:
			// The next reading shows whether the update was applied. If it was not, trying again is safe: should the
			// first one still come, the prerequisites of one of the two fail.
			result = next.result()
			last = err
		default:
			return result, err
		}
	}
	return result, last
}

// result of the plan once it is carried out.
func (p plan) result() Result {
	return Result{
		Changed: true, Dropped: p.dropped, Adopted: append(p.adopted, p.accepted...), Offered: p.offered,
		Deferred: p.deferred, Withheld: p.withheld,
	}
}

// tries are more where others may write at the same moment with the same right.
func (r *run) tries() int {
	if r.want.sharesAny() || len(r.sharedKeys(r.listed(r.guard(indexKey(r.owner, r.apex))))) > 0 {
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

// readZone reads what the decision depends on: the index, and ownership records and records of what is wanted; then the
// ownership records of what the index lists beyond that. Records that are only to be removed need no reading.
func (r *run) readZone(ctx context.Context) error {
	r.read = map[Key]RRset{}
	keys := []Key{indexKey(r.owner, r.apex)}
	for _, a := range r.want.anchors {
		keys = append(keys, markerKey(a))
		keys = append(keys, r.want.keys[a]...)
	}
	if err := r.get(ctx, keys); err != nil {
		return err
	}
	var more []Key
	anchors := slices.Clone(r.want.anchors)
	for _, a := range r.listed(r.guard(keys[0])) {
		if !slices.Contains(r.want.anchors, a) {
			more, anchors = append(more, markerKey(a)), append(anchors, a)
		}
	}
	if len(more) > 0 {
		if err := r.get(ctx, more); err != nil {
			return err
		}
	}
	// What is shared is given up in part, so it has to be known.
	parts := slices.DeleteFunc(r.sharedKeys(anchors), func(k Key) bool {
		return slices.Contains(keys, k)
	})
	if len(parts) == 0 {
		return nil
	}
	return r.get(ctx, parts)
}

func (r *run) get(ctx context.Context, keys []Key) error {
	sets, err := r.provider.Get(ctx, keys...)
	for _, s := range sets {
		r.read[s.Key()] = s
	}
	return err
}

// readBack makes sure that what the server accepted is what it serves: NOERROR alone does not say so. Of what is removed
// only ownership records tell: any other record that stands there now may be somebody else's, or made up from a wildcard.
func (r *run) readBack(ctx context.Context, p plan) error {
	c, released := p.change, p.released()
	keys := slices.Clone(released)
	for _, set := range c.Put {
		keys = append(keys, set.Key())
	}
	r.read = map[Key]RRset{}
	if len(keys) == 0 {
		return nil
	}
	if err := r.get(ctx, keys); err != nil {
		return err
	}
	for _, set := range c.Put {
		got := r.read[set.Key()]
		part, shared := p.contains[set.Key()]
		if got.Equal(set) || shared && got.Covers(part) {
			continue
		}
		if alias, ok := r.read[Key{Name: set.Name, Type: TypeCNAME}]; ok {
			return aliasError(set.Key(), alias, r.apex)
		}
		return notAppliedError(set.Key(), r.apex)
	}
	for _, k := range released {
		if r.guard(k).standing == standingOurs {
			return notRemovedError(k, r.apex)
		}
	}
	return nil
}

// released are the ownership records in which nothing of ours is left, be it that others go on sharing them.
func (p plan) released() []Key {
	var keys []Key
	for _, k := range p.change.Drop {
		if ownership, _ := Ownership(k); ownership {
			keys = append(keys, k)
		}
	}
	for _, set := range p.change.Put {
		part, shared := p.contains[set.Key()]
		if ownership, _ := Ownership(set.Key()); ownership && shared && len(part.Data) == 0 {
			keys = append(keys, set.Key())
		}
	}
	return keys
}
