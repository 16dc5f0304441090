// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	markerVersion = "xf1"
	markerTTL     = 300
	// macBytes of HMAC-SHA-256 are kept (RFC 2104 section 5 asks for at least half of it).
	macBytes = 16
	// minKeyBytes is what a key that signs markers has at least.
	minKeyBytes = 16
	// maxString is what a character string of a TXT record holds at most (RFC 1035 section 3.3).
	maxString = 255
)

// Owner publishes records: one Federation of one cluster.
type Owner struct {
	// ID tells this owner from all others that may write to the zone, and nothing else, because the DNS is public: 8 to
	// 40 characters of a-z and 0-9, for example a hash over cluster and UID.
	ID string
	// TransferTo is the ID of the owner that is to have everything this one has in the zone; empty: none. Until that owner
	// has it nothing is changed but the ownership records, which offer it.
	TransferTo string
	// Anchors are names in the zone that the owner may have although its index doesn't list them, because somebody removed that.
	// They are dealt with as if it did.
	Anchors []string
	// AcceptFrom are owners that hand over to this one and whose ownership records our own key signs: other Federations of the same
	// operator. What they offer may be accepted although no unit lets what others offer be.
	AcceptFrom []string
}

// marker is the content of an ownership record. It says who owns the record sets in keys, and it is the only journal of
// them: it changes in the same atomic update as they do.
//
// Its TXT record holds one string with the fields and one more string per key:
//
//	"v=xf1;o=9f86d081884c7d65;e=3;k=5a1c03ee;h=0c3f…" "_xmpp-server._tcp SRV"
//
// An offer to another owner stands behind the epoch: ";t=60303ae22b998861". Where owners share an anchor each has a record
// of its own there, with ";m=shared" behind the epoch, that lists the data which is its own:
//
//	"v=xf1;o=9f86d081884c7d65;e=3;m=shared;k=5a1c03ee;h=0c3f…" "_xmpp-server._tcp SRV 0 0 5269 cup1.cupdomain.com."
type marker struct {
	owner string
	// transferTo is the owner that may have the anchor with all that is listed; empty: nobody.
	transferTo string
	// epoch counts the changes, so that no two contents of an owner are the same and an update that comes late, based
	// on an earlier content, fails.
	epoch uint64
	// keyID and mac are the signature.
	keyID, mac string
	// keys are sorted.
	keys []Key
	// shared tells that others may have the anchor as well; data is then what is this owner's, in step with keys, in which a
	// key stands once per record.
	shared bool
	data   []string
}

// markerKey is where the ownership record of an anchor stands. Whoever wants the anchor must write there, so claims
// collide by design.
func markerKey(anchor string) Key {
	return Key{Name: "own._xmppfed." + anchor, Type: TypeTXT}
}

// indexKey is where the record stands that lists an owner's ownership records in the zone.
func indexKey(owner Owner, apex string) Key {
	return Key{Name: owner.ID + "._xmppfed." + apex, Type: TypeTXT}
}

// Ownership tells whether an ownership record stands at the key, and whether that is the index of an owner.
func Ownership(k Key) (ownership, index bool) {
	label, rest, _ := strings.Cut(k.Name, ".")
	ownership = k.Type == TypeTXT && strings.HasPrefix(rest, "_xmppfed.")
	return ownership, ownership && label != "own"
}

// OwnershipOf reports whether a key is that of the ownership record of a record's name, or of an index in whose zone the name lies.
// Pages of an index come and go by themselves, and are neither.
func OwnershipOf(k Key, name string) bool {
	name = Canonical(name)
	label, rest, _ := strings.Cut(k.Name, ".")
	apex, found := strings.CutPrefix(rest, "_xmppfed.")
	if anchor, is := anchorOf(k); is {
		return anchor == Bare(name)
	}
	return found && k.Type == TypeTXT && !strings.Contains(label, "-") && InZone(name, apex)
}

// WithOwnership are record sets that an owner has in a zone, together with the ownership records that say so. It asks
// nobody: the anchor of a record set is its name without the labels that begin with an underscore.
func WithOwnership(owner Owner, apex string, records []Key) []Key {
	if len(records) == 0 {
		return nil
	}
	all := slices.Clone(records)
	for _, k := range records {
		if guard := markerKey(Bare(k.Name)); !slices.Contains(all, guard) {
			all = append(all, guard)
		}
	}
	return append(all, indexKey(owner, Canonical(apex)))
}

// anchorOf is the inverse of markerKey.
func anchorOf(key Key) (string, bool) {
	anchor, ok := strings.CutPrefix(key.Name, "own._xmppfed.")
	return anchor, ok && key.Type == TypeTXT
}

// text is the marker in TXT form, names being relative to apex.
func (m marker) text(apex string) TXT {
	mode := ""
	switch {
	case m.shared:
		mode = ";m=shared"
	case m.transferTo != "":
		mode = ";t=" + m.transferTo
	}
	out := TXT{fmt.Sprintf("v=%s;o=%s;e=%d%s;k=%s;h=%s", markerVersion, m.owner, m.epoch, mode, m.keyID, m.mac)}
	for i, k := range m.keys {
		line := relative(k.Name, apex) + " " + TypeName(k.Type)
		if m.shared {
			line += " " + m.data[i]
		}
		out = append(out, line)
	}
	return out
}

