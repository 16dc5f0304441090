// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"maps"
	"slices"
)

// bars are anchors, and record sets of anchors that are held, which are left as they are, and why.
type bars struct {
	anchors map[string]*Error
	keys    map[Key]*Error
}

// deferral bars what is only deferred, which is no error.
var deferral = &Error{Message: "deferred"}

func newBars() bars { return bars{anchors: map[string]*Error{}, keys: map[Key]*Error{}} }

func (b bars) empty() bool { return len(b.anchors)+len(b.keys) == 0 }

func (b bars) add(more bars) {
	maps.Copy(b.anchors, more.anchors)
	maps.Copy(b.keys, more.keys)
}

func (b bars) clone() bars {
	out := newBars()
	out.add(b)
	return out
}

// classify finds the anchors that are dealt with, and takes what is not out of what is wanted.
func (b *builder) classify() {
	full, listed, deferred := b.want, b.index.listed(), b.deferred()
	b.withhold(full.without(deferred))
	for _, a := range b.anchors(listed) {
		g := b.guard(markerKey(a))
		g.listed = slices.Contains(listed, a)
		b.guards[a] = g
		b.plan.held = b.plan.held || g.standing == standingOurs
		why := b.bars.anchors[a]
		if slices.Contains(deferred, a) {
			why = deferral
		}
		if why == nil {
			why = b.checkGuard(g, len(full.keys[a]) > 0 && b.owner.TransferTo == "")
		}
		switch {
		case why != nil:
			b.leave(a, why)
		case b.only == nil || b.only[a]:
			b.active = append(b.active, a)
		}
	}
	for a, why := range b.bars.anchors {
		if _, known := b.guards[a]; !known {
			b.leave(a, why)
		}
	}
	b.leaveKeys()
	b.noteWithheld(full)
	b.want = full.without(slices.DeleteFunc(slices.Clone(full.anchors), func(a string) bool { return slices.Contains(b.active, a) }))
	for k := range b.bars.keys {
		if !b.still[k] {
			b.want = b.want.withoutKey(k)
		}
	}
	b.awaitHosts(full)
	b.awaitServices(full)
}

// withhold bars what is wanted only as far as it is held, and is not, under anchors that are held.
func (b *builder) withhold(want wanted) {
	if b.owner.TransferTo != "" {
		return
	}
	p := b.planner
	p.want = want
	for _, k := range p.withheld() {
		b.bars.keys[k] = deferral
	}
}

// noteWithheld notes the record sets that wait, rather than being refused.
func (b *builder) noteWithheld(full wanted) {
	for _, a := range full.anchors {
		whole := slices.Contains(b.plan.deferred, a) && b.guards[a].standing != standingOurs
		for _, k := range full.keys[a] {
			if whole || b.bars.keys[k] == deferral && !b.still[k] {
				b.plan.withheld = append(b.plan.withheld, k)
			}
		}
	}
}

// leave notes that an anchor stays as it is, in whole or in part.
func (b *builder) leave(anchor string, why *Error) {
	if why != deferral {
		b.plan.refused[anchor] = why
	} else if b.guards[anchor].standing != standingOurs {
		b.plan.deferred = append(b.plan.deferred, anchor)
	}
}

// heldThough returns the refused anchors that are held.
func (b *builder) heldThough() []string {
	var out []string
	for a, g := range b.guards {
		if g.standing == standingOurs && b.plan.refused[a] != nil {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

// leaveKeys leaves barred record sets as they are: those that are listed stay listed, others are not written. An anchor of which
// nothing else is wanted stays as it is altogether, rather than being released.
func (b *builder) leaveKeys() {
	b.active = slices.DeleteFunc(b.active, func(a string) bool {
		barred, lists := 0, b.guards[a].lists()
		for _, k := range b.want.keys[a] {
			if why := b.bars.keys[k]; why != nil {
				b.leave(a, why)
				b.still[k] = slices.Contains(lists, k)
				barred++
			}
		}
		return barred > 0 && barred == len(b.want.keys[a])
	})
}
