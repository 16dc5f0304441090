// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
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
	services  []serviceOf // in the order of the target's entries
}

// serviceOf is how one resolver sees the service records of one entry.
type serviceOf struct {
	records []SRV
	err     error
}

// ask collects every resolver's view.
func (c *Checker) ask(ctx context.Context, t InboundTarget, p patience) []view {
	entries := t.entries()
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
		v.services = make([]serviceOf, len(entries))
		each(len(entries), func(j int) {
			within(ctx, p.lookup, func(ctx context.Context) {
				s := &v.services[j]
				s.records, s.err = c.Resolver.LookupSRV(ctx, v.server, entries[j].prefix+entries[j].domain)
			})
		})
	})
	return views
}

// judgeViews compares what the resolvers see with what partners should see. Every resolver that answers has to agree;
// one that does not is noted, and only a question that none answers is a finding.
func judgeViews(t InboundTarget, views []view) (findings []Result, notes []string) {
	entries := t.entries()
	answered := make([]bool, len(entries))
	var failures []Result
	for _, v := range views {
		if v.err != nil {
			failures = append(failures, unanswered(v.server, v.err))
			continue
		}
		if f, ok := judgeAddresses(t, v.addresses); !ok {
			f.Subject = "resolver " + v.server
			findings = append(findings, f)
		}
		for j, s := range v.services {
			if s.err != nil {
				failures = append(failures, unanswered(v.server, s.err))
				continue
			}
			answered[j] = true
			if f, ok := judgeService(t, entries[j], s.records); !ok {
				f.Subject = "resolver " + v.server
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

func judgeService(t InboundTarget, e entry, records []SRV) (Result, bool) {
	name := e.prefix + e.domain
	want := SRV{Priority: t.Priority, Weight: t.Weight, Port: e.port, Target: canonical(t.Hostname)}
	publish := fmt.Sprintf("%s. SRV %s", name, want)
	if len(records) == 0 {
		return Result{
			ID: ServiceRecord, Mark: Fail, Reason: v1alpha1.ReasonSRVMissing,
			Words: "there is no SRV record " + name,
			Fix: fmt.Sprintf("The public zone must hold %q; if it does, wait until the resolver forgets that it did not "+
				"(negative TTL of the zone)", publish),
		}, false
	}
	if slices.Contains(records, want) && (len(records) == 1 || t.Shared) {
		return Result{}, true
	}
	found := make([]string, len(records))
	for i, r := range records {
		found[i] = phrase.Quote(r.String(), maxRecord)
	}
	slices.Sort(found)
	return Result{
		ID: differing(records, want), Mark: Fail, Reason: v1alpha1.ReasonSRVMismatch,
		Words: fmt.Sprintf("the SRV record %s is %s", name, phrase.List(found, maxRecords)),
		Fix: fmt.Sprintf("The public zone must hold %q and no other SRV record at that name; if it does, wait until the "+
			"resolver forgets the old one (TTL of the record)", publish),
	}, false
}

// differing is the check that a wrong service record fails: that of the port when nothing else is wrong.
func differing(records []SRV, want SRV) ID {
	if len(records) == 1 {
		if want.Port = records[0].Port; records[0] == want {
			return ServicePort
		}
	}
	return ServiceRecord
}

func judgeAddresses(t InboundTarget, got Addresses) (Result, bool) {
	host := canonical(t.Hostname)
	want := sortedAddresses(t.Addresses)
	fix := fmt.Sprintf("The public zone must hold A and AAAA records of %s for %s and for nothing else; if it does, wait "+
		"until the resolver forgets the old ones (TTL of the records)", host, phrase.List(texts(want), maxRecords))
	switch {
	case got.Alias != "":
		return Result{
			ID: TargetResolves, Mark: Fail, Reason: v1alpha1.ReasonAddressMismatch,
			Words: fmt.Sprintf("%s is an alias (CNAME) for %s, which RFC 2782 forbids for the target of an SRV record", host,
				phrase.Quote(got.Alias, maxRecord)),
			Fix: fix,
		}, false
	case slices.Equal(sortedAddresses(got.IPs), want):
		return Result{}, true
	case len(got.IPs) == 0:
		return Result{
			ID: TargetResolves, Mark: Fail, Reason: v1alpha1.ReasonAddressMismatch, Words: host + " has no address", Fix: fix,
		}, false
	}
	return Result{
		ID: PublicAddress, Mark: Fail, Reason: v1alpha1.ReasonAddressMismatch,
		Words: fmt.Sprintf("%s has the address %s", host, phrase.List(texts(sortedAddresses(got.IPs)), maxRecords)),
		Fix:   fix,
	}, false
}

func unanswered(server string, err error) Result {
	if errors.Is(err, errUndisclosed) {
		return Result{
			ID: ServiceRecord, Mark: Fail, Reason: v1alpha1.ReasonResolverUnavailable, Words: "resolver " + server + ": " + err.Error(),
			Fix: "So nothing is known of public DNS: check spec.verification.resolvers; more is told if the platform team names the " +
				"network in the operator's flag --disclosed-networks",
		}
	}
	return Result{
		ID: ServiceRecord, Mark: Fail, Reason: v1alpha1.ReasonResolverUnavailable,
		Words: "resolver " + server + " " + phrase.Clean(err.Error(), maxRecord),
		Fix: "So nothing is known of public DNS: check spec.verification.resolvers, and that the operator may reach them " +
			"(UDP and TCP)",
	}
}

func noResolvers(err error) Result {
	return Result{
		ID: ServiceRecord, Mark: Fail, Reason: v1alpha1.ReasonResolverUnavailable,
		Words: "the operator has no resolvers of its own (" + phrase.Clean(err.Error(), maxRecord) + ")",
		Fix:   "Name some in spec.verification.resolvers",
	}
}

func texts(addresses []netip.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return list
}
