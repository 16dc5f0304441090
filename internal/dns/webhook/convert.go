// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"strings"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// toEndpoint writes names without the trailing dot and data in presentation form, see Config.BareTargets.
func toEndpoint(set dns.RRset, bare bool) endpoint {
	e := endpoint{
		DNSName: dns.Display(set.Name), RecordType: set.TypeName(), RecordTTL: int64(set.TTL), Targets: set.Strings(),
	}
	for i, target := range e.Targets {
		if bare {
			e.Targets[i] = strings.TrimSuffix(target, ".")
		}
	}
	return e
}

// listing is what a zone holds: usually one endpoint for a key, several where a service routes by set identifiers.
type listing map[dns.Key][]endpoint

func newListing(all []endpoint) listing {
	l := listing{}
	for _, e := range all {
		if t, ok := miekg.StringToType[strings.ToUpper(e.RecordType)]; ok {
			k := dns.Key{Name: dns.Canonical(e.DNSName), Type: t}
			l[k] = append(l[k], e)
		}
	}
	return l
}

// get the record set, or the alias in its place.
func (l listing) get(k dns.Key) (dns.RRset, bool) {
	for _, k := range []dns.Key{k, {Name: k.Name, Type: dns.TypeCNAME}} {
		if endpoints, ok := l[k]; ok {
			return toSet(k, endpoints), true
		}
	}
	return dns.RRset{}, false
}

func toSet(k dns.Key, endpoints []endpoint) dns.RRset {
	set := dns.RRset{Name: k.Name, Type: k.Type}
	for _, e := range endpoints {
		set.TTL = uint32(e.RecordTTL)
		for _, target := range e.Targets {
			set.Data = append(set.Data, wire.Data(k, target))
		}
	}
	return set
}
