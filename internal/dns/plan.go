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
// What is shared follows the same rows, in share.go: "absent" and "unchanged" then speak of the whole sets, with the parts of
// others in them, and only our part is written or dropped.
//
// The index follows the same rows. It lists the ownership records; every update rewrites it with the next epoch, hence
// two updates based on the same reading can't both succeed.

// standing is what a record at the place of an ownership record means to an owner.
type standing int

const (
	standingAbsent standing = iota
	standingOurs
	standingOther
	standingOffered
	// standingShared means that others share the anchor, and we don't.
	standingShared
	standingForged
	standingJunk
)

// guard is an ownership record as it was read.
type guard struct {
	key      Key
	standing standing
	// set as read; empty when absent.
	set RRset
	// marker, when ours, another's or offered by another.
	marker marker
	// members are the markers of others who share the anchor.
	members []marker
	// current tells that today's key signed it, listed that our index has it.
	current, listed bool
}

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
	// last tells that this is the last try. Others may change what is shared between two readings, so only then is a record
	// that nobody accounts for an obstacle.
	last bool
}

// plan is what to do, and what it leads to.
type plan struct {
	change Change
	// dropped and adopted are record sets other than ownership records.
	dropped, adopted []Key
	// accepted are record sets that another owner offered.
	accepted []Key
	// offered are the record sets that the owner holds and offers, see Owner.TransferTo.
	offered []Key
	// deferred are the anchors that are wanted, not held, and not to be claimed.
	deferred []string
	// withheld are the record sets that are wanted and wait, those of deferred anchors among them.
	withheld []Key
	// contains is what record sets that are shared hold afterwards at least.
	contains map[Key]RRset
	// held tells that the owner holds an anchor already.
	held bool
}

func (p planner) guard(key Key) guard {
	g := guard{key: key}
	set, ok := p.read[key]
	if !ok {
		return g
	}
	g.set, g.standing = set, standingJunk
	var mine, alone []marker
	junk := false
	for _, d := range set.Data {
		text, _ := d.(TXT)
		switch m, ok := parseMarker(text, p.apex); {
		case !ok:
			junk = true
		case m.owner == p.owner.ID:
			mine = append(mine, m)
		case m.shared:
			g.members = append(g.members, m)
		default:
			alone = append(alone, m)
		}
	}
	switch {
	case len(mine) > 0:
		g.marker, g.standing = mine[0], standingForged
		valid, current := p.signer.verify(p.apex, key.Name, g.marker)
		if valid && len(mine) == 1 && 1+len(g.members) == len(set.Data) && (len(set.Data) == 1 || g.marker.shared) {
			g.standing, g.current = standingOurs, current
		}
	case len(alone) > 0:
		g.marker, g.standing = alone[0], standingOther
		if g.marker.transferTo == p.owner.ID && len(set.Data) == 1 {
			g.standing = standingOffered
		}
	case len(g.members) > 0 && !junk:
		g.standing = standingShared
	case len(g.members) > 0:
		g.marker, g.standing = g.members[0], standingOther
	}
	return g
}

func (p planner) plan() (plan, *Error) {
	if p.owner.TransferTo != "" {
		return p.handOver()
	}
	index := p.guard(indexKey(p.owner, p.apex))
	if err := p.checkGuard(index, len(p.want.anchors) > 0); err != nil {
		return plan{}, err
	}
	deferred := p.deferred()
	withheld := p.want.keysOf(deferred)
	p.want = p.want.without(deferred)
	more := p.withheld()
	p.want, withheld = p.want.withoutKeys(more), append(withheld, more...)
	listed := p.listed(index)
	anchors := p.anchors(listed)
	b := builder{planner: p, plan: plan{contains: map[Key]RRset{}, deferred: deferred, withheld: withheld}}
	guards := map[string]guard{}
	for _, a := range anchors {
		g := p.guard(markerKey(a))
		g.listed = slices.Contains(listed, a)
		if err := p.checkGuard(g, len(p.want.keys[a]) > 0); err != nil {
			return plan{}, err
		}
		guards[a] = g
		b.hold(a, g)
	}
	if !b.keep {
		b.dropUnwanted()
	}
	for _, a := range anchors {
		if err := b.anchor(a, guards[a]); err != nil {
			return plan{}, err
		}
	}
	b.index(index, p.want.anchors)
	return b.plan, nil
}

