// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

// judgeSurvey says what the DNS has of the domain, apart from the fallback, which only a connection can judge.
func judgeSurvey(s Subject, sv survey) []Result {
	best, ok := sv.reference(s)
	if !ok {
		return s.unanswered(sv)
	}
	results := s.judgeRecords(best)
	switch {
	case s.Partner != "":
		return results
	case !best.authoritative && slices.ContainsFunc(sv.sources, func(n source) bool { return n.authoritative }):
		return append(s.forgotten(sv, best), slices.DeleteFunc(results, func(r Result) bool { return r.ID == ServiceRecord })...)
	}
	return append(results, s.judgeSameness(sv, best)...)
}

// forgotten is for a domain that no name server of its zone answers for, though a resolver still remembers it.
func (s Subject) forgotten(sv survey, best source) []Result {
	failures := sv.failures()
	return []Result{{
		ID: ServiceRecord, Mark: Fail, Reason: v1alpha1.ReasonResolverUnavailable, Evidence: failures,
		Words: "no name server of the zone answers for " + s.Domain + ", only " + best.name + " still remembers it: " +
			phrase.List(failures, maxRecords),
		Fix: s.remedy("repair the name servers of the zone " + sv.zone.Apex + ", or correct its delegation"),
	}, hidden(ServiceRecord, "", SameEverywhere)[0]}
}

// failures are the sources that are of no use, and why.
func (sv survey) failures() []string {
	var failures []string
	for _, n := range sv.sources {
		if n.err != nil {
			failures = append(failures, n.name+" "+n.err.Error())
		}
	}
	return failures
}

// unanswered is for a domain that no DNS server says anything about.
func (s Subject) unanswered(sv survey) []Result {
	failures := sv.failures()
	id := s.id(ServiceRecord)
	failed := Result{
		ID: id, Mark: Fail, Reason: v1alpha1.ReasonResolverUnavailable, Evidence: failures,
		Words: "no DNS server answers for " + s.Domain + ": " + phrase.List(failures, maxRecords),
		Fix:   "Check that this machine reaches the resolvers by UDP and TCP, or name others with --resolver",
	}
	return append([]Result{failed}, hidden(id, "", s.afterRecords()...)...)
}

// judgeRecords judges service records and the addresses of their targets.
func (s Subject) judgeRecords(n source) []Result {
	id := s.id(ServiceRecord)
	texts := serviceTexts(n.services)
	name := servicePrefix + s.Domain
	switch {
	case len(n.services) == 1 && n.services[0].Target == "":
		denied := Result{
			ID: id, Mark: Fail, Reason: v1alpha1.ReasonSRVMissing,
			Words: "the service record " + name + " says that the domain has no XMPP (target \".\")",
			Fix:   s.remedy(fmt.Sprintf("publish %q instead, with the server's name", name+". SRV 0 0 5269 xmpp."+s.Domain+".")),
		}
		return append([]Result{denied}, hidden(id, "", s.afterRecords()...)...)
	case s.Want != nil:
		return s.judgeWanted(n)
	case len(n.services) == 0:
		return nil // see judgeFallback
	}
	words := "the service record is " + texts[0]
	if len(texts) > 1 {
		words = "the service records are " + phrase.List(texts, maxRecords)
	}
	results := []Result{passed(id, "", words, prefixed(name+". SRV ", texts)...)}
	for _, host := range targetsOf(n.services) {
		results = append(results, s.judgeTarget(n, host))
	}
	return results
}

// judgeWanted compares with what the Federation publishes.
func (s Subject) judgeWanted(n source) []Result {
	evidence := prefixed(servicePrefix+s.Domain+". SRV ", serviceTexts(n.services))
	var results []Result
	service, ok := judgeService(*s.Want, entry{entrance{prefix: servicePrefix, port: s.Want.Port}, s.Domain}, n.services)
	service.Evidence = evidence
	switch {
	case ok:
		results = append(results, passed(ServiceRecord, "", "the service record is "+n.services[0].String(), evidence...),
			passed(ServicePort, "", fmt.Sprintf("the service record names port %d, as spec.exposure.port does", s.Want.Port)))
	case service.ID == ServicePort:
		results = append(results, passed(ServiceRecord, "", "there is a service record", evidence...), service)
	default:
		results = append(append(results, service), hidden(ServiceRecord, "", ServicePort)...)
	}
	host := canonical(s.Want.Hostname)
	found := n.hosts[host]
	lines := prefixed(host+". ", texts(found.IPs))
	address, ok := judgeAddresses(*s.Want, found)
	address.Evidence = lines
	switch {
	case ok:
		at := phrase.List(texts(found.IPs), maxRecords)
		return append(results, passed(TargetResolves, "", host+" has addresses and is no alias", lines...),
			passed(PublicAddress, "", host+" leads to "+at+", the Federation's public address", lines...))
	case address.ID == PublicAddress:
		return append(results, passed(TargetResolves, "", host+" has addresses and is no alias", lines...), address)
	}
	return append(append(results, address), hidden(TargetResolves, "", PublicAddress)...)
}

