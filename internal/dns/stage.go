// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// Stage is what a provider without atomic changes carries out at once. In the order of the stages, whatever stands in the
// zone is listed by its owner at any moment, so a change that is interrupted is completed by the next run.
type Stage int

// Stages of a change.
const (
	// GrowIndex lists ownership records that come next. A change that also removes something comes to the index last.
	GrowIndex Stage = iota
	// DropRecords removes records while their ownership records still list them.
	DropRecords
	// PutOwnership lists the records that come next.
	PutOwnership
	// PutAddresses comes before the records that lead to them.
	PutAddresses
	PutRecords
	// DropOwnership removes ownership records while the index still lists them.
	DropOwnership
	ShrinkIndex
	// Stages is how many there are.
	Stages
)

// DropStage is when a record set is removed.
func (c Change) DropStage(k Key) Stage {
	switch ownership, index := Ownership(k); {
	case index:
		return ShrinkIndex
	case ownership:
		return DropOwnership
	default:
		return DropRecords
	}
}

// PutStage is when a record set is replaced.
func (c Change) PutStage(k Key) Stage {
	switch ownership, index := Ownership(k); {
	case index && len(c.Drop) > 0:
		return ShrinkIndex
	case index:
		return GrowIndex
	case ownership:
		return PutOwnership
	case k.Type == TypeA || k.Type == TypeAAAA:
		return PutAddresses
	default:
		return PutRecords
	}
}

// kept are the keys that an ownership record is to list: those wanted, and for now those that are to be removed later.
func (b *builder) kept(g guard, keys []Key) []Key {
	if b.keep {
		keys = append(slices.Clone(keys), g.lists()...)
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}
