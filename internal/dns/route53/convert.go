// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/xmppfed/xmppfed/internal/dns"
)

func toRoute53(set dns.RRset) types.ResourceRecordSet {
	out := types.ResourceRecordSet{
		Name: aws.String(set.Name), Type: types.RRType(set.TypeName()), TTL: aws.Int64(int64(set.TTL)),
	}
	for _, d := range set.Data {
		value := d.String()
		if text, ok := d.(dns.TXT); ok {
			value = formatText(text)
		}
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: aws.String(value)})
	}
	return out
}

// fromRoute53 reads the record sets of one key. Where that is not simply a list of values, because Route 53 aliases them to
// an AWS resource or routes by weight or place, it becomes text, which equals nothing that is wanted.
func fromRoute53(k dns.Key, raw []types.ResourceRecordSet) dns.RRset {
	set := dns.RRset{Name: k.Name, Type: k.Type}
	for _, r := range raw {
		set.TTL = uint32(aws.ToInt64(r.TTL))
		if r.AliasTarget != nil {
			set.Data = append(set.Data, dns.TXT{"alias of " + aws.ToString(r.AliasTarget.DNSName)})
		}
		if r.SetIdentifier != nil {
			set.Data = append(set.Data, dns.TXT{"routed by set identifier " + aws.ToString(r.SetIdentifier)})
		}
		for _, record := range r.ResourceRecords {
			set.Data = append(set.Data, parseValue(k, aws.ToString(record.Value)))
		}
	}
	return set
}

func parseValue(k dns.Key, value string) dns.Data {
	switch k.Type {
	case dns.TypeTXT:
		return parseText(value)
	case dns.TypeCNAME:
		return dns.Alias(dns.Canonical(value))
	case dns.TypeSRV:
		value = dns.Canonical(value)
	case dns.TypeTLSA:
		value = strings.ToLower(value)
	}
	set, err := dns.ParseRRset(k.Name, dns.TypeName(k.Type), 0, []string{value})
	if err != nil {
		return dns.TXT{value}
	}
	return set.Data[0]
}

// formatText writes each string in quotes, with octal escapes
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat).
func formatText(text dns.TXT) string {
	var b strings.Builder
	for i, s := range text {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for j := range len(s) {
			switch c := s[j]; {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03o`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

// parseText is the inverse of formatText.
func parseText(value string) dns.TXT {
	var text dns.TXT
	quoted, start := false, 0
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\':
			i++
		case value[i] == '"' && quoted:
			text, quoted = append(text, unescape(value[start:i])), false
		case value[i] == '"':
			quoted, start = true, i+1
		}
	}
	if quoted || len(text) == 0 {
		return dns.TXT{value}
	}
	return text
}

// unescape undoes escapes: a backslash with three octal digits, or with the character itself.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if c, ok := octal(s[i+1:]); ok {
			b.WriteByte(c)
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) (byte, bool) {
	if len(s) < 3 || s[0] > '3' || strings.Trim(s[:3], "01234567") != "" {
		return 0, false
	}
	return (s[0]-'0')<<6 + (s[1]-'0')<<3 + s[2] - '0', true
}
