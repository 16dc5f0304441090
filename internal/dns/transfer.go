// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// others tells that another owner has the anchor.
func (g guard) others() bool { return g.standing == standingOther || g.standing == standingOffered }

// holding adds to an error who has the name instead.
func (p planner) holding(g guard, name string, err *Error) *Error {
	valid, _ := p.signer.verify(p.apex, g.key.Name, g.marker)
	err.Holder = Holder{Name: Display(name), Owner: g.marker.owner, Ours: valid}
	return err
}

// offeredByOurs tells that the owner who offers an anchor is one that we accept from, as our own signature proves.
func (p planner) offeredByOurs(g guard) bool {
	valid, _ := p.signer.verify(p.apex, g.key.Name, g.marker)
	return g.standing == standingOffered && valid && slices.Contains(p.owner.AcceptFrom, g.marker.owner)
}

// handOver offers every anchor that is held to the owner that is to have it, and takes those that it has accepted off the
// index. Records stay as they are: they change in the update by which the other accepts them.
func (b *builder) handOver() {
	var held []string
	for a, g := range b.guards {
		if g.standing == standingOurs || g.listed && !slices.Contains(b.active, a) {
			held = append(held, a)
		}
	}
	for _, a := range b.active {
		switch g := b.guards[a]; {
		case g.standing == standingOurs && len(g.members) > 0:
			b.found.anchors[a] = sharedError(g, b.apex)
		case g.standing == standingOurs:
			b.offer(a, g)
		case g.listed:
			b.touched[a] = true
		}
	}
	b.writeIndex(held)
}

// offer an anchor with all that its ownership record lists.
func (b *builder) offer(anchor string, g guard) {
	keys := slices.Compact(slices.Clone(g.marker.keys))
	b.plan.offered = append(b.plan.offered, keys...)
	if !b.upToDate(g, keys) {
		b.touched[anchor] = true
		b.require(g)
		b.put(b.marker(g, keys))
	}
}
