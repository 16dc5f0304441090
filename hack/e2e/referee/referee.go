// SPDX-License-Identifier: Apache-2.0

// Package referee watches a zone for which several operators and others contend. It sees every single version of the
// zone, in order, and says where the rules of ownership (package internal/dns) were broken, even if only for a moment.
package referee

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Delta is what one update made of a zone: the step from one version to the next (RFC 1995 section 4).
type Delta struct {
	// Serial of the version after it.
	Serial         uint32
	Removed, Added []dns.RR
}

// Rules are what the referee can't see in the zone.
type Rules struct {
	// Apex of the zone, fully qualified.
	Apex string
	// Fits tells whether a record is one that an owner may publish.
	Fits func(owner string, record dns.RR) bool
	// MayRelease tells whether an owner has been told to let go of the names at an anchor.
	MayRelease func(owner, anchor string) bool
}

// Counts are of what happened in the zone.
type Counts struct {
	// Updates by operators; Claims are ownership records that were new, and Handovers those whose name had another owner
	// before. Transfers are those that went to another owner at once, to which they had been offered. Releases are ownership
	// records that went away.
	Updates, Claims, Handovers, Transfers, Releases int
	// Foreign are the updates of others.
	Foreign int
}

// Referee knows the zone as it is now. It may be used by several goroutines at once.
type Referee struct {
	rules Rules

	mu sync.Mutex
	// records by key, each with its data.
	records map[string][]dns.RR
	// foreign are the keys of records that are not the operators'.
	foreign map[string]bool
	// announced are the updates of others that are yet to be seen.
	announced []Delta
	// last owner of each anchor, which may have released it.
	last       map[string]string
	counts     Counts
	violations []string
}

// New begins with a zone in which all records are foreign.
func New(rules Rules, records []dns.RR) *Referee {
	r := &Referee{rules: rules, records: map[string][]dns.RR{}, foreign: map[string]bool{}, last: map[string]string{}}
	for _, rr := range records {
		r.records[keyOf(rr)] = append(r.records[keyOf(rr)], rr)
		r.foreign[keyOf(rr)] = true
	}
	return r
}

// Announce says what somebody else is about to do. Whatever else happens to records that are not the operators' is their
// fault.
func (r *Referee) Announce(d Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.announced = append(r.announced, d)
}

// Observe the next version of the zone.
func (r *Referee) Observe(d Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.announced) > 0 && same(d, r.announced[0]) {
		r.announced = r.announced[1:]
		r.counts.Foreign++
		r.apply(d)
		for _, rr := range d.Added {
			r.foreign[keyOf(rr)] = true
		}
		return
	}
	r.counts.Updates++
	touched := map[string]bool{}
	for _, rr := range slices.Concat(d.Removed, d.Added) {
		touched[keyOf(rr)] = true
		if r.foreign[keyOf(rr)] {
			r.blame(d, "a foreign record was touched: %s", rr)
		}
	}
	before := map[string][]marker{}
	for key := range touched {
		if isMarker(key) {
			before[key] = r.markers(d, key)
		}
	}
	r.apply(d)
	for key, was := range before {
		now := r.markers(d, key)
		r.judgeOwners(d, strings.TrimPrefix(strings.TrimSuffix(key, " TXT"), ownLabel), was, now)
		for _, m := range slices.Concat(was, now) {
			for _, part := range m.parts {
				touched[part.key] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(touched)) {
		r.judgeRecords(d, key)
	}
}

func (r *Referee) apply(d Delta) {
	for _, rr := range d.Removed {
		key, gone := keyOf(rr), rr.String()
		set := slices.DeleteFunc(r.records[key], func(other dns.RR) bool { return other.String() == gone })
		if len(set) == 0 {
			delete(r.records, key)
			delete(r.foreign, key)
		} else {
			r.records[key] = set
		}
	}
	for _, rr := range d.Added {
		r.records[keyOf(rr)] = append(r.records[keyOf(rr)], rr)
	}
}

// judgeOwners of an anchor. Those who share it are judged each by itself: nobody else may make them join or leave.
func (r *Referee) judgeOwners(d Delta, anchor string, was, now []marker) {
	if len(was) <= 1 && len(now) <= 1 {
		r.judgeOwner(d, anchor, slices.Concat(was, []marker{{}})[0], slices.Concat(now, []marker{{}})[0])
		return
	}
	if len(now) > 1 && slices.ContainsFunc(now, func(m marker) bool { return !m.shared }) {
		r.blame(d, "%s has %d ownership records, of which not all are shared", anchor, len(now))
	}
	all := slices.Concat(was, now)
	slices.SortFunc(all, func(a, b marker) int { return strings.Compare(a.owner, b.owner) })
	for _, m := range slices.CompactFunc(all, func(a, b marker) bool { return a.owner == b.owner }) {
		r.judgeOwner(d, anchor, of(was, m.owner), of(now, m.owner))
	}
}

// judgeOwner of an anchor: only from nobody to somebody, from somebody to nobody when told so, and from somebody to whom it
// was offered.
func (r *Referee) judgeOwner(d Delta, anchor string, was, now marker) {
	switch {
	case was.owner == now.owner:
	case was.owner == "":
		r.counts.Claims++
		if last := r.last[anchor]; last != "" && last != now.owner && !now.shared {
			r.counts.Handovers++
		}
		r.last[anchor] = now.owner
	case was.offered == now.owner && now.owner != "":
		r.counts.Transfers++
		r.last[anchor] = now.owner
	case now.owner == "":
		r.counts.Releases++
		if !r.rules.MayRelease(was.owner, anchor) {
			r.blame(d, "%s was released although nobody told its owner %s to", anchor, was.owner)
		}
	default:
		r.blame(d, "%s went from owner %s to %s without having been released", anchor, was.owner, now.owner)
	}
}

// judgeRecords at a key: each of the operators' has exactly one owner, and is as that owner publishes it.
func (r *Referee) judgeRecords(d Delta, key string) {
	if isIndex(key) || isMarker(key) || r.foreign[key] {
		return
	}
	parts := r.parts(d, key)
	set := r.records[key]
	for _, rr := range set {
		var owners []string
		for _, p := range parts {
			if p.covers(rr) {
				owners = append(owners, p.owner)
			}
		}
		switch {
		case len(owners) > 1:
			r.blame(d, "%s has %d owners: %s", key, len(owners), strings.Join(owners, ", "))
		case len(owners) == 0:
			r.blame(d, "%s has no owner", rr)
		case !r.rules.Fits(owners[0], rr):
			r.blame(d, "%s belongs to %s, which does not publish it", rr, owners[0])
		}
	}
	for _, p := range parts {
		if !slices.ContainsFunc(set, p.covers) {
			r.blame(d, "%s %s is listed by its owner %s but does not exist", key, p.data, p.owner)
		}
	}
}

// parts of a key that ownership records list. The ownership record of a key stands at its name or above.
func (r *Referee) parts(d Delta, key string) []part {
	var parts []part
	name, _, _ := strings.Cut(key, " ")
	for at := name; dns.IsSubDomain(r.rules.Apex, at); {
		for _, m := range r.markers(d, ownLabel+at+" TXT") {
			for _, p := range m.parts {
				if p.key == key {
					parts = append(parts, p)
				}
			}
		}
		_, parent, found := strings.Cut(at, ".")
		if !found {
			break
		}
		at = parent
	}
	return parts
}

func (r *Referee) blame(d Delta, format string, args ...any) {
	r.violations = append(r.violations, fmt.Sprintf("version %d: ", d.Serial)+fmt.Sprintf(format, args...))
}

// Counts so far.
func (r *Referee) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Violations of the rules so far, and updates of others that were announced but never came.
func (r *Referee) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.violations)
	for _, d := range r.announced {
		all = append(all, fmt.Sprintf("an update of others did not happen: it removes %v and adds %v", d.Removed, d.Added))
	}
	return all
}

