// SPDX-License-Identifier: Apache-2.0

package dns

import "strings"

// Canonical is the name in the form that this package compares: lower-case, with trailing dot.
func Canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, ".")) + "."
}

// Display is the name as people write it: without trailing dot.
func Display(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// Bare is the name that a record is about: without the leading labels that begin with an underscore (RFC 8552).
func Bare(name string) string {
	for strings.HasPrefix(name, "_") {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}

// InZone tells whether name is the apex or lies below it. Labels are compared as a whole: fooexample.com does not lie
// in example.com. In a zone that has no apex, as in a DNSZone that can't be read, lies nothing.
func InZone(name, apex string) bool {
	if apex == "" {
		return false
	}
	name, apex = Canonical(name), Canonical(apex)
	return apex == "." || name == apex || strings.HasSuffix(name, "."+apex)
}

// ZoneFor chooses the zone that name belongs to: the longest of the apexes in which it lies. It returns the apex as it
// was given.
func ZoneFor(name string, apexes []string) (string, bool) {
	best, found := "", false
	for _, apex := range apexes {
		if InZone(name, apex) && (!found || len(Canonical(apex)) > len(Canonical(best))) {
			best, found = apex, true
		}
	}
	return best, found
}

// relative is the name without the apex; "@" is the apex itself (RFC 1035 section 5.1).
func relative(name, apex string) string {
	if name == apex {
		return "@"
	}
	if apex == "." {
		return Display(name)
	}
	return strings.TrimSuffix(name, "."+apex)
}

// absolute is the inverse of relative.
func absolute(name, apex string) string {
	switch {
	case name == "@":
		return apex
	case apex == ".":
		return name + "."
	default:
		return name + "." + apex
	}
}

// wildcards returns the record sets from which a server may make up the one given (RFC 4592), and the aliases.
func wildcards(k Key, apex string) []Key {
	var out []Key
	for name := k.Name; name != apex && InZone(name, apex); {
		_, name, _ = strings.Cut(name, ".")
		out = append(out, Key{Name: "*." + name, Type: k.Type})
	}
	return out
}

// validName tells whether a canonical name consists of labels of a-z, 0-9, "-" and "_" within the limits of RFC 1035
// section 2.3.4. Nothing else is ever published, so nothing else needs escaping.
func validName(name string) bool {
	if len(name) > 254 || !strings.HasSuffix(name, ".") {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// belongs tells whether a record set can be nobody's but the anchor's: the addresses of the name itself, and records of its
// services, whose names begin with an underscore (RFC 8552).
func (k Key) belongs(anchor string) bool {
	switch k.Type {
	case TypeA, TypeAAAA:
		return k.Name == anchor
	case TypeTXT:
		return false
	default:
		return strings.HasPrefix(k.Name, "_") && InZone(k.Name, anchor)
	}
}
