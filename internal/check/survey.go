// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// directPrefix makes the name of the service record for direct TLS (XEP-0368 section 3).
	directPrefix = "_xmpps-server._tcp."
	// defaultNameServerPort is where name servers listen.
	defaultNameServerPort = 53
	// maxNameServers and maxTargets limit what one survey asks.
	maxNameServers = 8
	maxTargets     = 8
)

// source is a DNS server with what it answers about a domain.
type source struct {
	// name for people.
	name    string
	address string
	// authoritative servers are those of the domain's zone; the others are resolvers.
	authoritative bool
	serial        uint32
	// err is why it is of no use.
	err error
	// services and direct are the service records for STARTTLS and for direct TLS.
	services, direct []SRV
	// hosts are the addresses of the targets, where it has them.
	hosts map[string]Addresses
}

// survey is what the DNS has of a domain.
type survey struct {
	zone    Zone
	zoneErr error
	sources []source
	// signed tells whether the service record comes with signatures.
	signed bool
}

// survey asks every authoritative name server and every resolver.
func (c *Checker) survey(ctx context.Context, s Subject, resolvers []string, p patience) survey {
	var sv survey
	sv.zone, sv.zoneErr = firstAnswer(ctx, resolvers, p, func(ctx context.Context, resolver string) (Zone, error) {
		return c.Resolver.LookupZone(ctx, resolver, s.Domain)
	})
	sv.sources = c.nameServers(ctx, resolvers, sv.zone, p)
	for _, resolver := range resolvers {
		known := slices.ContainsFunc(sv.sources, func(n source) bool { return n.address == resolver })
		if !known {
			sv.sources = append(sv.sources, source{name: "resolver " + resolver, address: resolver})
		}
	}
	each(len(sv.sources), func(i int) { c.askServices(ctx, &sv.sources[i], s, sv.zone.Apex, p) })
	hosts := sv.targets(s)
	each(len(sv.sources), func(i int) { c.askHosts(ctx, &sv.sources[i], hosts, sv.zone.Apex, p) })
	c.complete(ctx, sv, resolvers, hosts, p)
	sv.signed, _ = firstAnswer(ctx, resolvers, p, func(ctx context.Context, resolver string) (bool, error) {
		return c.Resolver.IsSigned(ctx, resolver, servicePrefix+s.Domain)
	})
	return sv
}

// nameServers are the authoritative servers of a zone, by IPv4 where they have it: all addresses of one name lead to the
// same server, and not every network has IPv6.
func (c *Checker) nameServers(ctx context.Context, resolvers []string, zone Zone, p patience) []source {
	names := zone.Servers[:min(len(zone.Servers), maxNameServers)]
	found := make([][]source, len(names))
	each(len(names), func(i int) {
		addresses, err := c.addressesOf(ctx, resolvers, names[i], p)
		if err != nil {
			found[i] = []source{{name: names[i], authoritative: true, err: errors.New("has no address")}}
			return
		}
		if addresses[0].Is4() { // sorted
			addresses = slices.DeleteFunc(addresses, netip.Addr.Is6)
		}
		for _, a := range addresses {
			found[i] = append(found[i], source{
				name: names[i] + " (" + a.String() + ")", authoritative: true,
				address: net.JoinHostPort(a.String(), strconv.Itoa(int(c.nameServerPort()))),
			})
		}
	})
	return slices.Concat(found...)
}

func (c *Checker) nameServerPort() uint16 {
	if c.NameServerPort == 0 {
		return defaultNameServerPort
	}
	return c.NameServerPort
}

// askServices asks a source for service records, and an authoritative one for its serial number.
func (c *Checker) askServices(ctx context.Context, n *source, s Subject, apex string, p patience) {
	if n.err != nil {
		return
	}
	var serial, service, direct error
	var wg sync.WaitGroup
	if n.authoritative {
		wg.Go(func() {
			within(ctx, p.lookup, func(ctx context.Context) { n.serial, serial = c.Resolver.LookupSerial(ctx, n.address, apex) })
		})
	}
	wg.Go(func() {
		within(ctx, p.lookup, func(ctx context.Context) {
			n.services, service = c.Resolver.LookupSRV(ctx, n.address, servicePrefix+s.Domain)
		})
	})
	wg.Go(func() {
		within(ctx, p.lookup, func(ctx context.Context) {
			n.direct, direct = c.Resolver.LookupSRV(ctx, n.address, directPrefix+s.Domain)
		})
	})
	wg.Wait()
	for _, err := range []error{serial, service, direct} {
		if err != nil {
			n.err = err
			return
		}
	}
}