// judgeTarget judges the target of a service record.
func (s Subject) judgeTarget(n source, host string) Result {
	id := s.id(TargetResolves)
	found := n.hosts[host]
	bad := Result{ID: id, Subject: host, Mark: Fail, Reason: v1alpha1.ReasonAddressMismatch}
	switch _, err := netip.ParseAddr(host); {
	case err == nil:
		bad.Words = "the service record names an address where a host name has to be (RFC 2782)"
		bad.Fix = s.remedy("give the address a name with an A or AAAA record, and let the service record name that")
	case found.Alias != "":
		bad.Words = fmt.Sprintf("it is an alias (CNAME) for %s, which RFC 2782 forbids for the target of a service record", found.Alias)
		bad.Fix = s.remedy("give " + host + " address records of its own, or let the service record name " + found.Alias)
	case len(found.IPs) == 0:
		bad.Words = "the service record names it, but it has no address"
		bad.Fix = s.remedy("publish A or AAAA records of " + host + ", or correct the service record")
	default:
		return passed(id, host, "it has the address "+phrase.List(texts(found.IPs), maxRecords), prefixed(host+". ", texts(found.IPs))...)
	}
	return bad
}

// judgeSameness compares the sources with the one that is taken for right.
func (s Subject) judgeSameness(sv survey, best source) []Result {
	var results []Result
	servers, resolvers := 0, 0
	serials := map[uint32][]string{}
	for _, n := range sv.sources {
		if n.authoritative {
			servers++
		} else {
			resolvers++
		}
		if n.err == nil && n.authoritative {
			serials[n.serial] = append(serials[n.serial], n.name)
		}
		if r, ok := s.compare(n, best); !ok {
			results = append(results, r)
		}
	}
	var evidence []string
	for serial, names := range serials {
		evidence = append(evidence, fmt.Sprintf("serial number %d: %s", serial, strings.Join(names, ", ")))
	}
	slices.Sort(evidence)
	switch {
	case len(results) > 0:
		results[0].Evidence = append(results[0].Evidence, evidence...)
	case servers == 0:
		results = append(results, Result{
			ID: SameEverywhere, Mark: Warn,
			Words: "the authoritative name servers of " + s.Domain + " could not be found, so resolvers alone were asked",
			Fix:   "Name a resolver that answers for SOA and NS records with --resolver", Reason: v1alpha1.ReasonResolverUnavailable,
		})
	case len(serials) > 1:
		results = append(results, Result{
			ID: SameEverywhere, Mark: Warn,
			Words: "the name servers have the zone with different serial numbers, though with the same records of XMPP",
			Fix:   s.remedy("check the zone transfer between them, unless the zone has just changed"), Evidence: evidence,
		})
	default:
		all := count(servers, "name server")
		if resolvers > 0 {
			all += " and " + count(resolvers, "resolver")
		}
		results = append(results, passed(SameEverywhere, "", "the same from "+all, evidence...))
	}
	return results
}

// compare is false with what is wrong with a source.
func (s Subject) compare(n, best source) (Result, bool) {
	r := Result{ID: SameEverywhere, Subject: n.name, Mark: Fail, Reason: v1alpha1.ReasonSRVMismatch}
	switch {
	case n.err != nil && n.authoritative:
		r.Words = "the name server " + n.err.Error() + ", so partners that ask it find nothing"
		r.Fix = s.remedy("repair that name server, or take it out of the NS records of the zone")
		r.Reason = v1alpha1.ReasonResolverUnavailable
		return r, false
	case n.err != nil:
		r.Mark, r.Words = Warn, "it "+n.err.Error()
		r.Fix = "Check that this machine reaches it by UDP and TCP, or name another with --resolver"
		r.Reason = v1alpha1.ReasonResolverUnavailable
		return r, false
	}
	difference := differenceOf(n, best)
	if difference == "" {
		return Result{}, true
	}
	r.Words = difference + " (as " + best.name + " does)"
	r.Fix = s.remedy("have that name server take over the zone as it is now: check NOTIFY and zone transfer")
	if !n.authoritative {
		r.Fix = "Wait until it forgets the old records (their TTL); if it never does, it serves a zone of its own for the name"
	}
	return r, false
}

// differenceOf says what one source has other than the right one; empty when nothing.
func differenceOf(n, best source) string {
	const form = "it answers %s for %s, where %s would be right"
	for _, set := range []struct {
		prefix    string
		got, want []SRV
	}{{servicePrefix, n.services, best.services}, {directPrefix, n.direct, best.direct}} {
		got, want := serviceTexts(set.got), serviceTexts(set.want)
		if !slices.Equal(got, want) {
			return fmt.Sprintf(form, orNothing(got), "SRV "+set.prefix+"...", orNothing(want))
		}
	}
	for _, host := range targetsOf(slices.Concat(best.services, best.direct)) {
		got, ok := n.hosts[host]
		want, known := best.hosts[host]
		if ok && known && (got.Alias != want.Alias || !slices.Equal(got.IPs, want.IPs)) {
			return fmt.Sprintf(form, orNothing(texts(got.IPs)), "the addresses of "+host, orNothing(texts(want.IPs)))
		}
	}
	return ""
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return phrase.List(list, maxRecords)
}

// targetsOf are the hosts of service records in the order in which they are tried.
func targetsOf(records []SRV) []string {
	var hosts []string
	for _, r := range records {
		if r.Target != "" && !slices.Contains(hosts, r.Target) {
			hosts = append(hosts, r.Target)
		}
	}
	return hosts[:min(len(hosts), maxTargets)]
}

func prefixed(prefix string, lines []string) []string {
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = prefix + line
	}
	return list
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
