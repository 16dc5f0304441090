// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"slices"
	"strings"
)

// shares tells whether an anchor is dealt with as one that others may have too: it is wanted so, or was held so and is not
// wanted any more. One that was shared and is wanted alone is dealt with like any other, for nobody else is left.
func (b *builder) shares(anchor string, g guard) bool {
	if len(b.want.keys[anchor]) > 0 {
		return b.want.shared[anchor]
	}
	return g.standing == standingOurs && g.marker.shared
}

// share adds what a shared anchor needs. Of record sets and of the ownership record set only our part changes, and only if
// both are as they were read.
func (b *builder) share(anchor string, g guard) {
	wanted := b.want.keys[anchor]
	keys := slices.Clone(wanted)
	if g.standing == standingOurs && g.marker.shared {
		keys = append(keys, g.marker.keys...)
	}
	slices.SortFunc(keys, compareKeys)
	touched := false
	for _, k := range slices.Compact(keys) {
		if b.still[k] {
			continue
		}
		changes, err := b.sharedSet(k, anchor, g, slices.Contains(wanted, k))
		if err != nil {
			b.refuse(anchor, k, err)
		}
		touched = touched || changes
	}
	next := marker{owner: b.owner.ID, epoch: 1, shared: true}
	for _, k := range wanted {
		data := b.want.sets[k].Strings()
		if b.still[k] {
			data = g.marker.dataOf(k)
		}
		for _, d := range data {
			next.keys, next.data = append(next.keys, k), append(next.data, d)
		}
	}
	same := g.standing == standingOurs && g.current && g.marker.shared &&
		slices.Equal(g.marker.keys, next.keys) && slices.Equal(g.marker.data, next.data)
	if same && !touched {
		return
	}
	b.require(g)
	if !same {
		b.putShared(g, next)
	}
}

// checkAlone refuses to have an anchor alone that was shared, as long as somebody's data stands beside ours.
func (p planner) checkAlone(g guard, anchor string) *Error {
	for _, k := range p.want.keys[anchor] {
		for _, d := range p.read[k].Data {
			if slices.Contains(g.marker.keys, k) && !g.marker.lists(k, d) {
				return existsError(k, p.apex, "")
			}
		}
	}
	return nil
}

// putShared replaces our ownership record beside those of others, or removes it when it lists nothing.
func (b *builder) putShared(g guard, next marker) {
	set := RRset{Name: g.key.Name, Type: TypeTXT, TTL: markerTTL}
	for _, m := range g.members {
		set.Data = append(set.Data, m.text(b.apex))
	}
	if len(next.keys) > 0 {
		if g.standing == standingOurs {
			next.epoch = g.marker.epoch + 1
		}
		own := b.signer.sign(b.apex, g.key.Name, next).text(b.apex)
		set.Data = append(set.Data, own)
		b.plan.contains[set.Key()] = RRset{Name: set.Name, Type: set.Type, Data: []Data{own}}
	} else {
		b.plan.contains[set.Key()] = RRset{Name: set.Name, Type: set.Type}
	}
	if len(set.Data) == 0 {
		b.plan.change.Drop = append(b.plan.change.Drop, g.key)
		return
	}
	b.put(set)
}

// parts of a record set that is shared, as it was read.
type parts struct {
	// others is the data that is not ours, unaccounted that part of it which no other owner lists.
	others, unaccounted []Data
}

// part a record set that was read by who lists its data. What we hold alone is ours altogether.
func (b *builder) part(k Key, g guard) parts {
	var p parts
	for _, d := range b.read[k].Data {
		theirs := slices.ContainsFunc(g.members, func(m marker) bool { return m.lists(k, d) })
		_, held := b.held[k]
		ours := held || g.standing == standingOurs && g.marker.lists(k, d)
		if theirs || !ours {
			p.others = append(p.others, d)
		}
		if !theirs && !ours {
			p.unaccounted = append(p.unaccounted, d)
		}
	}
	return p
}

