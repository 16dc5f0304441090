// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// settling is how long a change of the DNS may take before the way in is checked without it.
const settling = time.Minute

// checkInbound takes the way that partners take. The check runs aside; until it is over, the verdict before it stands.
func (r *FederationReconciler) checkInbound(_ context.Context, s *scope) (finding, error) {
	if err := s.handedOver(); err != nil {
		return finding{}, err
	}
	target, down := inboundTarget(s), serverDown(s)
	encoded, err := json.Marshal([]any{target, s.serves(), down})
	if err != nil {
		return finding{}, fmt.Errorf("encoding what to check: %w", err)
	}
	inputs, interval := string(encoded), s.fed.Spec.Verification.Interval.Duration
	last := r.verdicts.get(s.fed.UID)
	if last.stale(inputs, interval, r.Now()) && r.worthChecking(s, last) && r.verdicts.begin(s.fed.UID, inputs) {
		r.aside(s.fed, func(ctx context.Context) {
			verdict := r.Inbound.Inbound(ctx, target)
			r.verdicts.end(s.fed.UID, verdict, verdict.Status == metav1.ConditionTrue && !down, inputs, r.Now())
		})
		last = r.verdicts.get(s.fed.UID)
	}
	// What waits for the server is not tried here, and partners don't find it.
	s.wayIn.tried, s.wayIn.running = last.good && !last.stale(inputs, interval, r.Now()) && len(s.withheld) == 0, last.running
	switch {
	case last.inputs == "" && last.running:
		return finding{}, outcome.Unlearnt(v1alpha1.ReasonNotChecked, "the way in is being tried")
	case last.inputs != inputs && last.running:
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked, "the way in is being tried")
	case last.inputs == "" || last.inputs != inputs && s.unwritten():
		return finding{}, outcome.Unlearnt(v1alpha1.ReasonNotChecked, triedLater)
	case last.inputs != inputs:
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked, triedLater)
	}
	return r.judgeInbound(s, last.result, last.left(interval, r.Now()))
}

// triedLater is said while the way in can't be checked as it is by now.
const triedLater = "the way in is tried as soon as the records are published and the server runs; see conditions " +
	v1alpha1.ConditionDNSPublished + " and " + v1alpha1.ConditionServerReady

// judgeInbound says what the newest check means for the spec, wait being how long it is until the next one is due. What is due but can't
// be tried now is tried when what it waits for changes.
func (r *FederationReconciler) judgeInbound(s *scope, verdict check.Verdict, wait time.Duration) (finding, error) {
	if verdict.Status != metav1.ConditionTrue {
		return finding{}, &outcome.Error{
			Reason: verdict.Reason, Message: verdict.Message, After: wait, Unknown: verdict.Status == metav1.ConditionUnknown,
		}
	}
	s.recheck = wait
	if later := s.untriedDomains(); len(later) > 0 {
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked, "%s; %s can be tried when it is published, see condition %s",
			verdict.Message, phrase.List(later, maxListed), v1alpha1.ConditionDNSPublished)
	}
	return finding{reason: verdict.Reason, message: verdict.Message}, nil
}

// worthChecking tells whether a check would say something. The first one waits for the server; later ones tell what partners
// see while it is down. A change of the DNS takes moments to get everywhere, and would look like a fault until then; but
// what goes on being wrong there, maybe with one name server only, must not hide what becomes of the way in. Records that stand and
// can't be changed now are as partners find them.
//
// While the API server does not take what the server should run, partners meet what ran before, and nothing is to be learnt. A certificate
// that could not be stored is another one at each try, and a check of each would have the next try made at once.
func (r *FederationReconciler) worthChecking(s *scope, last checked[check.Verdict]) bool {
	if s.unwritten() {
		return false
	}
	standing := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionInboundReachable)
	known := last.inputs != "" || standing != nil && standing.Status != metav1.ConditionUnknown
	published, ran := s.findings[v1alpha1.ConditionDNSPublished]
	stands := ran && (published.err == nil || published.err.Reason == v1alpha1.ReasonZoneNotReady)
	findable := stands || s.publishedInPart() || known && r.lasting.amiss(s.fed.UID, v1alpha1.ConditionDNSPublished, r.Now()) >= settling
	return findable && (s.serves() || last.inputs != "")
}

// unwritten reports whether the API server did not take what the server should run.
func (s *scope) unwritten() bool {
	server := s.findings[v1alpha1.ConditionServerReady]
	return server.err != nil && server.err.Retry
}

// untriedDomains returns the domains of the spec that the check leaves out, because their records wait for the server.
func (s *scope) untriedDomains() []string {
	return slices.DeleteFunc(desired.AddressableDomains(s.fed), func(domain string) bool {
		return !s.withholds(dns.ServiceXMPPServer, domain)
	})
}

func inboundTarget(s *scope) check.InboundTarget {
	target := check.TargetOf(s.fed, s.addresses)
	target.Assigned = s.assigned
	target.Domains = slices.DeleteFunc(target.Domains, func(domain string) bool { return s.withholds(dns.ServiceXMPPServer, domain) })
	if slices.ContainsFunc(target.Domains, func(domain string) bool { return s.withholds(dns.ServiceXMPPSServer, domain) }) {
		target.DirectPort = 0
	}
	if len(s.fed.Spec.Exposure.LoadBalancer.SourceRanges) > 0 {
		target.Through = s.clusterAddresses
	}
	return target
}
