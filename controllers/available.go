// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// wayIn is what the strict check of the way in, which compares with the spec, says to the question who gets through.
type wayIn struct {
	// tried is set when everything is there as the spec wants it, so that nobody is kept out.
	tried bool
	// running is set while the next check is under way.
	running bool
}

// fromTheWire are the reasons of Available that a check has led to, rather than that it could not be made.
var fromTheWire = []string{v1alpha1.ReasonReachable, v1alpha1.ReasonPartlyReachable, v1alpha1.ReasonUnreachable}

// seeAvailable finds out whether partners and users can talk now. It depends on no other step: what is missing for the spec, or can't be
// changed now, need not keep anybody out. The check runs aside; until it is over, what stands was seen from the wire, and goes on
// standing.
func (r *FederationReconciler) seeAvailable(_ context.Context, s *scope) (finding, error) {
	domains := desired.AddressableDomains(s.fed)
	if err := s.handedOver(); err != nil {
		return finding{}, err
	}
	if s.wayIn.tried {
		r.access.note(s.fed.UID, check.Access{Reached: domains})
		return reachable(domains), nil
	}
	standing := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionAvailable)
	seen := standing != nil && slices.Contains(fromTheWire, standing.Reason)
	last := r.access.get(s.fed.UID)
	findable := findableDomains(s, domains, last.result, seen)
	if len(findable) == 0 {
		return finding{}, &outcome.Error{Reason: v1alpha1.ReasonNotPublished, Message: "partners don't find " +
			phrase.List(domains, maxListed) + ", because no service record of this Federation has been published yet; see condition " +
			s.unpublishedBy()}
	}
	target := accessTarget(s, findable)
	down := serverDown(s)
	encoded, err := json.Marshal([]any{target, s.serves(), down})
	if err != nil {
		return finding{}, fmt.Errorf("encoding what to try: %w", err)
	}
	inputs, interval := string(encoded), s.fed.Spec.Verification.Interval.Duration
	if last.stale(inputs, interval, r.Now()) && !s.wayIn.running && r.access.begin(s.fed.UID, inputs) {
		r.aside(s.fed, func(ctx context.Context) {
			access := r.Inbound.Access(ctx, target)
			r.access.end(s.fed.UID, access, len(access.Reached) == len(target.Domains) && !down, inputs, r.Now())
		})
		last = r.access.get(s.fed.UID)
	}
	switch {
	case last.inputs == "" && seen:
		return finding{}, outcome.Unlearnt(v1alpha1.ReasonNotChecked, "the way that partners take is being tried")
	case last.inputs == "":
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked, "the way that partners take is being tried")
	}
	found := judgeAvailable(domains, findable, last.result, down)
	if found.after = last.left(interval, r.Now()); found.err != nil {
		found.err.After = found.after
	}
	return found, nil
}

// handedOver is the outcome of every question about the way in after a transfer: it leads to the servers of the other owner.
func (s *scope) handedOver() error {
	if f := s.findings[v1alpha1.ConditionDNSPublished]; f.err == nil || f.err.Reason != v1alpha1.ReasonTransferred {
		return nil
	}
	return outcome.Unknown(v1alpha1.ReasonTransferred,
		"the names belong to the owner that spec.dns.transferTo names, whose Federation tells whether partners reach them")
}

// unpublishedBy is the condition that says why nothing is published.
func (s *scope) unpublishedBy() string {
	if f := s.findings[v1alpha1.ConditionAccepted]; f.err != nil {
		return v1alpha1.ConditionAccepted
	}
	return v1alpha1.ConditionDNSPublished
}

func reachable(domains []string) finding {
	return finding{
		reason:  v1alpha1.ReasonReachable,
		message: "partners reach " + phrase.List(domains, maxListed) + ": checked from public DNS",
	}
}

// findableDomains are those that public DNS leads to, as far as the operator knows: it has published them, or looked them up before.
// The others are not looked up, for resolvers would remember for hours that they are not there. After a restart nothing is known but
// whether some were looked up, which seen says.
func findableDomains(s *scope, domains []string, last check.Access, seen bool) []string {
	known := slices.Clone(last.Reached)
	for _, barred := range slices.Concat(last.Barred, last.Unclear) {
		known = append(known, barred.Domain)
	}
	seen = seen && len(known) == 0
	published := func(domain string) bool {
		name := dns.Display(dns.SRVRecord(dns.ServiceXMPPServer, domain, 0).Name)
		return slices.ContainsFunc(s.fed.Status.Records, func(record v1alpha1.RecordStatus) bool {
			return record.Name == name && record.State == v1alpha1.RecordPublished
		})
	}
	return slices.DeleteFunc(slices.Clone(domains), func(domain string) bool {
		return !seen && !slices.Contains(known, domain) && !published(domain)
	})
}

