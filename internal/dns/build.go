// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"maps"
	"slices"
)

// builder collects one change.
type builder struct {
	planner
	index index
	// guards has what protects each anchor that matters. Active are the anchors that this change is about, sorted.
	guards map[string]guard
	active []string
	// held are the record sets that our ownership records list, and under which anchor.
	held map[Key]string
	// still are record sets that are listed and stay as they are.
	still map[Key]bool
	// touched are the anchors that the change touches.
	touched map[string]bool
	// found is what turned out to be in the way.
	found bars
	plan  plan
}

// refuse leaves out a record set that can't be written: where the anchor is held the rest of it goes on.
func (b *builder) refuse(anchor string, k Key, why *Error) {
	if b.guards[anchor].standing == standingOurs {
		b.found.keys[k] = why
		return
	}
	b.found.anchors[anchor] = why
}

// hold notes which record sets an ownership record gives us. One that we signed, for us or for an owner that we accept from, gives all
// that it lists. An offer of anybody else gives what we want and what can only belong to the anchor, for we can't check its signature.
func (b *builder) hold(anchor string, g guard) {
	switch {
	case g.standing == standingOurs:
		if !b.shares(anchor, g) || !g.marker.shared {
			for _, k := range g.marker.keys {
				b.held[k] = anchor
			}
		}
	case g.standing == standingOffered && len(b.want.keys[anchor]) > 0:
		for _, k := range g.marker.keys {
			wanted := slices.Contains(b.want.keys[anchor], k)
			if wanted || k.belongs(anchor) || b.offeredByOurs(g) {
				b.held[k] = anchor
				b.plan.accepted = append(b.plan.accepted, k)
			}
		}
	}
}

// dropUnwanted removes what is held under any anchor but wanted under none.
func (b *builder) dropUnwanted() {
	for _, k := range slices.SortedFunc(maps.Keys(b.held), compareKeys) {
		if _, isWanted := b.want.sets[k]; !isWanted {
			b.touched[b.held[k]] = true
			b.plan.dropped = append(b.plan.dropped, k)
			b.plan.change.Drop = append(b.plan.change.Drop, k)
			if !b.want.hasAddress(k) {
				b.plan.change.Lost = append(b.plan.change.Lost, k)
			}
		}
	}
}

// anchor adds what one anchor needs.
func (b *builder) anchor(anchor string, g guard) {
	keys := b.want.keys[anchor]
	if b.shares(anchor, g) {
		b.share(anchor, g)
		return
	}
	if len(keys) == 0 {
		if g.standing == standingOurs && !b.keep {
			b.require(g)
			b.plan.change.Drop = append(b.plan.change.Drop, g.key)
		}
		return
	}
	touched := false
	for _, k := range keys {
		_, held := b.held[k]
		isNew := !held
		if b.still[k] || !isNew && b.read[k].Equal(b.want.sets[k]) {
			continue
		}
		if err := b.explain(k, anchor, g, isNew); err != nil {
			b.refuse(anchor, k, err)
			continue
		}
		switch {
		case isNew && b.takesOver(k):
			b.plan.change.Equal = append(b.plan.change.Equal, b.read[k])
			b.adopt(k, anchor)
		case isNew:
			b.plan.change.Absent = append(b.plan.change.Absent, k)
		}
		b.put(b.want.sets[k])
		touched = true
	}
	keys = b.kept(g, keys)
	if b.upToDate(g, keys) {
		if touched {
			b.require(g)
		}
		return
	}
	b.require(g)
	b.put(b.marker(g, keys))
}

// adopt notes that a record set of somebody else becomes ours.
func (b *builder) adopt(k Key, anchor string) {
	b.plan.adopted = append(b.plan.adopted, k)
	b.plan.adoptedAt[k] = anchor
}

// explain tells, once the server has refused, which record is in the way.
func (b *builder) explain(k Key, anchor string, g guard, isNew bool) *Error {
	if !b.strictAt(anchor) {
		return nil
	}
	if alias, ok := b.read[Key{Name: k.Name, Type: TypeCNAME}]; ok {
		return aliasError(k, alias, b.apex)
	}
	if _, exists := b.read[k]; !exists || !isNew || b.takesOver(k) {
		return nil
	}
	if g.listed && g.standing != standingOurs && g.standing != standingOffered {
		return b.lostError(g.key, k)
	}
	return existsError(k, b.apex, b.adoption(k))
}

// takesOver reports whether a record set of somebody else is to become ours. What was read counts only once the server has
// refused, see above.
func (b *builder) takesOver(k Key) bool {
	_, exists := b.read[k]
	return b.strict && exists && slices.Contains(b.want.takeover, k)
}

// upToDate reports whether an ownership record says what it should.
func (b *builder) upToDate(g guard, keys []Key) bool {
	return g.standing == standingOurs && g.current && g.marker.transferTo == b.offerOf(g) &&
		!g.marker.shared && slices.Equal(g.marker.keys, keys)
}

// offerOf is to whom an ownership record offers its anchor. An index offers nothing.
func (b *builder) offerOf(g guard) string {
	if _, index := Ownership(g.key); index {
		return ""
	}
	return b.owner.TransferTo
}

// require makes the change depend on the ownership record being as it was read.
func (b *builder) require(g guard) {
	if g.standing == standingOurs || g.standing == standingOffered || g.standing == standingShared {
		b.plan.change.Equal = append(b.plan.change.Equal, g.set)
	} else {
		b.plan.change.Absent = append(b.plan.change.Absent, g.key)
	}
}

// put writes a record set, provided that no alias stands at its name: servers silently ignore records added beside a
// CNAME (RFC 2136 section 3.4.2.2).
func (b *builder) put(set RRset) {
	alias := Key{Name: set.Name, Type: TypeCNAME}
	if !slices.Contains(b.plan.change.Absent, alias) {
		b.plan.change.Absent = append(b.plan.change.Absent, alias)
	}
	b.plan.change.Put = append(b.plan.change.Put, set)
}

// marker is the next content of an ownership record.
func (b *builder) marker(g guard, keys []Key) RRset {
	epoch := uint64(1)
	if g.standing == standingOurs || g.standing == standingOffered {
		epoch = g.marker.epoch + 1
	}
	m := b.signer.sign(b.apex, g.key.Name, marker{owner: b.owner.ID, epoch: epoch, transferTo: b.offerOf(g), keys: keys})
	return RRset{Name: g.key.Name, Type: TypeTXT, TTL: markerTTL, Data: []Data{m.text(b.apex)}}
}
