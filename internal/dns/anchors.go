// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// listed are the anchors in the index, and those that may lack there.
func (p planner) listed(index guard) []string {
	var out []string
	for _, a := range p.owner.Anchors {
		if a = Canonical(a); InZone(a, p.apex) && !slices.Contains(p.want.anchors, a) {
			out = append(out, a)
		}
	}
	if index.standing == standingOurs {
		for _, k := range index.marker.keys {
			if a, ok := anchorOf(k); ok {
				out = append(out, a)
			}
		}
	}
	return out
}

// anchors that matter: those wanted and those listed in the index, sorted. What is ours in a zone below this one is not.
func (p planner) anchors(listed []string) []string {
	all := append(slices.Clone(p.want.anchors), slices.DeleteFunc(slices.Clone(listed), p.oursBelow)...)
	slices.Sort(all)
	return slices.Compact(all)
}
