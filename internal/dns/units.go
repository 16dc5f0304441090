// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Unit is what an owner publishes under one anchor: an XMPP domain, or the name of the host that serves it. One
// ownership record guards all of it.
type Unit struct {
	// Anchor is the guarded name. It may lack the trailing dot.
	Anchor string
	// Records stand at any names of the zone. A unit without records is released.
	Records []RRset
	// Takeover names those of Records that may exist already, written by somebody else: they become the owner's, with the
	// data that is wanted. Records of another owner, or of ExternalDNS, are not taken over. To name what does not exist,
	// or is owned already, does no harm.
	Takeover []Key
	// NotAllowed names those of Records that the owner asks to take over although the zone does not let it. It changes only what
	// is said of them.
	NotAllowed []Key
	// Accept lets the anchor be taken from another owner that offers it to this one, see Owner.TransferTo.
	Accept bool
	// HeldOnly keeps the unit up to date if the owner holds its anchor already. Otherwise the anchor is neither claimed nor taken
	// over nor accepted, and Result.Deferred names it. Of several units with the same anchor one is enough to defer it.
	// Where it is held, record sets that the owner does not have yet wait as well, except addresses of a host that has others;
	// Result.Withheld names them all.
	HeldOnly bool
	// ForServices has the anchor claimed only if service records that this owner has, or is about to have, in the zone lead to it: the
	// address of a host that serves nothing here would keep its name from others for nothing.
	ForServices bool
	// NoHost is why the host in another zone that the unit's service records lead to has no address; nil if it has. Service records
	// are not changed to lead there then.
	NoHost *Error
}

// wanted is what an owner wants in a zone, merged and checked.
type wanted struct {
	// anchors that have records, sorted.
	anchors []string
	// keys of each anchor, sorted.
	keys map[string][]Key
	sets map[Key]RRset
	// takeover are the record sets that may be taken over.
	takeover []Key
	// notAllowed are the record sets that the owner asks to take over, and may not.
	notAllowed []Key
	// accept are the anchors that may be taken from an owner that offers them.
	accept map[string]bool
	// shared are the anchors that other owners may have as well.
	shared map[string]bool
	// heldOnly are the anchors that are not to be claimed.
	heldOnly map[string]bool
	// forServices are the anchors that are claimed only if service records lead to them.
	forServices map[string]bool
	// noHost are the hosts in other zones that have no address, and why.
	noHost map[string]*Error
	// under is the anchor of each record set.
	under map[Key]string
	// refused are the anchors of units that can't be published at all.
	refused map[string]*Error
}

// allKeys of all anchors, sorted.
func (w wanted) allKeys() []Key {
	var out []Key
	for _, a := range w.anchors {
		out = append(out, w.keys[a]...)
	}
	slices.SortFunc(out, compareKeys)
	return out
}

// without is what is wanted if some anchors are not.
func (w wanted) without(anchors []string) wanted {
	if len(anchors) == 0 {
		return w
	}
	w.anchors = slices.DeleteFunc(slices.Clone(w.anchors), func(a string) bool { return slices.Contains(anchors, a) })
	w.keys, w.sets = maps.Clone(w.keys), maps.Clone(w.sets)
	for _, a := range anchors {
		for _, k := range w.keys[a] {
			delete(w.sets, k)
		}
		delete(w.keys, a)
	}
	return w
}

// withoutKey is what is wanted if a record set is not.
func (w wanted) withoutKey(k Key) wanted {
	anchor := w.anchorOf(k)
	if anchor == "" {
		return w
	}
	w.keys, w.sets = maps.Clone(w.keys), maps.Clone(w.sets)
	delete(w.sets, k)
	w.keys[anchor] = slices.DeleteFunc(slices.Clone(w.keys[anchor]), func(other Key) bool { return other == k })
	return w
}

// anchorOf returns the anchor under which a record set is wanted; empty if it is not.
func (w wanted) anchorOf(k Key) string {
	if _, isWanted := w.sets[k]; !isWanted {
		return ""
	}
	return w.under[k]
}

// hasAddress tells whether a record set is one of addresses, and its name is to have an address all the same.
func (w wanted) hasAddress(k Key) bool {
	_, a := w.sets[Key{Name: k.Name, Type: TypeA}]
	_, aaaa := w.sets[Key{Name: k.Name, Type: TypeAAAA}]
	return (k.Type == TypeA || k.Type == TypeAAAA) && (a || aaaa)
}

