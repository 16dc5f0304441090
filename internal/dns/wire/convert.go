// SPDX-License-Identifier: Apache-2.0

// Package wire translates between the records of package dns and those of the DNS library, and carries messages. It is
// the only place, with the packages below internal/dns that do I/O, that knows the library.
package wire

import (
	"fmt"
	"net/netip"
	"strings"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Records are newly built library records of a record set. Nobody else has them, so the library may change their
// headers, as it does when it builds updates.
func Records(set dns.RRset) []miekg.RR {
	out := make([]miekg.RR, 0, len(set.Data))
	for _, d := range set.Data {
		header := miekg.RR_Header{Name: set.Name, Rrtype: set.Type, Class: miekg.ClassINET, Ttl: set.TTL}
		switch d := d.(type) {
		case dns.Address:
			if d.Is4() {
				out = append(out, &miekg.A{Hdr: header, A: d.AsSlice()})
			} else {
				out = append(out, &miekg.AAAA{Hdr: header, AAAA: d.AsSlice()})
			}
		case dns.SRV:
			out = append(out, &miekg.SRV{Hdr: header, Priority: d.Priority, Weight: d.Weight, Port: d.Port, Target: d.Target})
		case dns.TXT:
			text := make([]string, 0, len(d))
			for _, s := range d {
				text = append(text, strings.ReplaceAll(s, `\`, `\\`))
			}
			out = append(out, &miekg.TXT{Hdr: header, Txt: text})
		case dns.TLSA:
			out = append(out, &miekg.TLSA{
				Hdr: header, Usage: d.Usage, Selector: d.Selector, MatchingType: d.Matching, Certificate: d.Data,
			})
		case dns.Alias:
			out = append(out, &miekg.CNAME{Hdr: header, Target: string(d)})
		}
	}
	return out
}

// Header names a record set in a prerequisite or a deletion.
func Header(key dns.Key) miekg.RR {
	return &miekg.ANY{Hdr: miekg.RR_Header{Name: key.Name, Rrtype: key.Type, Class: miekg.ClassINET}}
}

// Set picks from answers the record set that was asked for, or else the alias at its name. It tells false when there
// is neither. Records of other names, types and classes are ignored.
func Set(answers []miekg.RR, key dns.Key) (dns.RRset, bool) {
	alias := dns.Key{Name: key.Name, Type: dns.TypeCNAME}
	for _, k := range []dns.Key{key, alias} {
		set := dns.RRset{Name: k.Name, Type: k.Type}
		for _, rr := range answers {
			h := rr.Header()
			if dns.Canonical(h.Name) != k.Name || h.Rrtype != k.Type || h.Class != miekg.ClassINET {
				continue
			}
			if d, ok := data(rr); ok {
				set.TTL = h.Ttl
				set.Data = append(set.Data, d)
			}
		}
		if len(set.Data) > 0 {
			return set, true
		}
	}
	return dns.RRset{}, false
}

// Data reads data in presentation form. Text may lack its quotes, as providers write it with or without. What can't be read
// becomes text of the same type, which equals nothing that is wanted.
func Data(k dns.Key, text string) dns.Data {
	if k.Type == dns.TypeTXT && !strings.HasPrefix(text, `"`) {
		return dns.TXT{text}
	}
	rr, err := miekg.NewRR(fmt.Sprintf("%s 0 IN %s %s", k.Name, dns.TypeName(k.Type), text))
	if err != nil || rr == nil {
		return dns.TXT{text}
	}
	set, ok := Set([]miekg.RR{rr}, k)
	if !ok {
		return dns.TXT{text}
	}
	return set.Data[0]
}

func data(rr miekg.RR) (dns.Data, bool) {
	switch rr := rr.(type) {
	case *miekg.A:
		a, ok := netip.AddrFromSlice(rr.A.To4())
		return dns.Address{Addr: a}, ok
	case *miekg.AAAA:
		a, ok := netip.AddrFromSlice(rr.AAAA.To16())
		return dns.Address{Addr: a}, ok
	case *miekg.SRV:
		return dns.SRV{Priority: rr.Priority, Weight: rr.Weight, Port: rr.Port, Target: dns.Canonical(rr.Target)}, true
	case *miekg.TXT:
		text := make(dns.TXT, 0, len(rr.Txt))
		for _, s := range rr.Txt {
			text = append(text, unescape(s))
		}
		return text, true
	case *miekg.TLSA:
		return dns.TLSA{
			Usage: rr.Usage, Selector: rr.Selector, Matching: rr.MatchingType, Data: strings.ToLower(rr.Certificate),
		}, true
	case *miekg.CNAME:
		return dns.Alias(dns.Canonical(rr.Target)), true
	default:
		return nil, false
	}
}

// unescape undoes the presentation escapes (RFC 1035 section 5.1) that the library puts into TXT strings.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && decimal(s[i+1:i+4]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func decimal(s string) bool { return strings.Trim(s, "0123456789") == "" }
