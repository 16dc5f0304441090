// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// advise tells what people have to change where the provider does not write. Nothing is owned there, so the wanted records
// are all that matters. TTLs are left to those who write.
func (r *run) advise(ctx context.Context) (Result, error) {
	r.read = map[Key]RRset{}
	if err := r.get(ctx, r.want.allKeys()); err != nil {
		return Result{}, err
	}
	result := Result{Deferred: r.absent(), Refused: maps.Clone(r.bars.anchors)}
	result.Withheld = r.want.keysOf(result.Deferred)
	r.awaitNoHost(result)
	r.want = r.want.without(slices.Concat(result.Deferred, slices.Collect(maps.Keys(result.Refused))))
	var differ []RRset
	var aliased *Error
	for _, k := range r.want.allKeys() {
		alias, ok := r.read[Key{Name: k.Name, Type: TypeCNAME}]
		switch want := r.want.sets[k]; {
		case ok && aliased == nil:
			aliased = aliasError(k, alias, r.apex)
		case !ok && !r.read[k].SameData(want):
			differ = append(differ, want)
		}
	}
	switch {
	case aliased == nil && len(differ) == 0:
		return result, nil
	case aliased == nil:
		return result, r.adviceError(differ)
	case len(differ) > 0:
		// Whoever removes the alias can do the rest as well.
		aliased.Message += "; besides, " + r.adviceError(differ).Message
	}
	return result, aliased
}

// awaitNoHost refuses the anchors with service records that are not to be changed, because their host has no address.
func (r *run) awaitNoHost(result Result) {
	for _, a := range r.want.anchors {
		for _, k := range r.want.keys[a] {
			for _, host := range targets(r.want.sets[k]) {
				if why := r.want.noHost[host]; why != nil && !r.read[k].SameData(r.want.sets[k]) {
					result.Refused[a] = waitsError(a, host, why)
				}
			}
		}
	}
}

func (r *run) adviceError(differ []RRset) *Error {
	var create, replace []string
	for _, set := range differ {
		if _, exists := r.read[set.Key()]; exists {
			replace = append(replace, lines(set)...)
		} else {
			create = append(create, lines(set)...)
		}
	}
	var todo []string
	if len(create) > 0 {
		todo = append(todo, "creates "+some(create))
	}
	if len(replace) > 0 {
		todo = append(todo, "replaces what stands there now by "+some(replace))
	}
	return &Error{
		Reason: v1alpha1.ReasonRecordsToCreate,
		Message: fmt.Sprintf("the operator does not write to zone %s (provider manual); its administrator %s; all records are in "+
			"status.records, and nothing else is needed once every name server of the zone serves them",
			Display(r.apex), strings.Join(todo, " and ")),
		Permanent: true,
		Records:   differ,
	}
}

// Leftovers tells, where people write, what they still have to remove: those of the record sets that stand as given. What
// has other data by now is somebody else's. The error is nil when nothing is left; else it is a *Error with the records.
func Leftovers(ctx context.Context, p Provider, records []RRset) error {
	var keys []Key
	for _, set := range records {
		keys = append(keys, set.Key())
	}
	found, err := p.Get(ctx, keys...)
	if err != nil {
		return err
	}
	var left []RRset
	var told []string
	for _, set := range records {
		if slices.ContainsFunc(found, set.SameData) {
			left = append(left, set)
			told = append(told, lines(set)...)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return &Error{
		Reason: v1alpha1.ReasonRecordsToRemove,
		Message: fmt.Sprintf("the operator does not write to zone %s (provider manual); its administrator removes %s; whoever gets the "+
			"address after this Federation could receive its messages as long as they stand", Display(p.Apex()), some(told)),
		Permanent: true,
		Records:   left,
	}
}

// lines are the records of a set in master file format (RFC 1035 section 5).
func lines(set RRset) []string {
	var out []string
	for _, d := range set.Strings() {
		out = append(out, fmt.Sprintf("%s %d IN %s %s", set.Name, set.TTL, set.TypeName(), d))
	}
	return out
}

// some of the lines, as many as a message takes.
func some(lines []string) string {
	if more := len(lines) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(lines[:maxListed], ", "), more)
	}
	return strings.Join(lines, ", ")
}
