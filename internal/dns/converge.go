// SPDX-License-Identifier: Apache-2.0

package dns

import "context"

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
	// those that were added to held ones. They were neither added nor taken over. Service records that lead to a withheld host
	// are among them.
	Withheld []Key
	// Refused are the anchors that could not be made what is wanted, in whole or in part, and why. What stands there stays as it is.
	// All others are as wanted. They have a trailing dot.
	Refused map[string]*Error
	// Kept are the refused anchors that the owner holds, sorted. The records that stood there before still stand.
	Kept []string
}

// Err returns why the first of the refused anchors could not be made what is wanted, or nil: for those who need all or nothing.
func (r Result) Err() error {
	for _, anchor := range InOrder(r.Refused) {
		return r.Refused[anchor]
	}
	return nil
}

// Converge makes the zone hold what units say, as far as owner is concerned, in one atomic update that leaves foreign
// records alone; the protocol is described at the head of the package. Units are all that owner wants in this zone:
// whatever else it holds is removed, so a call without units releases everything. When all is well, nothing is written.
// An owner with TransferTo changes no records; it offers them until they are the other's.
//
// Each anchor is dealt with by itself: one that can't be made what is wanted is named in Result.Refused and left as it is, and
// keeps no other from being changed or released. An update that is too large, or that the server refuses on account of some of
// its names, is made in several.
//
// With a provider that does not write it compares the wanted records only, and tells people what to create.
//
// Errors are about the zone as a whole, so that nothing is known to be as wanted. Those of type *Error are for the DNSPublished
// condition. All others mean that the units contradict each other or that ctx was cancelled.
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
	if !p.Capabilities().guarded() {
		want.accept = nil
		for _, a := range want.anchors {
			if want.shared[a] {
				want.refused[a] = unsupportedError("spec.dns.shared", p.Apex())
			}
		}
	}
	run := run{provider: p, planner: planner{
		apex: p.Apex(), signer: s, owner: owner, want: want, unguarded: !p.Capabilities().guarded(), stepwise: !p.Capabilities().Atomic,
		bars: bars{anchors: want.refused, keys: map[Key]*Error{}}, lenient: map[string]bool{},
	}, asked: map[string]bool{}}
	switch c := p.Capabilities(); {
	case !c.Writes:
		return run.advise(ctx)
	case !c.Atomic:
		return run.convergeInSteps(ctx)
	default:
		return run.converge(ctx)
	}
}
