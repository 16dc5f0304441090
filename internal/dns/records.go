// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Record types that the operator reads or writes (RFC 1035 section 3.2.2, RFC 3596, RFC 2782, RFC 6698).
const (
	TypeA     uint16 = 1
	TypeNS    uint16 = 2
	TypeCNAME uint16 = 5
	TypeTXT   uint16 = 16
	TypeAAAA  uint16 = 28
	TypeSRV   uint16 = 33
	TypeTLSA  uint16 = 52
)

// Service label pairs of SRV records.
const (
	// ServiceXMPPServer is where other XMPP servers look for a domain's server (RFC 6120 section 3.2.1).
	ServiceXMPPServer = "_xmpp-server._tcp"
	// ServiceXMPPSServer is where they look for one with direct TLS (XEP-0368 section 3).
	ServiceXMPPSServer = "_xmpps-server._tcp"
	// ServiceXMPPClient and ServiceXMPPSClient are where clients look.
	ServiceXMPPClient  = "_xmpp-client._tcp"
	ServiceXMPPSClient = "_xmpps-client._tcp"
)

// Key names a record set: everything of one type at one name.
type Key struct {
	// Name is fully qualified, lower-case, with trailing dot.
	Name string
	Type uint16
}

// String is the form used in messages, for example "SRV _xmpp-server._tcp.cupdomain.com".
func (k Key) String() string {
	return TypeName(k.Type) + " " + Display(k.Name)
}

// RRset is a record set (RFC 2181 section 5): all records of one type at one name, which share a TTL. The operator
// only ever owns whole record sets.
type RRset struct {
	// Name is fully qualified, lower-case, with trailing dot.
	Name string
	Type uint16
	// TTL in seconds.
	TTL uint32
	// Data without order; duplicates have no meaning.
	Data []Data
	// Shared is for wanted record sets: other owners have, or may have, data in it as well.
	Shared bool
}

// Key of the record set.
func (r RRset) Key() Key { return Key{Name: r.Name, Type: r.Type} }

// TypeName is the mnemonic of the type, for example "SRV".
func (r RRset) TypeName() string { return TypeName(r.Type) }

