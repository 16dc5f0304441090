// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	// defaultPort is where a domain's server is when the DNS names none (RFC 6120 section 3.2.2).
	defaultPort = 5269
	// maxServers is how many addresses of one service are tried.
	maxServers = 4
)

// endpoint is one address of a server.
type endpoint struct {
	// name is the server's as host:port, the host as the DNS or the route has it.
	name    string
	address netip.AddrPort
}

// serversOf finds the servers of a service in the order in which they are to be tried, leaving out our own: an address of
// ours, or of the machine that the check runs on, belongs to no partner.
func (c *Checker) serversOf(ctx context.Context, t ConflictTarget, p patience) ([]endpoint, error) {
	resolvers := t.Resolvers
	if len(resolvers) == 0 {
		var err error
		if resolvers, err = SystemResolvers(c.ResolvConf); err != nil {
			return nil, err
		}
	}
	records, err := c.placesOf(ctx, resolvers, t, p)
	if err != nil {
		return nil, fmt.Errorf("finding servers of %s: %w", t.Service, err)
	}
	var found []endpoint
	for _, record := range records {
		var addresses []netip.Addr
		if addresses, err = c.addressesOf(ctx, resolvers, record.Target, p); err != nil {
			continue // another server may do
		}
		for _, address := range addresses {
			if !t.isOurs(address) {
				at := phrase.Clean(net.JoinHostPort(record.Target, strconv.Itoa(int(record.Port))), maxRecord)
				found = append(found, endpoint{at, netip.AddrPortFrom(address, record.Port)})
			}
		}
	}
	if len(found) > 0 {
		return found[:min(len(found), maxServers)], nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding servers of %s: %w", t.Service, err)
	}
	return nil, nil
}

// placesOf are the hosts and ports of a service: its route, or else its service records (RFC 6120 section 3.2.1), or else
// its name (section 3.2.2). What RFC 2782 leaves to chance is ordered, so that the same server is asked each time.
func (c *Checker) placesOf(ctx context.Context, resolvers []string, t ConflictTarget, p patience) ([]SRV, error) {
	if t.Route != "" {
		host, port, err := net.SplitHostPort(t.Route)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(port, 10, 16)
		return []SRV{{Target: host, Port: uint16(number)}}, err
	}
	records, err := firstAnswer(ctx, resolvers, p, func(ctx context.Context, resolver string) ([]SRV, error) {
		return c.Resolver.LookupSRV(ctx, resolver, servicePrefix+t.Service)
	})
	switch {
	case err != nil:
		return nil, err
	case len(records) == 0:
		return []SRV{{Target: t.Service, Port: defaultPort}}, nil
	case len(records) == 1 && records[0].Target == "":
		return nil, errors.New("its service record says that it has none")
	}
	slices.SortFunc(records, func(a, b SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.Port, b.Port))
	})
	return records[:min(len(records), maxServers)], nil
}

// addressesOf are the addresses of a host, which may be an address itself.
func (c *Checker) addressesOf(ctx context.Context, resolvers []string, host string, p patience) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address.Unmap()}, nil
	}
	found, err := firstAnswer(ctx, resolvers, p, func(ctx context.Context, resolver string) (Addresses, error) {
		return c.Resolver.LookupAddresses(ctx, resolver, host)
	})
	if err == nil && len(found.IPs) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	return found.IPs, err
}

// firstAnswer asks the resolvers one after the other until one answers.
func firstAnswer[T any](
	ctx context.Context, resolvers []string, p patience, ask func(context.Context, string) (T, error),
) (answer T, err error) {
	for _, resolver := range resolvers {
		within(ctx, p.lookup, func(ctx context.Context) { answer, err = ask(ctx, resolver) })
		if err == nil {
			return answer, nil
		}
		err = fmt.Errorf("resolver %s %w", resolver, err)
	}
	return answer, err
}

// isOurs tells whether nothing of a partner's can be at the address.
func (t ConflictTarget) isOurs(address netip.Addr) bool {
	return slices.Contains(sortedAddresses(t.Ours), address) || address.IsLoopback() || address.IsUnspecified() ||
		address.IsLinkLocalUnicast() || address.IsMulticast()
}
