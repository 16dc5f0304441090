// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// anchors that matter: those wanted, those listed in the index and those that may lack there, sorted. What is ours in a zone below
// this one is not.
func (p planner) anchors(listed []string) []string {
	all := append(slices.Clone(p.want.anchors), slices.DeleteFunc(slices.Concat(listed, p.unlisted()), p.oursBelow)...)
	slices.Sort(all)
	return slices.Compact(all)
}

// unlisted are the anchors of the owner that the index may lack.
func (p planner) unlisted() []string {
	var out []string
	for _, a := range p.owner.Anchors {
		if a = Canonical(a); InZone(a, p.apex) && !slices.Contains(p.want.anchors, a) {
			out = append(out, a)
		}
	}
	return out
}