// dataOf returns what a shared marker lists of a record set.
func (m marker) dataOf(k Key) []string {
	var out []string
	for i := range m.data {
		if m.keys[i] == k {
			out = append(out, m.data[i])
		}
	}
	return out
}

// lists tells whether a shared marker says that the data is its owner's.
func (m marker) lists(k Key, d Data) bool {
	for i := range m.data {
		if m.keys[i] == k && m.data[i] == d.String() {
			return true
		}
	}
	return false
}

// sharedSet changes our part of a record set, or takes it away when nothing is wanted. It returns whether that changes it.
func (b *builder) sharedSet(k Key, anchor string, g guard, wanted bool) (bool, *Error) {
	read, exists := b.read[k]
	if alias, ok := b.read[Key{Name: k.Name, Type: TypeCNAME}]; ok && wanted && b.strictAt(anchor) {
		return false, aliasError(k, alias, b.apex)
	}
	p := b.part(k, g)
	_, held := b.held[k]
	isNew := !held && (g.standing != standingOurs || !slices.Contains(g.marker.keys, k))
	if isNew && len(p.unaccounted) > 0 {
		switch {
		case b.takesOver(k):
			p.others = slices.DeleteFunc(p.others, p.isUnaccounted)
			b.adopt(k, anchor)
		case b.strictAt(anchor) && b.last && g.listed && g.standing != standingOurs:
			return false, b.lostError(g.key, k)
		case b.strictAt(anchor) && b.last:
			return false, existsError(k, b.apex, b.adoption(k))
		default:
			// It was made up from a wildcard, unless the server says otherwise.
			exists, p.others = false, nil
		}
	}
	want := RRset{Name: k.Name, Type: k.Type}
	if wanted {
		want = b.want.sets[k]
	}
	final := p.with(k, read.TTL, want)
	b.plan.contains[k] = want
	if exists && final.Equal(read) || !exists && len(final.Data) == 0 {
		return false, nil
	}
	if exists {
		b.plan.change.Equal = append(b.plan.change.Equal, read)
	} else {
		b.plan.change.Absent = append(b.plan.change.Absent, k)
	}
	if !wanted {
		b.plan.dropped = append(b.plan.dropped, k)
		b.plan.change.Lost = append(b.plan.change.Lost, k)
	}
	if len(final.Data) > 0 {
		b.put(final)
	} else {
		b.plan.change.Drop = append(b.plan.change.Drop, k)
	}
	return true, nil
}

func (p parts) isUnaccounted(d Data) bool { return slices.Contains(texts(p.unaccounted), d.String()) }

// with is the record set of what others have and what is wanted. A record set has one TTL: it stays as long as others are there.
func (p parts) with(k Key, ttl uint32, want RRset) RRset {
	final := RRset{Name: k.Name, Type: k.Type, TTL: ttl, Data: slices.Clone(p.others)}
	if len(p.others) == 0 {
		final.TTL = want.TTL
	}
	for _, d := range want.Data {
		if !slices.Contains(texts(final.Data), d.String()) {
			final.Data = append(final.Data, d)
		}
	}
	return final
}

func texts(data []Data) []string { return RRset{Data: data}.Strings() }

// sharedKeys are the record sets in which we have a part, of anchors that may have to be given up.
func (p planner) sharedKeys(anchors []string) []Key {
	var keys []Key
	for _, a := range anchors {
		if g := p.guard(markerKey(a)); g.standing == standingOurs && g.marker.shared {
			keys = append(keys, g.marker.keys...)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}

// owners are those who share an anchor, sorted.
func (g guard) owners() string {
	var out []string
	for _, m := range g.members {
		out = append(out, m.owner)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Covers tells whether a record set has all the data of another, whatever else it has.
func (r RRset) Covers(part RRset) bool {
	return !slices.ContainsFunc(part.Data, func(d Data) bool {
		return !slices.Contains(r.Strings(), d.String())
	})
}
