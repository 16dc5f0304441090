// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// refusal is an error in Route 53's own words.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// sets of the zone, in the order of lists.
func (r *Route53) sets() []Route53Set {
	out := slices.Clone(r.Others)
	for _, set := range r.zone.Sets() {
		ttl := int64(set.TTL)
		var records []Route53Data
		for _, value := range set.Strings() {
			records = append(records, Route53Data{decimalToOctal(value)})
		}
		name := strings.ReplaceAll(set.Name, "*", `\052`)
		out = append(out, Route53Set{Name: name, Type: set.TypeName(), TTL: &ttl, Records: records})
	}
	slices.SortFunc(out, compareRoute53)
	return out
}

// compareRoute53 by name with labels reversed, then type, then identifier.
func compareRoute53(a, b Route53Set) int {
	position := func(s Route53Set) string {
		labels := strings.Split(strings.TrimSuffix(strings.ToLower(s.Name), "."), ".")
		slices.Reverse(labels)
		return strings.Join(labels, ".") + ".\x00" + s.Type + "\x00" + s.SetIdentifier
	}
	return strings.Compare(position(a), position(b))
}

// same tells whether both are the same in all that a DELETE has to repeat.
func (s Route53Set) same(other Route53Set) bool {
	number := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	return number(s.TTL) == number(other.TTL) && number(s.Weight) == number(other.Weight) && slices.Equal(s.sorted(), other.sorted()) &&
		(s.AliasTarget == nil) == (other.AliasTarget == nil) && (s.AliasTarget == nil || *s.AliasTarget == *other.AliasTarget)
}

func (s Route53Set) sorted() []string {
	var out []string
	for _, record := range s.Records {
		out = append(out, record.Value)
	}
	slices.Sort(out)
	return out
}

// admit a record set that is to be created beside the others.
func (r *Route53) admit(s Route53Set, others []Route53Set) error {
	if !dns.InZone(s.Name, r.zone.Apex()) {
		return refuse("RRSet with DNS name %s is not permitted in zone %s", s.Name, r.zone.Apex())
	}
	for _, other := range others {
		if other.Name == s.Name && (other.Type == "CNAME") != (s.Type == "CNAME") {
			return refuse("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type %s with the same "+
				"DNS name already exists in zone %s", s.Type, s.Name, other.Type, r.zone.Apex())
		}
	}
	if s.AliasTarget != nil {
		return nil
	}
	if s.TTL == nil || len(s.Records) == 0 {
		return refuse("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in Change with "+
			"[Action=CREATE, Name=%s, Type=%s]", s.Name, s.Type)
	}
	for _, v := range s.sorted() {
		if s.Type == "TXT" && len(v) > 4000 {
			return refuse("Invalid Resource Record: 'FATAL problem: TXTRDATATooLong encountered with %s'", v)
		}
		if s.Type == "TXT" && !strings.HasPrefix(v, `"`) {
			return refuse("Invalid Resource Record: 'FATAL problem: InvalidCharacterString encountered with %s'", v)
		}
	}
	if parsed, err := s.parse(); err != nil || len(parsed.Strings()) != len(s.Records) {
		return refuse("Invalid Resource Record: FATAL problem or duplicate in %v", s.sorted())
	}
	return nil
}

func (s Route53Set) parse() (dns.RRset, error) {
	var records []miekg.RR
	name := strings.ReplaceAll(s.Name, `\052`, "*")
	for _, v := range s.sorted() {
		rr, err := miekg.NewRR(fmt.Sprintf("%s %d IN %s %s", name, *s.TTL, s.Type, octalToDecimal(v)))
		if err != nil {
			return dns.RRset{}, err
		}
		records = append(records, rr)
	}
	set, _ := wire.Set(records, dns.Key{Name: dns.Canonical(name), Type: records[0].Header().Rrtype})
	return set, nil
}

var numericEscape = regexp.MustCompile(`\\(\\|"|[0-9]{3})`)

// octalToDecimal turns the escapes of Route 53 into those of zone files, and decimalToOctal back.
func octalToDecimal(s string) string { return convertEscapes(s, 8, `\%03d`) }

func decimalToOctal(s string) string { return convertEscapes(s, 10, `\%03o`) }

func convertEscapes(s string, base int, format string) string {
	return numericEscape.ReplaceAllStringFunc(s, func(escape string) string {
		if n, err := strconv.ParseUint(escape[1:], base, 8); err == nil {
			return fmt.Sprintf(format, n)
		}
		return escape
	})
}
