// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"maps"
	"slices"
)

// readZone reads what the decision depends on. A name that the primary can't be asked for is left out with its anchor.
func (r *run) readZone(ctx context.Context) error {
	for {
		err := r.readNames(ctx)
		if e, ok := AsError(err); !ok || e.About == (Key{}) || !r.leaveUnread(e) {
			r.contended = r.try > 0 && !r.read[indexKey(r.owner, r.apex)].SameData(r.root)
			r.root = r.read[indexKey(r.owner, r.apex)]
			return err
		}
	}
}

// leaveUnread leaves out the anchor of a record set that can't be read. It reports whether that makes a difference.
func (r *run) leaveUnread(why *Error) bool {
	anchor, is := anchorOf(why.About)
	if !is {
		anchor = r.want.anchorOf(why.About)
	}
	if anchor == "" || r.bars.anchors[anchor] != nil {
		return false
	}
	r.bars.anchors[anchor] = why
	return true
}

// unread reports whether an anchor is one that can't be read.
func (r *run) unread(anchor string) bool {
	why := r.bars.anchors[anchor]
	return why != nil && why.About != (Key{})
}

// readNames reads the index, and ownership records and records of what is wanted; then the ownership records of what the index
// lists beyond that. Records that are only to be removed need no reading.
func (r *run) readNames(ctx context.Context) error {
	r.read = map[Key]RRset{}
	keys := []Key{indexKey(r.owner, r.apex)}
	for _, a := range r.want.anchors {
		if !r.unread(a) {
			keys = append(append(keys, markerKey(a)), r.want.keys[a]...)
		}
	}
	if err := r.get(ctx, keys); err != nil {
		return err
	}
	if err := r.readPages(ctx); err != nil {
		return err
	}
	var more []Key
	anchors := slices.Clone(r.want.anchors)
	for _, a := range append(r.indexAsRead().listed(), r.unlisted()...) {
		if !slices.Contains(anchors, a) && !r.unread(a) {
			more, anchors = append(more, markerKey(a)), append(anchors, a)
		}
	}
	if len(more) > 0 {
		if err := r.get(ctx, more); err != nil {
			return err
		}
	}
	// What is shared is given up in part, so it has to be known.
	parts := slices.DeleteFunc(r.sharedKeys(anchors), func(k Key) bool {
		return slices.Contains(keys, k)
	})
	if len(parts) == 0 {
		return nil
	}
	return r.get(ctx, parts)
}

// readPages reads the pages of the index. Where more is wanted than fits on the root, and there is no root that lists pages, it
// looks whether there are pages all the same: somebody may have removed the root.
func (r *run) readPages(ctx context.Context) error {
	root := r.guard(indexKey(r.owner, r.apex))
	if keys := r.pageKeys(root); len(keys) > 0 {
		return r.get(ctx, keys)
	}
	length := 0
	for _, a := range r.want.anchors {
		length += len(r.line(markerKey(a)))
	}
	for number := 1; root.standing != standingOurs && length > maxPage; number++ {
		k := pageKey(r.owner, r.apex, number)
		if err := r.get(ctx, []Key{k}); err != nil {
			return err
		}
		if _, exists := r.read[k]; !exists {
			break
		}
	}
	return nil
}

func (r *run) get(ctx context.Context, keys []Key) error {
	sets, err := r.provider.Get(ctx, keys...)
	for _, s := range sets {
		r.read[s.Key()] = s
	}
	return err
}

// readBack makes sure that what the server accepted is what it serves: NOERROR alone does not say so. Of what is removed
// only ownership records tell: any other record that stands there now may be somebody else's, or made up from a wildcard. An
// anchor that is not served as it was written is left out from now on.
func (r *run) readBack(ctx context.Context, p plan) error {
	keys := p.released()
	for _, set := range p.change.Put {
		keys = append(keys, set.Key())
	}
	r.read = map[Key]RRset{}
	if len(keys) == 0 {
		return nil
	}
	if err := r.get(ctx, keys); err != nil {
		return err
	}
	var index *Error
	unserved := map[string]*Error{}
	for _, why := range r.notApplied(p) {
		anchor, is := anchorOf(why.written)
		if !is {
			anchor = r.want.anchorOf(why.written)
		}
		if anchor == "" {
			index = why.Error
		} else if unserved[anchor] == nil {
			unserved[anchor] = why.Error
		}
	}
	if len(unserved) == 0 && index != nil {
		return index
	}
	maps.Copy(r.bars.anchors, unserved)
	maps.Copy(r.result.Refused, unserved)
	return nil
}

// unapplied is a record set that is not served as it was written.
type unapplied struct {
	written Key
	*Error
}

func (r *run) notApplied(p plan) []unapplied {
	var out []unapplied
	for _, set := range p.change.Put {
		k := set.Key()
		got := r.read[k]
		part, shared := p.contains[k]
		if got.Equal(set) || shared && got.Covers(part) {
			continue
		}
		why := notAppliedError(k, r.apex)
		if alias, ok := r.read[Key{Name: set.Name, Type: TypeCNAME}]; ok {
			why = aliasError(k, alias, r.apex)
		}
		out = append(out, unapplied{k, why})
	}
	for _, k := range p.released() {
		if r.guard(k).standing == standingOurs {
			out = append(out, unapplied{k, notRemovedError(k, r.apex)})
		}
	}
	return out
}

// released are the ownership records in which nothing of ours is left, be it that others go on sharing them.
func (p plan) released() []Key {
	var keys []Key
	for _, k := range p.change.Drop {
		if ownership, _ := Ownership(k); ownership {
			keys = append(keys, k)
		}
	}
	for _, set := range p.change.Put {
		part, shared := p.contains[set.Key()]
		if ownership, _ := Ownership(set.Key()); ownership && shared && len(part.Data) == 0 {
			keys = append(keys, set.Key())
		}
	}
	return keys
}
