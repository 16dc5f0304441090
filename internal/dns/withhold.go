// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// withheld returns the record sets that are wanted only as far as they are held, under anchors that are, and that the owner does
// not have yet. An address is none of them if the name has another: it follows what is held.
func (p planner) withheld() []Key {
	var held, out []Key
	for _, a := range p.want.anchors {
		if g := p.guard(markerKey(a)); g.standing == standingOurs {
			held = append(held, g.marker.keys...)
		}
	}
	for _, a := range p.want.anchors {
		if !p.want.heldOnly[a] || p.guard(markerKey(a)).standing != standingOurs {
			continue
		}
		for _, k := range p.want.keys[a] {
			address := k.Type == TypeA || k.Type == TypeAAAA
			follows := address && slices.ContainsFunc(held, func(h Key) bool {
				return h.Name == k.Name && (h.Type == TypeA || h.Type == TypeAAAA)
			})
			if !follows && !slices.Contains(held, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// keysOf returns the record sets that are wanted under some anchors.
func (w wanted) keysOf(anchors []string) []Key {
	var out []Key
	for _, a := range anchors {
		out = append(out, w.keys[a]...)
	}
	return out
}