// Strings is the data in presentation form, sorted, for example ["0 0 5269 cup1.cupdomain.com."].
func (r RRset) Strings() []string {
	out := make([]string, 0, len(r.Data))
	for _, d := range r.Data {
		out = append(out, d.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SameData tells whether both sets hold the same data, whatever the order and TTL.
func (r RRset) SameData(other RRset) bool {
	return r.Key() == other.Key() && slices.Equal(r.Strings(), other.Strings())
}

// Equal tells whether both sets are the same, TTL included.
func (r RRset) Equal(other RRset) bool {
	return r.TTL == other.TTL && r.SameData(other)
}

// Data of one record. It is one of Address, SRV, TXT, TLSA and Alias.
type Data interface {
	// String is the presentation form (RFC 1035 section 5.1).
	String() string
	isData()
}

// Address is the data of an A or AAAA record.
type Address struct{ netip.Addr }

// SRV is the data of a service record (RFC 2782).
type SRV struct {
	Priority, Weight, Port uint16
	// Target is fully qualified, lower-case, with trailing dot.
	Target string
}

// String is the presentation form.
func (s SRV) String() string {
	return fmt.Sprintf("%d %d %d %s", s.Priority, s.Weight, s.Port, s.Target)
}

// TXT is the data of a text record: its character strings, each of at most 255 bytes, unescaped.
type TXT []string

// String is the presentation form: each string in quotes, bytes outside printable ASCII escaped.
func (t TXT) String() string {
	quoted := make([]string, 0, len(t))
	for _, s := range t {
		quoted = append(quoted, `"`+escapeText(s)+`"`)
	}
	return strings.Join(quoted, " ")
}

// TLSA is the data of a certificate association (RFC 6698 section 2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	// Data is the association in lower-case hexadecimal.
	Data string
}

// String is the presentation form.
func (t TLSA) String() string {
	return fmt.Sprintf("%d %d %d %s", t.Usage, t.Selector, t.Matching, t.Data)
}

// Alias is the data of a CNAME record: the name it points to. It is only ever read.
type Alias string

// String is the presentation form.
func (a Alias) String() string { return string(a) }

func (Address) isData() {}
func (SRV) isData()     {}
func (TXT) isData()     {}
func (TLSA) isData()    {}
func (Alias) isData()   {}

// SRVRecord is the service record set of service (such as ServiceXMPPServer) at domain. Names may lack the trailing
// dot.
func SRVRecord(service, domain string, ttl uint32, servers ...SRV) RRset {
	set := RRset{Name: Canonical(service + "." + domain), Type: TypeSRV, TTL: ttl}
	for _, s := range servers {
		s.Target = Canonical(s.Target)
		set.Data = append(set.Data, s)
	}
	return set
}

// TLSARecord is the set of certificate associations of the server at a host's TCP port: DANE-EE(3), of public keys(1), by
// SHA-256(1), the one that RFC 7671 section 5.1 recommends. The keys are hashes in hexadecimal.
func TLSARecord(host string, port uint16, ttl uint32, keys ...string) RRset {
	set := RRset{Name: Canonical(fmt.Sprintf("_%d._tcp.%s", port, host)), Type: TypeTLSA, TTL: ttl}
	for _, key := range keys {
		set.Data = append(set.Data, TLSA{Usage: 3, Selector: 1, Matching: 1, Data: key})
	}
	return set
}

// AddressRecords are the A and AAAA record sets of a host: none, one or two of them. The name may lack the trailing dot.
func AddressRecords(name string, ttl uint32, addresses []netip.Addr) []RRset {
	v4 := RRset{Name: Canonical(name), Type: TypeA, TTL: ttl}
	v6 := RRset{Name: Canonical(name), Type: TypeAAAA, TTL: ttl}
	for _, a := range addresses {
		switch a = a.Unmap().WithZone(""); {
		case a.Is4():
			v4.Data = append(v4.Data, Address{a})
		case a.Is6():
			v6.Data = append(v6.Data, Address{a})
		}
	}
	return slices.DeleteFunc([]RRset{v4, v6}, func(r RRset) bool { return len(r.Data) == 0 })
}

// ParseRRset reads back a service, address or TLSA record set from name, type and data as RRset.Strings gives them.
func ParseRRset(name, typeName string, ttl uint32, data []string) (RRset, error) {
	set := RRset{Name: Canonical(name), TTL: ttl}
	set.Type, _ = parseType(typeName)
	for _, text := range data {
		d, err := parseData(set.Type, text)
		if err != nil {
			return RRset{}, fmt.Errorf("reading %s %s: %w", typeName, name, err)
		}
		set.Data = append(set.Data, d)
	}
	return set, nil
}

func parseData(t uint16, text string) (Data, error) {
	switch t {
	case TypeA, TypeAAAA:
		a, err := netip.ParseAddr(text)
		return Address{a}, err
	case TypeSRV:
		var s SRV
		_, err := fmt.Sscanf(text, "%d %d %d %s", &s.Priority, &s.Weight, &s.Port, &s.Target)
		return s, err
	case TypeTLSA:
		var t TLSA
		_, err := fmt.Sscanf(text, "%d %d %d %s", &t.Usage, &t.Selector, &t.Matching, &t.Data)
		return t, err
	default:
		return nil, errors.New("neither a service nor an address nor a TLSA record")
	}
}

// TypeName is the mnemonic of a record type, or TYPE and its number (RFC 3597 section 5).
func TypeName(t uint16) string {
	for _, n := range typeNames() {
		if n.code == t {
			return n.name
		}
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// parseType is the inverse of TypeName for the types of this package.
func parseType(name string) (uint16, bool) {
	for _, n := range typeNames() {
		if n.name == name {
			return n.code, true
		}
	}
	return 0, false
}

type typeMnemonic struct {
	code uint16
	name string
}

func typeNames() [7]typeMnemonic {
	return [...]typeMnemonic{
		{TypeA, "A"}, {TypeNS, "NS"}, {TypeCNAME, "CNAME"}, {TypeTXT, "TXT"}, {TypeAAAA, "AAAA"}, {TypeSRV, "SRV"},
		{TypeTLSA, "TLSA"},
	}
}

// escapeText escapes a character string for use within quotes (RFC 1035 section 5.1).
func escapeText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
