// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

// AccessTarget is a Federation as partners know it now, which may be another than its spec wants.
type AccessTarget struct {
	// Domains to try, group chat domains included.
	Domains []string
	// Hosts are the names of the Federation's server in the DNS: the present one and former ones. What leads elsewhere leads to
	// somebody else's server.
	Hosts []string
	// Addresses are the Federation's own, and Through those at which the operator reaches it when source ranges close Addresses to it.
	// Without Through, whatever address the DNS has is tried.
	Addresses, Through []netip.Addr
	// Assigned are addresses that the cluster's load balancer has given, which nobody could choose.
	Assigned []netip.Addr
	// Shared is set when other clusters may have service records at the same names.
	Shared bool
	// Direct is set when there are service records for direct TLS.
	Direct bool
	// Resolvers are asked, each as ip:port. Empty: those of /etc/resolv.conf.
	Resolvers []string
}

// Access is what partners get of domains now, on the way that public DNS leads them. Every domain of the target is in one list.
type Access struct {
	// Reached are domains that partners reach, whichever of the resolvers they ask.
	Reached []string
	// Barred are domains that partners don't reach, with the reason why.
	Barred []Barred
	// Unclear are domains of which nothing could be found out, with the reason why.
	Unclear []Barred
}

// Barred is a domain and why partners do not reach it, or why that is not known.
type Barred struct{ Domain, Why string }

// door is an address and port that public DNS leads to.
type door struct {
	address netip.AddrPort
	direct  bool
}

// signpost is where one resolver leads for one domain.
type signpost struct {
	doors []door
	// astray says why there is no door.
	astray string
	// err is set when the resolver did not answer.
	err error
}

// Access follows public DNS for every domain, as a partner does (RFC 6120 section 3.2, XEP-0368), and tries the servers that it leads
// to. Nothing is compared with what the spec wants: one server that opens an encrypted stream for the domain, with a certificate that
// names it, is enough.
func (c *Checker) Access(ctx context.Context, t AccessTarget) Access {
	ctx, cancel := limited(ctx)
	defer cancel()
	patience := share(ctx)
	resolvers := t.Resolvers
	if len(resolvers) == 0 {
		var err error
		if resolvers, err = SystemResolvers(c.ResolvConf); err != nil {
			return unclear(t.Domains, noResolvers(err).Words)
		}
	}
	posts := make([][]signpost, len(t.Domains))
	each(len(posts), func(i int) {
		for _, resolver := range resolvers {
			posts[i] = append(posts[i], c.follow(ctx, t, resolver, t.Domains[i], patience))
		}
	})
	trials := c.tryDoors(ctx, t, posts, patience)
	if ctx.Err() != nil {
		return unclear(t.Domains, interrupted)
	}
	return judgeAccess(t.Domains, resolvers, posts, trials, c.Now())
}

func unclear(domains []string, why string) Access {
	var access Access
	for _, domain := range domains {
		access.Unclear = append(access.Unclear, Barred{domain, why})
	}
	return access
}

// follow finds the doors of a domain by one resolver.
func (c *Checker) follow(ctx context.Context, t AccessTarget, resolver, domain string, p patience) signpost {
	ways := []entrance{{prefix: servicePrefix}}
	if t.Direct {
		ways = append(ways, entrance{prefix: directPrefix, direct: true})
	}
	var all signpost
	for _, way := range ways {
		post := c.followWay(ctx, t, resolver, way, domain, p)
		if post.err != nil {
			return post
		}
		all.doors = append(all.doors, post.doors...)
		all.astray = cmp.Or(all.astray, post.astray)
	}
	return all
}

// followWay finds the doors behind the service records with one prefix.
func (c *Checker) followWay(ctx context.Context, t AccessTarget, resolver string, way entrance, domain string, p patience) (post signpost) {
	var records []SRV
	within(ctx, p.lookup, func(ctx context.Context) {
		records, post.err = c.Resolver.LookupSRV(ctx, resolver, way.prefix+domain)
	})
	if post.err != nil {
		return post
	}
	ours, astray := t.ours(way.prefix+domain, records)
	post.astray = astray
	for _, record := range ours {
		addresses, nowhere, err := c.addressesBehind(ctx, t, resolver, record, p)
		if err != nil {
			return signpost{err: err}
		}
		post.astray = cmp.Or(post.astray, nowhere)
		for _, address := range addresses {
			post.doors = append(post.doors, door{netip.AddrPortFrom(address, record.Port), way.direct})
		}
	}
	return post
}

// ours are the service records that lead to the Federation, or why partners don't get there: records of somebody else's come first, or
// by chance (RFC 2782).
func (t AccessTarget) ours(name string, records []SRV) (ours []SRV, astray string) {
	var others []SRV
	for _, record := range records {
		if slices.ContainsFunc(t.Hosts, func(host string) bool { return canonical(host) == record.Target }) {
			ours = append(ours, record)
		} else {
			others = append(others, record)
		}
	}
	before := func(other SRV) bool {
		return !slices.ContainsFunc(ours, func(own SRV) bool { return own.Priority < other.Priority })
	}
	first := slices.IndexFunc(others, before)
	switch {
	case len(records) == 0:
		return nil, "public DNS has no SRV record " + name
	case first >= 0 && (!t.Shared || len(ours) == 0):
		return nil, fmt.Sprintf("public DNS leads to %s, which is no host of this Federation",
			phrase.Quote(others[first].Target, maxRecord))
	}
	return ours, ""
}