// checkGuard refuses what the table refuses on account of an ownership record alone.
func (p planner) checkGuard(g guard, wanted bool) *Error {
	anchor, _ := anchorOf(g.key)
	shared := p.want.shared[anchor]
	switch {
	case g.standing == standingForged:
		return forgedError(g, p.apex)
	case g.standing == standingOurs && g.marker.shared && p.unguarded:
		return unsupportedError("spec.dns.shared", p.apex)
	case g.standing == standingShared && wanted && !shared, g.standing == standingOurs && len(g.members) > 0 && wanted && !shared:
		return sharedError(g, p.apex)
	case g.others() && wanted && shared:
		return p.holding(g, anchor, aloneError(g, p.apex))
	case g.standing == standingOurs && g.marker.shared && wanted && !shared:
		return p.checkAlone(g, anchor)
	case g.standing == standingOther && wanted:
		return p.holding(g, anchor, conflictError(g, p.owner, p.apex))
	case g.standing == standingOffered && wanted && !p.want.accept[anchor] && !p.offeredByOurs(g):
		return p.holding(g, anchor, notAllowedError(g, p.apex))
	case g.standing == standingJunk && wanted && p.strict && g.listed:
		return lostError(g.key, g.key, p.apex)
	case g.standing == standingJunk && wanted && p.strict:
		return existsError(g.key, p.apex)
	default:
		return nil
	}
}

// builder collects one change.
type builder struct {
	planner
	// held are the record sets that our ownership records list.
	held []Key
	plan plan
}

// hold notes what an ownership record gives us: all that it lists, if it is ours, or signed by our key for another owner that
// we accept from. Of what anybody else offers it is what we want, and what can't but belong to the anchor: nobody but that owner
// can tell whether it signed the list.
func (b *builder) hold(anchor string, g guard) {
	switch {
	case g.standing == standingOurs:
		b.plan.held = true
		if !b.shares(anchor, g) || !g.marker.shared {
			b.held = append(b.held, slices.Compact(slices.Clone(g.marker.keys))...)
		}
	case g.standing == standingOffered && len(b.want.keys[anchor]) > 0:
		for _, k := range g.marker.keys {
			wanted := slices.Contains(b.want.keys[anchor], k)
			if wanted || k.belongs(anchor) || b.offeredByOurs(g) {
				b.held = append(b.held, k)
				b.plan.accepted = append(b.plan.accepted, k)
			}
		}
	}
}

// dropUnwanted removes what is held under any anchor but wanted under none.
func (b *builder) dropUnwanted() {
	wanted := b.want.allKeys()
	for _, k := range b.held {
		if !slices.Contains(wanted, k) {
			b.plan.dropped = append(b.plan.dropped, k)
			b.plan.change.Drop = append(b.plan.change.Drop, k)
			if !b.want.hasAddress(k) {
				b.plan.change.Lost = append(b.plan.change.Lost, k)
			}
		}
	}
}

// anchor adds what one anchor needs.
func (b *builder) anchor(anchor string, g guard) *Error {
	keys := b.want.keys[anchor]
	if b.shares(anchor, g) {
		return b.share(anchor, g)
	}
	if len(keys) == 0 {
		if g.standing == standingOurs && !b.keep {
			b.require(g)
			b.plan.change.Drop = append(b.plan.change.Drop, g.key)
		}
		return nil
	}
	touched := false
	for _, k := range keys {
		isNew := !slices.Contains(b.held, k)
		if err := b.explain(k, g, isNew); err != nil {
			return err
		}
		if !isNew && b.read[k].Equal(b.want.sets[k]) {
			continue
		}
		switch {
		case isNew && b.takesOver(k):
			b.plan.change.Equal = append(b.plan.change.Equal, b.read[k])
			b.plan.adopted = append(b.plan.adopted, k)
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
		return nil
	}
	b.require(g)
	b.put(b.marker(g, keys))
	return nil
}

// explain tells, once the server has refused, which record is in the way.
func (b *builder) explain(k Key, g guard, isNew bool) *Error {
	if !b.strict {
		return nil
	}
	if alias, ok := b.read[Key{Name: k.Name, Type: TypeCNAME}]; ok {
		return aliasError(k, alias, b.apex)
	}
	if _, exists := b.read[k]; !exists || !isNew || b.takesOver(k) {
		return nil
	}
	if g.listed && g.standing != standingOurs && g.standing != standingOffered {
		return lostError(g.key, k, b.apex)
	}
	return existsError(k, b.apex)
}

// takesOver tells whether a record set of somebody else is to become ours. What was read counts only once the server has
// refused, see above.
func (b *builder) takesOver(k Key) bool {
	_, exists := b.read[k]
	return b.strict && exists && slices.Contains(b.want.takeover, k)
}

// index adds what the index needs: to be rewritten with every change.
func (b *builder) index(g guard, anchors []string) {
	keys := make([]Key, 0, len(anchors))
	for _, a := range anchors {
		keys = append(keys, markerKey(a))
	}
	slices.SortFunc(keys, compareKeys)
	keys = b.kept(g, keys)
	switch {
	case len(keys) > 0 && (!b.upToDate(g, keys) || !b.plan.change.Empty()):
		b.require(g)
		b.put(b.marker(g, keys))
	case len(keys) == 0 && g.standing == standingOurs:
		b.require(g)
		b.plan.change.Drop = append(b.plan.change.Drop, g.key)
	}
}

// upToDate tells whether an ownership record says what it should.
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
