// SPDX-License-Identifier: Apache-2.0

package dns

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
	case g.standing == standingJunk && wanted && p.strictAt(anchor) && g.listed:
		return p.lostError(g.key, g.key)
	case g.standing == standingJunk && wanted && p.strictAt(anchor):
		return existsError(g.key, p.apex, "")
	default:
		return nil
	}
}
