// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// listing are record sets as Route 53 has them: usually one for a key, several where it routes by set identifiers.
type listing map[dns.Key][]types.ResourceRecordSet

func (l listing) add(set types.ResourceRecordSet, names []string) {
	t, known := miekg.StringToType[string(set.Type)]
	// Names that need escapes are none of ours, so they are not decoded.
	if name := dns.Canonical(aws.ToString(set.Name)); known && slices.Contains(names, name) {
		if set.AliasTarget != nil {
			set.ResourceRecords = nil // an empty list may be read, but not written
		}
		k := dns.Key{Name: name, Type: t}
		l[k] = append(l[k], set)
	}
}

// get the record set, or the CNAME in its place.
func (l listing) get(k dns.Key) (dns.RRset, bool) {
	for _, k := range []dns.Key{k, {Name: k.Name, Type: dns.TypeCNAME}} {
		if raw, ok := l[k]; ok {
			return fromRoute53(k, raw), true
		}
	}
	return dns.RRset{}, false
}

// at keys, and only there.
func (l listing) at(keys []dns.Key) []dns.RRset {
	var sets []dns.RRset
	for _, k := range keys {
		if raw, ok := l[k]; ok {
			sets = append(sets, fromRoute53(k, raw))
		}
	}
	return sets
}

// find everything at the names of the keys. Route 53 lists a zone in the order of listOrder from any name on, up to 300
// record sets at a time; what lies between a page and the next name that matters is left out. So there are never more
// requests than names, nor than pages.
func (p *Provider) find(ctx context.Context, keys []dns.Key) (listing, error) {
	found := listing{}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(listOrder(a), listOrder(b)) })
	names = slices.Compact(names)
	if len(names) == 0 {
		return found, nil
	}
	id, err := p.zoneID(ctx)
	if err != nil {
		return nil, err
	}
	input := startAt(id, names[0])
	for left := names; ; {
		page, err := p.client.ListResourceRecordSets(ctx, input)
		if err != nil {
			return nil, p.failure(err, "route53:ListResourceRecordSets")
		}
		for _, set := range page.ResourceRecordSets {
			found.add(set, names)
		}
		if !page.IsTruncated {
			return found, nil
		}
		next := dns.Canonical(aws.ToString(page.NextRecordName))
		if left[0] != next {
			left = left[1:]
		}
		for len(left) > 0 && before(left[0], next) {
			left = left[1:]
		}
		if len(left) == 0 {
			return found, nil
		}
		input = startAt(id, left[0])
		if left[0] == next {
			input.StartRecordType, input.StartRecordIdentifier = page.NextRecordType, page.NextRecordIdentifier
		}
	}
}

func startAt(id, name string) *sdk.ListResourceRecordSetsInput {
	return &sdk.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(id), StartRecordName: aws.String(name), MaxItems: aws.Int32(pageSize),
	}
}

// before tells whether a list that goes on at next has passed name. The documentation does not say whether names that need
// escapes are sorted by what they say or by how they are written, so both have to agree.
func before(name, next string) bool {
	return listOrder(name) < listOrder(next) && listOrder(name) < listOrder(unescape(next))
}

// listOrder is what Route 53 sorts by: the name with its labels reversed, such as com.example.www.
func listOrder(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}
