// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// servers are the authoritative servers with their addresses. One without an address is listed with an error.
func (v Verifier) servers(ctx context.Context, p dns.Provider, zone dns.Zone) ([]Server, error) {
	if len(zone.NameServers) == 0 {
		return nil, &dns.Error{
			Reason: v1alpha1.ReasonNotAuthoritative,
			Message: fmt.Sprintf("zone %s has no NS records at its apex, so its authoritative servers are unknown; the administrator of "+
				"the zone adds them", dns.Display(zone.Apex)),
			Permanent: true,
		}
	}
	found := make([][]netip.Addr, len(zone.NameServers))
	var all sync.WaitGroup
	for i, name := range zone.NameServers {
		all.Go(func() { found[i] = v.addresses(ctx, p, zone.Apex, name) })
	}
	all.Wait()
	var servers []Server
	for i, name := range zone.NameServers {
		for _, a := range preferred(found[i]) {
			servers = append(servers, Server{Name: dns.Display(name), Address: a.String()})
		}
		if len(found[i]) == 0 {
			servers = append(servers, Server{Name: dns.Display(name), Err: &dns.Error{
				Reason: v1alpha1.ReasonServerUnavailable,
				Message: fmt.Sprintf("no address was found of name server %s of zone %s; the administrator of the zone corrects the NS "+
					"record, or publishes the server's address where the operator's own resolvers find it",
					dns.Display(name), dns.Display(zone.Apex)),
			}})
		}
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.String(), b.String()) })
	return servers, nil
}

// preferred are the IPv4 addresses if there are any: all addresses of one name lead to one server, and a cluster without
// IPv6 could not reach the others.
func preferred(addresses []netip.Addr) []netip.Addr {
	v4 := slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !a.Is4() })
	if len(v4) > 0 {
		return v4
	}
	return addresses
}

// addresses of a name server: from the primary when the name lies in the zone, else, or when the primary does not know,
// from the first resolver that does.
func (v Verifier) addresses(ctx context.Context, p dns.Provider, apex, name string) []netip.Addr {
	keys := []dns.Key{{Name: name, Type: dns.TypeA}, {Name: name, Type: dns.TypeAAAA}}
	var found []netip.Addr
	if dns.InZone(name, apex) {
		if sets, err := p.Get(ctx, keys...); err == nil {
			found = collect(found, sets)
		}
	}
	for _, resolver := range v.Resolvers {
		if len(found) > 0 {
			break
		}
		for _, k := range keys {
			answer, err := wire.Ask(ctx, wire.Question{Server: resolver, Key: k, Recurse: true, Timeout: v.timeout()})
			if err != nil {
				continue
			}
			if set, ok := wire.Set(answer.Answer, k); ok {
				found = collect(found, []dns.RRset{set})
			}
		}
	}
	return found
}

func collect(found []netip.Addr, sets []dns.RRset) []netip.Addr {
	for _, set := range sets {
		for _, d := range set.Data {
			if a, ok := d.(dns.Address); ok {
				found = append(found, a.Addr)
			}
		}
	}
	return found
}