// accessTarget is the Federation as partners know it: by the names and addresses that it has or had, of which the spec's need not be
// published yet.
func accessTarget(s *scope, domains []string) check.AccessTarget {
	want := check.TargetOf(s.fed, s.addresses)
	target := check.AccessTarget{
		Domains: domains, Hosts: []string{want.Hostname}, Shared: want.Shared, Direct: want.DirectPort != 0, Resolvers: want.Resolvers,
		Addresses: slices.Concat(s.addresses, parseAddresses(s.before.Status.Addresses)), Assigned: s.assigned,
	}
	for _, status := range []v1alpha1.FederationStatus{s.before.Status, s.fed.Status} {
		target.Hosts = append(target.Hosts, status.Hostname)
		for _, former := range status.FormerHosts {
			target.Hosts = append(target.Hosts, former.Hostname)
		}
	}
	target.Hosts = slices.DeleteFunc(target.Hosts, func(host string) bool { return host == "" })
	slices.Sort(target.Hosts)
	target.Hosts = slices.Compact(target.Hosts)
	if len(s.fed.Spec.Exposure.LoadBalancer.SourceRanges) > 0 {
		target.Through = s.clusterAddresses
	}
	return target
}

// serverDown reports whether Kubernetes says that no pod of the server is ready, which was looked at in this turn. What answers then is
// about to end, so that it is soon asked again.
func serverDown(s *scope) bool {
	f, looked := s.findings[v1alpha1.ConditionServerReady]
	return looked && f.err != nil && s.fed.Status.Server != nil && s.fed.Status.Server.ReadyReplicas == 0
}

// judgeAvailable says what partners get: of every domain that can be found, whether it was reached. What is not known is no pass, and with
// a server that is down it is a failure. A domain that was never published, or not tried yet, keeps out nobody who got through before, so
// that no edit of the spec alone is an outage.
func judgeAvailable(domains, findable []string, access check.Access, down bool) finding {
	var seen sight
	for _, domain := range domains {
		is := func(b check.Barred) bool { return b.Domain == domain }
		shut, vague := slices.IndexFunc(access.Barred, is), slices.IndexFunc(access.Unclear, is)
		switch {
		case !slices.Contains(findable, domain):
			seen.unpublished = append(seen.unpublished, domain)
		case shut >= 0:
			seen.barred.add(domain, access.Barred[shut].Why)
		case slices.Contains(access.Reached, domain):
			seen.reached = append(seen.reached, domain)
		case down:
			seen.barred.add(domain, "no pod of the server is ready, see condition "+v1alpha1.ConditionServerReady)
		case vague >= 0:
			seen.unclear.add(domain, access.Unclear[vague].Why)
		default:
			seen.untried = append(seen.untried, domain)
		}
	}
	return seen.conclude()
}

// sight is what was seen of the domains of a Federation.
type sight struct {
	reached, unpublished, untried []string
	barred, unclear               affected
}

// affected are domains for which something is the cause, each cause once.
type affected struct{ domains, causes []string }

func (a *affected) add(domain, cause string) {
	a.domains = append(a.domains, domain)
	if !slices.Contains(a.causes, cause) {
		a.causes = append(a.causes, cause)
	}
}

// maxWhy is how many different causes a message tells.
const maxWhy = 2

// String is the domains and their causes, as a part of a message.
func (a *affected) String() string {
	return phrase.List(a.domains, maxListed) + ": " + strings.Join(a.causes[:min(len(a.causes), maxWhy)], "; ")
}

func (s *sight) conclude() finding {
	rest := ""
	if len(s.untried) > 0 {
		rest = "; " + phrase.List(s.untried, maxListed) + ": the way that partners take is being tried"
	}
	if len(s.unpublished) > 0 {
		rest += "; not published yet: " + phrase.List(s.unpublished, maxListed) + ", see condition " + v1alpha1.ConditionDNSPublished
	}
	but := rest
	if len(s.reached) > 0 {
		but = "; they reach " + phrase.List(s.reached, maxListed) + ": checked from public DNS" + rest
	}
	switch {
	case len(s.barred.domains) > 0:
		reason := v1alpha1.ReasonPartlyReachable
		if len(s.reached)+len(s.unclear.domains) == 0 {
			reason = v1alpha1.ReasonUnreachable
		}
		if len(s.unclear.domains) > 0 {
			but = "; nothing is known about " + phrase.List(s.unclear.domains, maxListed) + but
		}
		return finding{err: &outcome.Error{Reason: reason, Message: phrase.Message("partners don't reach " + s.barred.String() + but)}}
	case len(s.unclear.domains) > 0:
		return finding{err: outcome.Unknown(v1alpha1.ReasonNotChecked, "%s",
			phrase.Message("nothing is known about "+s.unclear.String()+but))}
	case len(s.reached) == 0:
		return finding{err: outcome.Unknown(v1alpha1.ReasonNotChecked, "%s",
			phrase.Message("the way that partners take is being tried: "+phrase.List(s.untried, maxListed)))}
	}
	found := reachable(s.reached)
	found.message = phrase.Message(found.message + rest)
	return found
}