// Owners by anchor, as things are now; those who share it are sorted, with commas between them.
func (r *Referee) Owners() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	owners := map[string]string{}
	for key := range r.records {
		if !isMarker(key) {
			continue
		}
		var all []string
		for _, m := range r.markers(Delta{}, key) {
			all = append(all, m.owner)
		}
		slices.Sort(all)
		owners[strings.TrimSuffix(strings.TrimPrefix(key, ownLabel), " TXT")] = strings.Join(all, ",")
	}
	return owners
}

// Foreign are the records of others, sorted.
func (r *Referee) Foreign() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for key := range r.foreign {
		for _, rr := range r.records[key] {
			all = append(all, rr.String())
		}
	}
	slices.Sort(all)
	return all
}

const ownLabel = "own._xmppfed."

func isMarker(key string) bool { return strings.HasPrefix(key, ownLabel) }

// isIndex tells whether the key is that of an owner's index.
func isIndex(key string) bool {
	_, rest, _ := strings.Cut(key, ".")
	return strings.HasPrefix(rest, "_xmppfed.") && !isMarker(key)
}

// marker is what an ownership record says; the zero value says that there is none.
type marker struct {
	owner string
	// offered is the owner that it is offered to; empty: none.
	offered string
	// shared tells that others may have the anchor too.
	shared bool
	parts  []part
}

// part of a record set that an owner lists as its own.
type part struct {
	owner, key string
	// data of the record; empty: all that there is.
	data string
}

func (p part) covers(rr dns.RR) bool {
	return p.data == "" || p.data == strings.TrimPrefix(rr.String(), rr.Header().String())
}

// of an owner, among several ownership records.
func of(markers []marker, owner string) marker {
	for _, m := range markers {
		if m.owner == owner {
			return m
		}
	}
	return marker{}
}

var (
	ownerField = regexp.MustCompile(`;o=([a-z0-9]+);`)
	offerField = regexp.MustCompile(`;t=([a-z0-9]+);`)
)

// markers at a key.
func (r *Referee) markers(d Delta, key string) []marker {
	var all []marker
	for _, rr := range r.records[key] {
		text := rr.(*dns.TXT).Txt
		owner := ownerField.FindStringSubmatch(text[0])
		if owner == nil {
			r.blame(d, "%s is no ownership record", rr)
			continue
		}
		m := marker{owner: owner[1], shared: strings.Contains(text[0], ";m=shared;")}
		if offered := offerField.FindStringSubmatch(text[0]); offered != nil {
			m.offered = offered[1]
		}
		for _, line := range text[1:] {
			name, rest, _ := strings.Cut(line, " ")
			recordType, data, _ := strings.Cut(rest, " ")
			m.parts = append(m.parts, part{owner: m.owner, key: name + "." + r.rules.Apex + " " + recordType, data: data})
		}
		all = append(all, m)
	}
	return all
}

// keyOf a record is its name and type.
func keyOf(rr dns.RR) string {
	return strings.ToLower(rr.Header().Name) + " " + dns.TypeToString[rr.Header().Rrtype]
}

func same(a, b Delta) bool {
	return slices.Equal(lines(a.Removed), lines(b.Removed)) && slices.Equal(lines(a.Added), lines(b.Added))
}

func lines(records []dns.RR) []string {
	all := make([]string, 0, len(records))
	for _, rr := range records {
		all = append(all, rr.String())
	}
	slices.Sort(all)
	return all
}
