// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Trace is what a zone shows of an owner.
type Trace int

const (
	// TraceNone means that no ownership record names the owner.
	TraceNone Trace = iota
	// TraceForged means that one names the owner, and none of those that do was signed by it.
	TraceForged
	// TraceOurs means that the owner signed one.
	TraceOurs
)

// Find looks for an owner in p's zone: its index, which lists all that it has there, and the ownership records of the given
// names, should somebody have removed that. Nothing is changed. Where people write, nobody owns anything.
func Find(ctx context.Context, p Provider, s Signer, owner Owner, names ...string) (Trace, error) {
	if !p.Capabilities().Writes {
		return TraceNone, nil
	}
	keys := []Key{indexKey(owner, p.Apex())}
	for _, name := range names {
		keys = append(keys, markerKey(Canonical(name)))
	}
	sets, err := p.Get(ctx, keys...)
	if err != nil {
		return TraceNone, err
	}
	look := planner{apex: p.Apex(), signer: s, owner: owner, read: map[Key]RRset{}}
	for _, set := range sets {
		look.read[set.Key()] = set
	}
	found := TraceNone
	for _, k := range keys {
		switch look.guard(k).standing {
		case standingOurs:
			return TraceOurs, nil
		case standingForged:
			found = TraceForged
		case standingAbsent, standingOther, standingOffered, standingShared, standingJunk:
		}
	}
	return found, nil
}

// Unproven looks for records that an owner once published and that stand in p's zone as they did then, although no ownership
// record says any more that they are the owner's, or anybody's. They can't be removed: whoever removed the ownership record may
// have meant them to stay. The error is nil if there are none; else it is an *Error that names them.
func Unproven(ctx context.Context, p Provider, s Signer, owner Owner, published []RRset) error {
	look := planner{apex: p.Apex(), signer: s, owner: owner, read: map[Key]RRset{}}
	read := func(keys []Key) error {
		if len(keys) == 0 {
			return nil
		}
		slices.SortFunc(keys, compareKeys)
		sets, err := p.Get(ctx, slices.Compact(keys)...)
		for _, set := range sets {
			look.read[set.Key()] = set
		}
		return err
	}
	var keys []Key
	for _, set := range published {
		keys = append(keys, set.Key())
	}
	if err := read(keys); err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(published), func(set RRset) bool { return !look.read[set.Key()].standsFor(set) })
	keys = nil
	for _, set := range left {
		for _, name := range look.upwards(set.Name) {
			keys = append(keys, markerKey(name), Key{Name: "*." + name, Type: set.Type})
		}
	}
	if err := read(keys); err != nil {
		return err
	}
	left = slices.DeleteFunc(left, look.accounted)
	if len(left) == 0 {
		return nil
	}
	return unprovenError(left, p.Apex())
}

// upwards are a name and those above it, up to the apex.
func (p planner) upwards(name string) []string {
	var names []string
	for ; name != "" && InZone(name, p.apex); _, name, _ = strings.Cut(name, ".") {
		names = append(names, name)
	}
	return names
}

// standsFor reports whether what was read is what was published, or has it as a part that others share.
func (r RRset) standsFor(published RRset) bool {
	return r.SameData(published) || published.Shared && len(r.Data) > 0 && r.Covers(published)
}

// accounted reports whether another owner's ownership record lists a record set, or the part of it that was published, or a
// wildcard makes it up (RFC 4592), which owns nothing.
func (p planner) accounted(set RRset) bool {
	return slices.ContainsFunc(p.upwards(set.Name), func(name string) bool {
		g := p.guard(markerKey(name))
		wildcard := p.read[Key{Name: "*." + name, Type: set.Type}]
		wildcard.Name = set.Name
		return g.others() && slices.Contains(g.marker.keys, set.Key()) || wildcard.SameData(set) ||
			slices.ContainsFunc(g.members, func(m marker) bool {
				return slices.ContainsFunc(set.Data, func(d Data) bool { return m.lists(set.Key(), d) })
			})
	})
}

// unprovenError names what stands without an ownership record.
func unprovenError(left []RRset, apex string) *Error {
	var names, commands []string
	for _, set := range left {
		names = append(names, set.Key().String())
		if !set.Shared {
			commands = append(commands, Removal(set.Key()))
			continue
		}
		for _, d := range set.Data {
			commands = append(commands, RemovalOf(set.Key(), d))
		}
	}
	return &Error{
		Reason: v1alpha1.ReasonOwnershipLost,
		Message: fmt.Sprintf("zone %s still has what this Federation published: %s; but somebody removed or replaced the ownership record "+
			"(own._xmppfed) that says whose it is, so the operator leaves it alone; as it still leads partners to the address, that is "+
			"kept; the administrator of the zone removes it (nsupdate: %s)",
			Display(apex), some(names), some(commands)),
		Permanent: true,
		Records:   left,
	}
}