// addressesBehind are the addresses to try for a service record.
func (c *Checker) addressesBehind(
	ctx context.Context, t AccessTarget, resolver string, record SRV, p patience,
) (addresses []netip.Addr, astray string, err error) {
	var found Addresses
	within(ctx, p.lookup, func(ctx context.Context) {
		found, err = c.Resolver.LookupAddresses(ctx, resolver, record.Target)
	})
	switch {
	case err != nil:
		return nil, "", err
	case len(found.IPs) == 0:
		return nil, "public DNS has no address of " + record.Target, nil
	case len(t.Through) == 0:
		return found.IPs, "", nil
	}
	ours := sortedAddresses(t.Addresses)
	if !slices.ContainsFunc(found.IPs, func(a netip.Addr) bool { return slices.Contains(ours, a) }) {
		return nil, "public DNS leads to " + phrase.List(texts(found.IPs), maxRecords) + ", which is no address of this Federation", nil
	}
	return sortedAddresses(t.Through), "", nil
}

// tried is a door tried for a domain.
type tried struct {
	door   door
	domain string
}

// tryDoors opens a stream through every door for every domain that leads to it. Where one fails for the first domain, the others are
// not tried: it would fail for them as well, and slowly.
func (c *Checker) tryDoors(ctx context.Context, t AccessTarget, posts [][]signpost, p patience) map[tried]trial {
	leading := map[door][]string{}
	for i, domain := range t.Domains {
		for _, post := range posts[i] {
			for _, d := range post.doors {
				if !slices.Contains(leading[d], domain) {
					leading[d] = append(leading[d], domain)
				}
			}
		}
	}
	doors := make([]door, 0, len(leading))
	for d := range leading {
		doors = append(doors, d)
	}
	slices.SortFunc(doors, func(a, b door) int { return a.address.Compare(b.address) })
	results := make([][]trial, len(doors))
	each(len(doors), func(i int) {
		hidden := c.hides(doors[i].address.Addr(), t.Through, t.Assigned)
		results[i] = c.tryDoor(ctx, doors[i], leading[doors[i]], hidden, p)
	})
	all := map[tried]trial{}
	for i, d := range doors {
		for _, result := range results[i] {
			all[tried{d, result.domain}] = result
		}
	}
	return all
}

func (c *Checker) tryDoor(ctx context.Context, d door, domains []string, hidden bool, p patience) []trial {
	results := make([]trial, len(domains))
	for i, domain := range domains {
		results[i] = trial{address: d.address, domain: domain, direct: d.direct, hidden: hidden}
	}
	if c.try(ctx, &results[0], p); results[0].failed() {
		for i := range results {
			domain := results[i].domain
			results[i] = results[0]
			results[i].domain = domain
		}
		return results
	}
	each(len(results)-1, func(i int) { c.try(ctx, &results[i+1], p) })
	return results
}

// judgeAccess says what partners get: of each domain, what each resolver that answered leads to.
func judgeAccess(domains, resolvers []string, posts [][]signpost, trials map[tried]trial, now time.Time) Access {
	var access Access
	for i, domain := range domains {
		reached, why, barred := false, "", ""
		for j, post := range posts[i] {
			if post.err != nil {
				why = cmp.Or(why, unanswered(resolvers[j], post.err).Words)
				continue
			}
			open, shut, cause := judgePost(domains, domain, post, trials, now)
			switch {
			case open:
				reached = true
			case shut:
				barred = cmp.Or(barred, cause)
			default:
				why = cmp.Or(why, cause)
			}
		}
		switch {
		case barred != "":
			access.Barred = append(access.Barred, Barred{domain, barred})
		case reached:
			access.Reached = append(access.Reached, domain)
		default:
			access.Unclear = append(access.Unclear, Barred{domain, why})
		}
	}
	return access
}

// judgePost tells whether one of the doors that a resolver leads to is open for a domain, or all are shut. Neither holds where the
// operator's own network has no route to any of them.
func judgePost(domains []string, domain string, post signpost, trials map[tried]trial, now time.Time) (open, shut bool, cause string) {
	for _, d := range post.doors {
		result := trials[tried{d, domain}]
		if isUnroutable(result.dial) {
			cause = cmp.Or(cause, fmt.Sprintf("the operator's network has no route to %s", d.address))
			continue
		}
		failed, ok := judgeSteps(InboundTarget{Domains: domains}, result, now)
		if ok {
			return true, false, ""
		}
		if !shut {
			shut, cause = true, fmt.Sprintf("%s: %s", d.address, failed.Words)
		}
	}
	if len(post.doors) == 0 {
		return false, true, post.astray
	}
	return false, shut, cause
}
