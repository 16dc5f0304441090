// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// The decision, for each anchor, from what its ownership record says ("ours" means signed by us for this place) and
// from whether records are wanted. Whether a record set exists is asked by prerequisites, not taken from what was read,
// because a server makes up records at names below a wildcard (RFC 4592). Only after the server has refused (strict)
// does what was read explain why.
//
//	ownership record | wanted | decision                                                  | prerequisites
//	-----------------+--------+-----------------------------------------------------------+------------------------------
//	absent or junk   | yes    | claim: write it and the records; strict: if something     | record absent, new sets absent,
//	                 |        | stands there that may not be taken over,                  | or as read when taken over, no
//	                 |        | RecordExistsUnowned, or OwnershipLost when our index says | CNAME at their names
//	                 |        | that we had the anchor                                    |
//	absent or junk   | no     | nothing                                                   | -
//	ours             | yes    | keep: write what differs, drop what is no longer wanted   | record unchanged, added sets
//	                 |        |                                                           | absent, or as read when taken
//	                 |        |                                                           | over, no CNAME where written
//	ours             | no     | release: drop it and all that it lists                    | record unchanged
//	another owner's, | yes    | accept, where the unit lets us, or Owner.AcceptFrom and   | record unchanged, new sets that
//	who offers it    |        | our signature do (else OwnershipConflict): write it and   | it does not list absent, no CNAME
//	                 |        | the records, drop what is not wanted                      |
//	another owner's  | yes    | OwnershipConflict                                         | -
//	another owner's  | no     | nothing                                                   | -
//	ours, but forged | any    | OwnershipLost                                             | -
//
// An error is about its anchor alone, see bars.go: the anchor, or of one that is held the record set, is left as it is, and
// listed as before. So is an anchor that is wanted only as far as it is held (HeldOnly) and is not ours.
//
// What is shared follows the same rows, in share.go: "absent" and "unchanged" then speak of the whole sets, with the parts of
// others in them, and only our part is written or dropped.
//
// The index follows the same rows, where an error is about the whole zone. It lists the ownership records; every update rewrites
// its root with the next epoch, hence two updates based on the same reading can't both succeed.

// planner holds what a decision depends on.
type planner struct {
	apex   string
	signer Signer
	owner  Owner
	want   wanted
	// read are the record sets at the primary.
	read map[Key]RRset
	// strict tells that the server refused the prerequisites of a plan based on an earlier reading.
	strict bool
	// keep tells to remove nothing and to go on listing what is to be removed, see Converge.
	keep bool
	// stepwise tells that changes are not atomic, see kept.
	stepwise bool
	// unguarded tells that the provider does not guarantee that nobody's change gets lost.
	unguarded bool
	// lenient are the anchors to which strict does not apply: what was read of them may be made up from a wildcard, and the server
	// has not been asked about them alone.
	lenient map[string]bool
	// bars are what is left as it is, found out before.
	bars bars
	// only are the anchors that the change may touch; nil: all.
	only map[string]bool
	// last tells that this is the last try. Others may change what is shared between two readings, so only then is a record
	// that nobody accounts for an obstacle.
	last bool
}

// plan is what to do, and what it leads to.
type plan struct {
	change Change
	// dropped and adopted are record sets other than ownership records.
	dropped, adopted []Key
	// adoptedAt is where the adopted ones belong.
	adoptedAt map[Key]string
	// accepted are record sets that another owner offered.
	accepted []Key
	// offered are the record sets that the owner holds and offers, see Owner.TransferTo.
	offered []Key
	// deferred are the anchors that are wanted, not held, and not to be claimed, or that lead to a host of which that is so.
	deferred []string
	// withheld are the record sets that are wanted and wait, those of deferred anchors among them.
	withheld []Key
	// refused are the anchors that are left as they are, in whole or in part, and why.
	refused map[string]*Error
	// kept are the refused anchors that the owner holds.
	kept []string
	// groups are the anchors that the change touches, see groups.
	groups [][]string
	// contains is what record sets that are shared hold afterwards at least.
	contains map[Key]RRset
	// held tells that the owner holds an anchor already.
	held bool
}

// plan decides, and decides again without what turns out to be in the way, until nothing more does.
func (p planner) plan() (plan, *Error) {
	p.bars = p.bars.clone()
	for {
		b, err := p.build()
		if err != nil {
			return plan{}, err
		}
		if b.found.empty() {
			slices.Sort(b.plan.deferred)
			b.plan.groups, b.plan.kept = b.groups(), b.heldThough()
			return b.plan, nil
		}
		p.bars.add(b.found)
	}
}

// build is one attempt at a plan. It is of no use if something was found to be in the way.
func (p planner) build() (*builder, *Error) {
	b := &builder{
		planner: p, index: p.indexAsRead(), guards: map[string]guard{}, held: map[Key]string{}, still: map[Key]bool{},
		touched: map[string]bool{}, found: newBars(),
		plan: plan{contains: map[Key]RRset{}, adoptedAt: map[Key]string{}, refused: map[string]*Error{}},
	}
	if err := p.checkIndex(b.index); err != nil {
		return nil, err
	}
	b.classify()
	if !b.found.empty() {
		return b, nil
	}
	if b.owner.TransferTo != "" {
		b.handOver()
		return b, nil
	}
	for _, a := range b.active {
		b.hold(a, b.guards[a])
	}
	if !b.keep {
		b.dropUnwanted()
	}
	for _, a := range b.active {
		before := len(b.plan.change.Put) + len(b.plan.change.Drop)
		b.anchor(a, b.guards[a])
		if len(b.plan.change.Put)+len(b.plan.change.Drop) > before {
			b.touched[a] = true
		}
	}
	b.writeIndex(b.toList())
	return b, nil
}

// strictAt reports whether what was read of an anchor counts as an obstacle. The index has the empty name.
func (p planner) strictAt(anchor string) bool { return p.strict && !p.lenient[anchor] }

// toList returns the anchors that the index is to list: those that are held once the change is made, and of those that are left as
// they are the ones that it lists. A change of several steps goes on listing what is to be removed until that is read to be gone.
func (b *builder) toList() []string {
	var out []string
	for a, g := range b.guards {
		ours := g.standing == standingOurs
		switch {
		case !slices.Contains(b.active, a):
			ours = ours || g.listed
		case len(b.want.keys[a]) > 0:
			ours = true
		default:
			ours = g.listed && (b.keep || b.stepwise && ours)
		}
		if ours {
			out = append(out, a)
		}
	}
	return out
}