var markerFields = regexp.MustCompile(
	`^v=xf1;o=([a-z0-9]{8,40});e=([1-9][0-9]{0,18})(?:;t=([a-z0-9]{8,40})|;(m=shared))?;k=([0-9a-f]{8});h=([0-9a-f]{32})$`)

// parseMarker reads a marker from a TXT record that anybody may have written. Only the exact form that text gives is
// accepted, so there is one way to write each marker.
func parseMarker(text TXT, apex string) (marker, bool) {
	if len(text) == 0 || len(text[0]) > maxString {
		return marker{}, false
	}
	fields := markerFields.FindStringSubmatch(text[0])
	if fields == nil {
		return marker{}, false
	}
	epoch, err := strconv.ParseUint(fields[2], 10, 63)
	if err != nil {
		return marker{}, false
	}
	m := marker{owner: fields[1], epoch: epoch, transferTo: fields[3], shared: fields[4] != "", keyID: fields[5], mac: fields[6]}
	last := ""
	for _, s := range text[1:] {
		key, data, ok := parseMarkerLine(s, apex, m.shared)
		if !ok || len(m.keys) > 0 && cmp.Or(compareKeys(m.keys[len(m.keys)-1], key), strings.Compare(last, data)) >= 0 {
			return marker{}, false
		}
		m.keys, last = append(m.keys, key), data
		if m.shared {
			m.data = append(m.data, data)
		}
	}
	return m, true
}

// parseMarkerLine reads what a marker lists: a key, and in a shared one data as well.
func parseMarkerLine(s, apex string, shared bool) (Key, string, bool) {
	if !shared {
		key, ok := parseMarkerKey(s, apex)
		return key, "", ok
	}
	parts := strings.SplitN(s, " ", 3)
	if len(parts) != 3 || len(s) > maxString {
		return Key{}, "", false
	}
	key, ok := parseMarkerKey(parts[0]+" "+parts[1], apex)
	set, err := ParseRRset(key.Name, parts[1], 0, []string{parts[2]})
	if !ok || err != nil || key.Type != TypeSRV {
		return Key{}, "", false
	}
	target := set.Data[0].(SRV).Target
	return key, parts[2], set.Data[0].String() == parts[2] && target == Canonical(target)
}

func parseMarkerKey(s, apex string) (Key, bool) {
	name, mnemonic, ok := strings.Cut(s, " ")
	if !ok {
		return Key{}, false
	}
	key := Key{Name: absolute(name, apex)}
	key.Type, ok = parseType(mnemonic)
	return key, ok && publishable(key.Type) && validName(key.Name) && relative(key.Name, apex) == name
}

// publishable tells whether the operator ever writes records of the type.
func publishable(t uint16) bool {
	return t == TypeA || t == TypeAAAA || t == TypeSRV || t == TypeTXT || t == TypeTLSA
}

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
}

// Signer signs markers, so that nobody who can merely write TXT records makes the operator believe that it owns what
// others published, and then removes it. The zero value is of no use.
type Signer struct{ keys [][]byte }

// NewSigner signs with the first key and accepts signatures by any of them, which allows for a change of keys. Keys have
// at least 16 bytes.
func NewSigner(keys ...[]byte) (Signer, error) {
	if len(keys) == 0 {
		return Signer{}, errors.New("signing ownership records: no key given")
	}
	var s Signer
	for _, k := range keys {
		if len(k) < minKeyBytes {
			return Signer{}, fmt.Errorf("signing ownership records: key has %d bytes, %d are needed", len(k), minKeyBytes)
		}
		s.keys = append(s.keys, slices.Clone(k))
	}
	return s, nil
}

// sign makes the marker that stands at name.
func (s Signer) sign(apex, name string, m marker) marker {
	m.keyID = keyID(s.keys[0])
	m.mac = mac(s.keys[0], apex, name, m)
	return m
}

// verify tells whether one of the keys signed the marker for this place, and whether it was the one that signs today.
func (s Signer) verify(apex, name string, m marker) (valid, current bool) {
	for i, k := range s.keys {
		if m.keyID == keyID(k) && hmac.Equal([]byte(m.mac), []byte(mac(k, apex, name, m))) {
			return true, i == 0
		}
	}
	return false, false
}

// mac covers the place too: a marker that is copied to another name or zone is worth nothing there. No field can hold
// a line feed, and only lines of keys a space, so the lines are unambiguous.
func mac(key []byte, apex, name string, m marker) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%d\n%s\n", markerVersion, apex, name, m.owner, m.epoch, m.keyID)
	if m.transferTo != "" {
		fmt.Fprintf(h, "t=%s\n", m.transferTo)
	}
	if m.shared {
		fmt.Fprintf(h, "m=shared\n")
	}
	for i, k := range m.keys {
		fmt.Fprintf(h, "%s %d", k.Name, k.Type)
		if m.shared {
			fmt.Fprintf(h, " %s", m.data[i])
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:macBytes])
}

// keyID tells keys apart without telling anything about them.
func keyID(key []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("xmppfed ownership record key"))
	return hex.EncodeToString(h.Sum(nil)[:4])
}
