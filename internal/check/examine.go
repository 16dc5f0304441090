// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Examine makes all checks of the way in to a domain that can be made from here, side by side, and tells what came of
// each: its records, and the servers that they lead to. The results are in the order of the catalogue. What an earlier
// failure leaves no way to judge is skipped and says so. Partners and Conflict are the other checks.
//
// The context's deadline is for the whole; without one it takes at most 30 s.
func (c *Checker) Examine(ctx context.Context, s Subject) []Result {
	ctx, cancel := limited(ctx)
	defer cancel()
	s.Domain = canonical(s.Domain)
	if len(s.Resolvers) == 0 {
		var err error
		if s.Resolvers, err = SystemResolvers(c.ResolvConf); err != nil {
			failed := noResolvers(err)
			failed.Mark, failed.Fix = Fail, "Name some with --resolver"
			return s.finish(append([]Result{failed}, hidden(failed.ID, "", s.afterRecords()...)...))
		}
	}
	var own, rooms []Result
	var probes []probe
	var wg sync.WaitGroup
	wg.Go(func() { own, probes = c.examineDomain(ctx, s) })
	if s.Partner == "" {
		wg.Go(func() { rooms, _ = c.examineDomain(ctx, s.rooms()) })
	}
	wg.Wait()
	if s.Partner == "" {
		own = append(own, c.foldRooms(ctx, s, own, rooms, probes))
	}
	return s.finish(own)
}

// finish puts the results in order and makes them fit to be shown.
func (s Subject) finish(results []Result) []Result {
	for i := range results {
		if results[i].Domain == "" {
			results[i].Domain = s.Domain
		}
		if results[i].From == "" {
			results[i].From = Here
		}
		results[i] = safe(results[i])
	}
	if s.Partner == "" {
		results = FirstCauses(results, []string{s.Domain})
	}
	return sorted(results)
}

// examineDomain makes the checks of one domain, and gives what its servers did.
func (c *Checker) examineDomain(ctx context.Context, s Subject) ([]Result, []probe) {
	p := share(ctx)
	if s.Route != "" {
		return c.examineRoute(ctx, s, p), nil
	}
	sv := c.survey(ctx, s, s.Resolvers, p)
	results := judgeSurvey(s, sv)
	best, ok := sv.reference(s)
	if !ok || withoutXMPP(best) {
		return results, nil
	}
	places := best.services
	if len(places) == 0 {
		places = []SRV{{Target: s.Domain, Port: defaultPort}}
	}
	probes := c.probeAll(ctx, s, s.endpoints(best, places), p)
	if len(best.services) == 0 && s.Want == nil {
		results = append(results, s.judgeFallback(best, probes)...)
	} else if s.Partner == "" {
		results = append(results, skipped(Fallback, "", "there is a service record, or has to be one"))
	}
	if len(probes) == 0 {
		because := s.id(TargetResolves)
		if len(best.services) == 0 {
			because = s.id(ServiceRecord)
		}
		return append(results, hidden(because, "", s.afterRecords()...)...), nil
	}
	for _, pr := range probes {
		results = append(results, s.judgeProbe(pr, c.Now())...)
	}
	if s.Partner == "" && !s.isRooms {
		results = append(results, c.examineExtras(ctx, s, sv, best, probes, p)...)
	}
	return results, probes
}

// withoutXMPP tells whether the service record says that there is no XMPP.
func withoutXMPP(n source) bool { return len(n.services) == 1 && n.services[0].Target == "" }

// examineExtras makes the checks of what a domain may publish beside its service record.
func (c *Checker) examineExtras(ctx context.Context, s Subject, sv survey, best source, probes []probe, p patience) []Result {
	var direct, dane, posh []Result
	var wg sync.WaitGroup
	wg.Go(func() { direct = c.examineDirect(ctx, s, best, p) })
	wg.Go(func() { dane = c.examineDANE(ctx, s, sv, probes, p) })
	wg.Go(func() { posh = c.examinePOSH(ctx, s, probes, p) })
	wg.Wait()
	return slices.Concat(direct, dane, posh)
}

// examineRoute makes the checks of a partner whose server the spec names.
func (c *Checker) examineRoute(ctx context.Context, s Subject, p patience) []Result {
	host, text, err := net.SplitHostPort(s.Route)
	port, perr := strconv.ParseUint(text, 10, 16)
	var addresses []netip.Addr
	if err == nil && perr == nil {
		addresses, err = c.addressesOf(ctx, s.Resolvers, host, p)
	}
	if err != nil || perr != nil || len(addresses) == 0 {
		failed := Result{
			ID: PartnerRecords, Subject: s.Route, Mark: Fail, Reason: v1alpha1.ReasonPeerDNS,
			Words: "the route leads to no address", Fix: "Correct route in spec.peers",
		}
		return append([]Result{failed}, hidden(PartnerRecords, "", s.afterRecords()...)...)
	}
	var at []endpoint
	for _, a := range addresses {
		at = append(at, endpoint{host, netip.AddrPortFrom(a, uint16(port))})
	}
	results := []Result{passed(PartnerRecords, s.Route, "the route is set in spec.peers")}
	for _, pr := range c.probeAll(ctx, s, at, p) {
		results = append(results, s.judgeProbe(pr, c.Now())...)
	}
	return results
}

// judgeFallback is for a domain without service record: other servers then try its own name (RFC 6120 section 3.2.2).
func (s Subject) judgeFallback(n source, probes []probe) []Result {
	name := servicePrefix + s.Domain
	publish := s.remedy("publish the service record " + name + ". SRV 0 0 5269 HOST., where HOST is the server's name")
	works := slices.ContainsFunc(probes, func(pr probe) bool { return pr.dial == nil && (pr.stream == nil || isStreamError(pr.stream)) })
	missing := Result{
		ID: s.id(ServiceRecord), Mark: Fail, Reason: v1alpha1.ReasonSRVMissing, Words: "there is no service record " + name,
		Fix: publish, Evidence: []string{n.name + ": no SRV record " + name},
	}
	if !works {
		missing.Words += ", and nothing that speaks XMPP at the domain's own name either, so nobody finds its server"
		results := []Result{missing}
		if s.Partner == "" {
			results = append(results, hidden(ServiceRecord, "", Fallback)...)
		}
		return results
	}
	if s.Partner != "" {
		missing.Mark, missing.Words = Warn, missing.Words+", the domain is found by its own name only"
		return []Result{missing}
	}
	return []Result{
		skipped(ServiceRecord, "", "there is no service record; see D06"),
		{
			ID: Fallback, Mark: Warn, Fix: publish,
			Words: "there is no service record " + name + ": the domain is found by its own address and port 5269 only",
		},
	}
}