// askHosts asks a source for the addresses of the targets. An authoritative one knows those of its own zone only.
func (c *Checker) askHosts(ctx context.Context, n *source, hosts []string, apex string, p patience) {
	if n.err != nil {
		return
	}
	n.hosts = map[string]Addresses{}
	for _, host := range hosts {
		if n.authoritative && apex != "" && host != apex && !strings.HasSuffix(host, "."+apex) {
			continue
		}
		within(ctx, p.lookup, func(ctx context.Context) {
			if found, err := c.Resolver.LookupAddresses(ctx, n.address, host); err == nil {
				n.hosts[host] = found
			}
		})
	}
}

// complete gives authoritative servers the addresses in other zones, which resolvers find.
func (c *Checker) complete(ctx context.Context, sv survey, resolvers, hosts []string, p patience) {
	for _, host := range hosts {
		knows := func(n source) bool { _, ok := n.hosts[host]; return ok }
		if !slices.ContainsFunc(sv.sources, func(n source) bool { return n.authoritative && n.hosts != nil && !knows(n) }) {
			continue
		}
		found, err := firstAnswer(ctx, resolvers, p, func(ctx context.Context, resolver string) (Addresses, error) {
			return c.Resolver.LookupAddresses(ctx, resolver, host)
		})
		for _, n := range sv.sources {
			if err == nil && n.authoritative && n.hosts != nil && !knows(n) {
				n.hosts[host] = found
			}
		}
	}
}

// targets are the hosts that the service records name, or else the domain itself.
func (sv survey) targets(s Subject) []string {
	var hosts []string
	served := false
	for _, n := range sv.sources {
		served = served || len(n.services) > 0
		for _, r := range slices.Concat(n.services, n.direct) {
			if r.Target != "" {
				hosts = append(hosts, r.Target)
			}
		}
	}
	if s.Want != nil {
		hosts = append(hosts, canonical(s.Want.Hostname))
	}
	if !served {
		hosts = append(hosts, s.Domain)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	return hosts[:min(len(hosts), maxTargets)]
}

// answered are the sources that are of use.
func (sv survey) answered() []source {
	var useful []source
	for _, n := range sv.sources {
		if n.err == nil {
			useful = append(useful, n)
		}
	}
	return useful
}

// reference is the source that the others are compared with: one that says what is wanted, else what most of the
// authoritative servers say, or most of all when none of those answers.
func (sv survey) reference(s Subject) (source, bool) {
	useful := sv.answered()
	if len(useful) == 0 {
		return source{}, false
	}
	votes := map[string]int{}
	for _, n := range useful {
		weight := 1
		if n.authoritative {
			weight = len(useful)
		}
		if s.Want != nil && s.Want.isMet(s.Domain, n) {
			weight = len(useful) * len(useful)
		}
		votes[n.content()] += weight
	}
	best := slices.MaxFunc(useful, func(a, b source) int { return votes[a.content()] - votes[b.content()] })
	return best, true
}

// isMet tells whether a source has what the Federation publishes.
func (t InboundTarget) isMet(domain string, n source) bool {
	for _, e := range t.entrances() {
		records := n.services
		if e.direct {
			records = n.direct
		}
		if _, ok := judgeService(t, entry{e, domain}, records); !ok {
			return false
		}
	}
	addresses, known := n.hosts[canonical(t.Hostname)]
	_, ok := judgeAddresses(t, addresses)
	return !known || ok
}

// content is all that a source says of service records and addresses, for comparison.
func (n source) content() string {
	var b strings.Builder
	b.WriteString(strings.Join(serviceTexts(n.services), ", ") + "; " + strings.Join(serviceTexts(n.direct), ", "))
	hosts := make([]string, 0, len(n.hosts))
	for host, found := range n.hosts {
		hosts = append(hosts, host+"="+found.Alias+strings.Join(texts(found.IPs), ","))
	}
	slices.Sort(hosts)
	return b.String() + "; " + strings.Join(hosts, " ")
}

// serviceTexts are service records in presentation form, sorted.
func serviceTexts(records []SRV) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.String()
	}
	slices.Sort(list)
	return list
}
