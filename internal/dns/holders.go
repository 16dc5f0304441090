// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"slices"
	"strings"
)

// Holders returns, by name, who has each of some names in a zone as the ownership records say. It changes nothing. What nobody has, or
// somebody of whom nothing is known, is left out; so is what owner has when its ownership record is not as it was signed. Where
// people write there are no ownership records.
func Holders(ctx context.Context, p Provider, s Signer, owner Owner, names []string) (map[string]Holder, error) {
	r := run{provider: p, planner: planner{apex: p.Apex(), signer: s, owner: owner, read: map[Key]RRset{}}}
	if !p.Capabilities().Writes {
		return nil, nil
	}
	var places []Key
	for _, name := range names {
		places = append(places, r.placesAbove(name)...)
	}
	slices.SortFunc(places, compareKeys)
	if err := r.get(ctx, slices.Compact(places)); err != nil {
		return nil, err
	}
	found := map[string]Holder{}
	for _, name := range names {
		for _, place := range r.placesAbove(name) {
			if g := r.guard(place); g.concerns(name) && (g.others() || g.standing == standingOurs) {
				valid, _ := s.verify(r.apex, place.Name, g.marker)
				found[name] = Holder{Name: Display(name), Owner: g.marker.owner, Ours: valid}
				break
			}
		}
	}
	return found, nil
}

// placesAbove are where the ownership records stand that may tell of a name: its own, and those of the names above it.
func (p planner) placesAbove(name string) []Key {
	var places []Key
	for name = Canonical(name); name != "" && InZone(name, p.apex); _, name, _ = strings.Cut(name, ".") {
		places = append(places, markerKey(name))
	}
	return places
}

// concerns tells whether an ownership record guards a name or lists a record of it.
func (g guard) concerns(name string) bool {
	anchor, _ := anchorOf(g.key)
	return anchor == Canonical(name) || slices.ContainsFunc(g.marker.keys, func(k Key) bool { return Bare(k.Name) == Canonical(name) })
}