func mergeUnits(apex string, units []Unit) (wanted, error) {
	w := wanted{
		keys: map[string][]Key{}, sets: map[Key]RRset{}, accept: map[string]bool{}, shared: map[string]bool{}, heldOnly: map[string]bool{},
		refused: map[string]*Error{}, under: map[Key]string{}, forServices: map[string]bool{}, noHost: map[string]*Error{},
	}
	for _, u := range units {
		w.takeover = append(w.takeover, u.Takeover...)
		w.notAllowed = append(w.notAllowed, u.NotAllowed...)
		anchor := Canonical(u.Anchor)
		w.accept[anchor] = w.accept[anchor] || u.Accept
		w.heldOnly[anchor] = w.heldOnly[anchor] || u.HeldOnly
		w.forServices[anchor] = w.forServices[anchor] || u.ForServices
		if u.NoHost != nil {
			for _, host := range targets(u.Records...) {
				w.noHost[host] = u.NoHost
			}
		}
		if err := w.addUnit(apex, anchor, u.Records); err != nil {
			return wanted{}, err
		}
	}
	for anchor, keys := range w.keys {
		if w.refused[anchor] != nil {
			continue
		}
		slices.SortFunc(keys, compareKeys)
		w.anchors = append(w.anchors, anchor)
	}
	slices.Sort(w.anchors)
	for anchor := range w.refused {
		for _, k := range w.keys[anchor] {
			delete(w.sets, k)
		}
		delete(w.keys, anchor)
	}
	return w, nil
}

// addUnit adds the records of a unit. If one can't be published, the anchor is refused.
func (w wanted) addUnit(apex, anchor string, records []RRset) error {
	err := checkName(anchor, apex)
	for _, set := range records {
		if err == nil {
			err = checkSet(set, apex)
		}
	}
	if why, ok := AsError(err); ok {
		w.refused[anchor] = why
		return nil
	}
	for _, set := range records {
		if err == nil {
			err = w.add(anchor, set)
		}
	}
	return err
}

// add a record set to an anchor, which may have it already.
func (w wanted) add(anchor string, set RRset) error {
	if earlier, twice := w.sets[set.Key()]; twice {
		if !earlier.Equal(set) || !slices.Contains(w.keys[anchor], set.Key()) {
			return fmt.Errorf("merging records: %s is wanted twice", set.Key())
		}
		return nil
	}
	if err := w.share(anchor, set.Shared); err != nil {
		return err
	}
	w.sets[set.Key()], w.under[set.Key()] = set, anchor
	w.keys[anchor] = append(w.keys[anchor], set.Key())
	return nil
}

// share notes whether an anchor is shared, which all of its records have to agree on.
func (w wanted) share(anchor string, shared bool) error {
	if len(w.keys[anchor]) > 0 && w.shared[anchor] != shared {
		return fmt.Errorf("merging records: %s is shared in part only", anchor)
	}
	w.shared[anchor] = shared
	return nil
}

// sharesAny tells whether other owners may have a wanted anchor as well.
func (w wanted) sharesAny() bool {
	return slices.ContainsFunc(w.anchors, func(a string) bool { return w.shared[a] })
}

func checkSet(set RRset, apex string) error {
	if err := checkName(set.Name, apex); err != nil {
		return err
	}
	if !publishable(set.Type) || len(set.Data) == 0 || set.Name != Canonical(set.Name) {
		return fmt.Errorf("merging records: %s can't be published", set.Key())
	}
	if set.Shared {
		return checkShared(set)
	}
	return nil
}

// checkShared refuses what can't be listed in a shared marker.
func checkShared(set RRset) error {
	if set.Type != TypeSRV {
		return fmt.Errorf("merging records: %s can't be shared", set.Key())
	}
	for _, data := range set.Strings() {
		if line := set.Name + " SRV " + data; len(line) > maxString {
			return &Error{
				Reason: v1alpha1.ReasonNameOutsideZone,
				Message: fmt.Sprintf("%s with host name %s is too long to be shared: %d of %d bytes; choose a shorter host name in the "+
					"Federation", Display(set.Name), data, len(line), maxString),
				Permanent: true,
			}
		}
	}
	return nil
}

// checkName refuses what can't stand in the zone, or not in a marker.
func checkName(name, apex string) error {
	fits := len("own._xmppfed.")+len(name)+len(" AAAA") <= maxString
	if InZone(name, apex) && validName(name) && fits {
		return nil
	}
	return &Error{
		Reason: v1alpha1.ReasonNameOutsideZone,
		Message: fmt.Sprintf("%s can't be published in zone %s: the name does not lie in the zone or is no valid host name; "+
			"change the name in the Federation, or have the platform team create a DNSZone for it", Display(name), Display(apex)),
		Permanent: true,
	}
}

var ownerID = regexp.MustCompile(`^[a-z0-9]{8,40}$`)

func checkOwner(owner Owner) error {
	for _, id := range []string{owner.ID, cmp.Or(owner.TransferTo, owner.ID)} {
		if !ownerID.MatchString(id) {
			return fmt.Errorf("checking owner %q: 8 to 40 characters of a-z and 0-9 are needed", id)
		}
	}
	return nil
}
