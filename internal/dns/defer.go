// SPDX-License-Identifier: Apache-2.0

package dns

import "slices"

// deferred returns the anchors that are wanted only as far as they are held, and that are not held. They are dealt with as if they
// were not wanted. One whose ownership record is forged is none of them: that has to be told.
func (p planner) deferred() []string {
	if p.owner.TransferTo != "" {
		return nil
	}
	var out []string
	for _, a := range p.want.anchors {
		standing := p.guard(markerKey(a)).standing
		if p.want.heldOnly[a] && standing != standingOurs && standing != standingForged {
			out = append(out, a)
		}
	}
	return out
}

// absent returns the anchors that are wanted only as far as they are held, and of which no record set was read. Where people write
// nothing is owned, so what stands there is all that can be known to be held.
func (p planner) absent() []string {
	stands := func(k Key) bool { _, exists := p.read[k]; return exists }
	var out []string
	for _, a := range p.want.anchors {
		if p.want.heldOnly[a] && !slices.ContainsFunc(p.want.keys[a], stands) {
			out = append(out, a)
		}
	}
	return out
}
