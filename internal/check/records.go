// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

// servicePrefix makes the name of the service record for a domain (RFC 6120 section 3.2.1).
const servicePrefix = "_xmpp-server._tcp."

// view is how one resolver sees the target. A resolver that fails at the host name is not asked any further.
type view struct {
	server    string
	addresses Addresses
	err       error       // of the addresses
	services  []serviceOf // in the order of the domains
}

// serviceOf is how one resolver sees the service records of one domain.
type serviceOf struct {
	records []SRV
	err     error
}

// ask collects every resolver's view.
func (c *Checker) ask(ctx context.Context, t InboundTarget, p patience) []view {
	views := make([]view, len(t.Resolvers))
	each(len(views), func(i int) {
		v := &views[i]
		v.server = t.Resolvers[i]
		within(ctx, p.lookup, func(ctx context.Context) {
			v.addresses, v.err = c.Resolver.LookupAddresses(ctx, v.server, t.Hostname)
		})
		if v.err != nil {
			return
		}
		v.services = make([]serviceOf, len(t.Domains))
		each(len(t.Domains), func(j int) {
			within(ctx, p.lookup, func(ctx context.Context) {
				s := &v.services[j]
				s.records, s.err = c.Resolver.LookupSRV(ctx, v.server, servicePrefix+t.Domains[j])
			})
		})
	})
	return views
}

// judgeViews compares what the resolvers see with what partners should see. Every resolver that answers has to agree;
// one that does not is noted, and only a question that none answers is a finding.
func judgeViews(t InboundTarget, views []view) (findings []finding, notes []string) {
	answered := make([]bool, len(t.Domains))
	var failures []finding
	for _, v := range views {
		if v.err != nil {
			failures = append(failures, unanswered(v.server, v.err))
			continue
		}
		if f, ok := judgeAddresses(t, v.addresses); !ok {
			f.where = "resolver " + v.server
			findings = append(findings, f)
		}
		for j, s := range v.services {
			if s.err != nil {
				failures = append(failures, unanswered(v.server, s.err))
				continue
			}
			answered[j] = true
			if f, ok := judgeService(t, t.Domains[j], s.records); !ok {
				f.where = "resolver " + v.server
				findings = append(findings, f)
			}
		}
	}
	if slices.Contains(answered, false) {
		return append(findings, failures...), nil
	}
	for _, f := range failures {
		notes = append(notes, f.sentence())
	}
	slices.Sort(notes)
	return findings, slices.Compact(notes)
}

func judgeService(t InboundTarget, domain string, records []SRV) (finding, bool) {
	name := servicePrefix + domain
	want := SRV{Priority: t.Priority, Weight: t.Weight, Port: t.Port, Target: canonical(t.Hostname)}
	publish := fmt.Sprintf("%s. SRV %s", name, want)
	if len(records) == 0 {
		return finding{
			reason: v1alpha1.ReasonSRVMissing,
			what:   "there is no SRV record " + name,
			fix: fmt.Sprintf("The public zone must hold %q; if it does, wait until the resolver forgets that it did not "+
				"(negative TTL of the zone)", publish),
		}, false
	}
	if len(records) == 1 && records[0] == want {
		return finding{}, true
	}
	found := make([]string, len(records))
	for i, r := range records {
		found[i] = phrase.Quote(r.String(), maxRecord)
	}
	slices.Sort(found)
	return finding{
		reason: v1alpha1.ReasonSRVMismatch,
		what:   fmt.Sprintf("the SRV record %s is %s", name, phrase.List(found, maxRecords)),
		fix: fmt.Sprintf("The public zone must hold %q and no other SRV record at that name; if it does, wait until the "+
			"resolver forgets the old one (TTL of the record)", publish),
	}, false
}

func judgeAddresses(t InboundTarget, got Addresses) (finding, bool) {
	host := canonical(t.Hostname)
	want := sortedAddresses(t.Addresses)
	fix := fmt.Sprintf("The public zone must hold A and AAAA records of %s for %s and for nothing else; if it does, wait "+
		"until the resolver forgets the old ones (TTL of the records)", host, phrase.List(texts(want), maxRecords))
	switch {
	case got.Alias != "":
		return finding{
			reason: v1alpha1.ReasonAddressMismatch,
			what: fmt.Sprintf("%s is an alias (CNAME) for %s, which RFC 2782 forbids for the target of an SRV record", host,
				phrase.Quote(got.Alias, maxRecord)),
			fix: fix,
		}, false
	case slices.Equal(sortedAddresses(got.IPs), want):
		return finding{}, true
	case len(got.IPs) == 0:
		return finding{
			reason: v1alpha1.ReasonAddressMismatch, what: host + " has no address", fix: fix,
		}, false
	}
	return finding{
		reason: v1alpha1.ReasonAddressMismatch,
		what:   fmt.Sprintf("%s has the address %s", host, phrase.List(texts(sortedAddresses(got.IPs)), maxRecords)),
		fix:    fix,
	}, false
}

func unanswered(server string, err error) finding {
	return finding{
		reason: v1alpha1.ReasonResolverUnavailable,
		what:   "resolver " + server + " " + phrase.Clean(err.Error(), maxRecord),
		fix: "So nothing is known of public DNS: check spec.verification.resolvers, and that the operator may reach them " +
			"(UDP and TCP)",
	}
}

func noResolvers(err error) finding {
	return finding{
		reason: v1alpha1.ReasonResolverUnavailable,
		what:   "the operator has no resolvers of its own (" + phrase.Clean(err.Error(), maxRecord) + ")",
		fix:    "Name some in spec.verification.resolvers",
	}
}

func texts(addresses []netip.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return list
}
