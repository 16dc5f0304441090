// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// leaveToOthers leaves out what is to be taken over but somebody is known to look after, who would only change it back. It reports
// whether there is any.
func (r *run) leaveToOthers(ctx context.Context, adopted map[Key]string) (bool, error) {
	found := false
	for _, k := range slices.SortedFunc(maps.Keys(adopted), compareKeys) {
		owned, err := r.otherOwner(ctx, k)
		if err != nil {
			return false, err
		}
		if owned == nil {
			owned, err = r.externalDNS(ctx, k)
		}
		if err != nil {
			return false, err
		}
		switch anchor := adopted[k]; {
		case owned == nil:
			continue
		case r.guard(markerKey(anchor)).standing == standingOurs:
			r.bars.keys[k] = owned
		default:
			r.bars.anchors[anchor] = owned
		}
		found = true
	}
	return found, nil
}

// nameOwner says whose the record in the way is, if that is another owner, who has it under another anchor, or ExternalDNS.
func (r *run) nameOwner(ctx context.Context, conflict *Error) *Error {
	if conflict.inTheWay.Name != "" {
		if theirs, err := r.otherOwner(ctx, conflict.inTheWay); err == nil && theirs != nil {
			return theirs
		}
		if theirs, err := r.externalDNS(ctx, conflict.inTheWay); err == nil && theirs != nil {
			return theirs
		}
	}
	return conflict
}

// otherOwner looks whether another owner has the record, under the anchor that we want or under one above it.
func (r *run) otherOwner(ctx context.Context, k Key) (*Error, error) {
	places := r.placesAbove(k.Name)
	if err := r.get(ctx, places); err != nil {
		return nil, err
	}
	for _, place := range places {
		if g := r.guard(place); g.others() && slices.Contains(g.marker.keys, k) {
			return r.holding(g, Bare(k.Name), conflictError(g, r.owner, r.apex)), nil
		}
	}
	return nil, nil
}

// oursBelow tells that the ownership record of an anchor is ours in a zone below this one, that the same server has and answers
// from. It hides what may be left here, so that is out of reach.
func (p planner) oursBelow(anchor string) bool {
	if p.guard(markerKey(anchor)).standing != standingForged {
		return false
	}
	nested := p
	for name := anchor; name != p.apex && InZone(name, p.apex); _, name, _ = strings.Cut(name, ".") {
		nested.apex = name
		if nested.guard(markerKey(anchor)).standing == standingOurs {
			return true
		}
	}
	return false
}

// externalDNS looks whether the record is in ExternalDNS' registry, which stands beside the record in a TXT record whose
// first label begins with the type, and under older versions in one of the same name.
func (r *run) externalDNS(ctx context.Context, k Key) (*Error, error) {
	for _, name := range []string{strings.ToLower(TypeName(k.Type)) + "-" + k.Name, k.Name} {
		if !InZone(name, r.apex) {
			continue
		}
		registry := Key{Name: name, Type: TypeTXT}
		sets, err := r.provider.Get(ctx, registry)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(sets, heritage) {
			return externalDNSError(k, registry, r.apex), nil
		}
	}
	return nil, nil
}

// heritage tells whether ExternalDNS wrote the TXT record.
func heritage(set RRset) bool {
	return slices.ContainsFunc(set.Data, func(d Data) bool {
		text, _ := d.(TXT)
		return strings.Contains(strings.Join(text, ""), "heritage=external-dns")
	})
}
