// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/patrol"
)

// PeerWatcher tries the partners of Federations again and again; *patrol.Patrol is the real one.
type PeerWatcher interface {
	// Watch gives orders for a Federation and returns what is known of the partners, by domain.
	Watch(federation types.NamespacedName, orders patrol.Orders) map[string]check.PeerVerdict
	// Pause starts nothing more until the next orders.
	Pause(federation types.NamespacedName)
	// Known returns what is known without giving orders.
	Known(federation types.NamespacedName) map[string]check.PeerVerdict
	// Forget ends the watch.
	Forget(federation types.NamespacedName)
}

// checkPeers watches the partners. They are tried aside; what this step says is what is known by now.
func (r *FederationReconciler) checkPeers(_ context.Context, s *scope) (finding, error) {
	key := client.ObjectKeyFromObject(s.fed)
	targets := peerTargets(s.fed)
	var known map[string]check.PeerVerdict
	switch {
	case len(targets) == 0:
		r.Peers.Forget(key)
	case s.serves() && wayInKnown(s, r.Now()):
		known = r.Peers.Watch(key, patrol.Orders{
			Interval: s.fed.Spec.Verification.Interval.Duration, Post: post(s), Targets: targets,
		})
	default: // what was known stays
		r.Peers.Pause(key)
		known = r.Peers.Known(key)
	}
	s.fed.Status.Peers = peerStatuses(s.fed, known, r.Now())
	r.noteDelays(s)
	found := judgePeers(s.fed)
	if !found.absent && serverDown(s) {
		s.fed.Status.PeersReachable = ""
		return finding{err: outcome.Unknown(v1alpha1.ReasonNotChecked,
			"there is no server to try partners from: no pod of the server is ready, see condition %s; "+
				"status.peers has what was found before",
			v1alpha1.ConditionServerReady)}, nil
	}
	return found, nil
}

// maxWayIn is how long partners wait for the way in to work before they are tried all the same.
const maxWayIn = time.Minute

// wayInKnown tells whether trying partners makes sense: many answer on a stream of their own, and as long as our address
// is not public yet a partner that is tried would be blamed for it.
func wayInKnown(s *scope, now time.Time) bool {
	if s.ok(v1alpha1.ConditionInboundReachable) {
		return true
	}
	was := meta.FindStatusCondition(s.fed.Status.Conditions, v1alpha1.ConditionInboundReachable)
	return was != nil && clock.Left(was.LastTransitionTime.Time, now, maxWayIn) == 0
}

// post is where the partners are tried from.
func post(s *scope) patrol.Post {
	from := patrol.Post{
		PodIP: s.podIP, Token: s.token, From: string(s.fed.Spec.Domains[0]),
		Domains: desired.AddressableDomains(s.fed), Addresses: s.addresses,
	}
	for _, resolver := range s.fed.Spec.Verification.Resolvers {
		from.Resolvers = append(from.Resolvers, string(resolver))
	}
	return from
}

// peerTargets are the partners to try: those that our own policy lets in, and the services to ask about our domains.
func peerTargets(fed *v1alpha1.Federation) []patrol.Target {
	var targets []patrol.Target
	listed := map[string]bool{}
	for _, peer := range fed.Spec.Peers {
		if peer.Access == v1alpha1.PeerAccessDeny {
			continue
		}
		listed[string(peer.Domain)] = true
		target := patrol.Target{Domain: string(peer.Domain), Policy: peer.Policy(fed.Spec.PeerDefaults)}
		if peer.Route != nil {
			target.Route = net.JoinHostPort(peer.Route.Host, strconv.Itoa(int(peer.Route.Port)))
		}
		targets = append(targets, target)
	}
	for _, service := range fed.Spec.Verification.HostedServices {
		if !listed[string(service)] {
			targets = append(targets, patrol.Target{Domain: string(service), HostingOnly: true})
		}
	}
	return targets
}

// peerStatuses are the entries of status.peers that follow from what is known. An entry whose meaning is the same stays
// as it is; one of which nothing is known yet keeps what it said before of the same policy, so that a restart of the
// operator shows nowhere.
func peerStatuses(fed *v1alpha1.Federation, known map[string]check.PeerVerdict, now time.Time) []v1alpha1.PeerStatus {
	before := map[string]v1alpha1.PeerStatus{}
	for _, status := range fed.Status.Peers {
		before[status.Domain] = status
	}
	var statuses []v1alpha1.PeerStatus
	for _, peer := range fed.Spec.Peers {
		domain, policy := string(peer.Domain), peer.Policy(fed.Spec.PeerDefaults)
		status := v1alpha1.PeerStatus{Domain: domain, Reachable: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotChecked}
		was, found := before[domain]
		verdict, tried := known[domain]
		switch {
		case policy.Access == v1alpha1.PeerAccessDeny && verdict.Status != metav1.ConditionFalse: // else it hosts a domain of ours
			status.Reason = v1alpha1.ReasonPeerDenied
		case tried:
			status = statusOf(domain, verdict)
		case found && was.Policy != nil && *was.Policy == policy:
			status = was
		}
		status.Policy = &policy
		statuses = append(statuses, settle(was, status, now))
	}
	for _, service := range fed.Spec.Verification.HostedServices {
		domain := string(service)
		listed := slices.ContainsFunc(fed.Spec.Peers, func(peer v1alpha1.Peer) bool { return peer.Domain == service })
		verdict, tried := known[domain]
		was, found := before[domain]
		switch {
		case listed:
		case tried && verdict.Status == metav1.ConditionFalse:
			statuses = append(statuses, settle(was, statusOf(domain, verdict), now))
		case !tried && found && was.Policy == nil:
			statuses = append(statuses, was)
		}
	}
	return statuses
}

func statusOf(domain string, verdict check.PeerVerdict) v1alpha1.PeerStatus {
	status := v1alpha1.PeerStatus{
		Domain: domain, Reachable: verdict.Status, Reason: verdict.Reason, Message: verdict.Message,
		Encrypted: verdict.Encrypted, Authentication: verdict.Authentication,
	}
	if verdict.Status == metav1.ConditionTrue {
		status.Message = "" // nothing is wrong
	}
	if verdict.RoundTrip > 0 {
		status.RoundTrip = &metav1.Duration{Duration: verdict.RoundTrip.Round(time.Millisecond)}
	}
	return status
}

// settle keeps of the entry before what has no meaning of its own: when it came to be, and how long the answer took then.
func settle(was, status v1alpha1.PeerStatus, now time.Time) v1alpha1.PeerStatus {
	if was.Reachable != status.Reachable || was.Reason != status.Reason {
		status.LastTransitionTime = metav1.NewTime(now)
		return status
	}
	status.LastTransitionTime, status.RoundTrip = was.LastTransitionTime, was.RoundTrip
	return status
}

// maxUnreachable is how many further partners the condition's message names.
const maxUnreachable = 5

// judgePeers sums up status.peers.
func judgePeers(fed *v1alpha1.Federation) finding {
	var partners, reachable, unknown int
	var failing []v1alpha1.PeerStatus
	for _, status := range fed.Status.Peers {
		if status.Reason == v1alpha1.ReasonPeerDenied {
			continue
		}
		if status.Policy != nil { // else a service that is no partner
			partners++
		}
		switch status.Reachable {
		case metav1.ConditionTrue:
			reachable++
		case metav1.ConditionFalse:
			failing = append(failing, status)
		default:
			unknown++
		}
	}
	if fed.Status.PeersReachable = ""; partners > 0 {
		fed.Status.PeersReachable = fmt.Sprintf("%d/%d", reachable, partners)
	}
	switch {
	case len(failing) > 0:
		return finding{err: outcome.Waiting(failing[0].Reason, 0, "%s", unreachable(failing))}
	case unknown > 0:
		return finding{err: outcome.Unlearnt(v1alpha1.ReasonNotChecked,
			"partners are being tried, or will be once the server runs and can be reached; see the conditions %s and %s",
			v1alpha1.ConditionServerReady, v1alpha1.ConditionInboundReachable)}
	}
	return finding{reason: v1alpha1.ReasonPeersReachable, message: "every partner answers", absent: partners == 0}
}

// unreachable tells of the first partner that does not answer, and names the others.
func unreachable(failing []v1alpha1.PeerStatus) string {
	if len(failing) == 1 {
		return failing[0].Message
	}
	others := make([]string, 0, len(failing)-1)
	for _, status := range failing[1:] {
		others = append(others, status.Domain)
	}
	return fmt.Sprintf("%s; also %s, see status.peers", failing[0].Message, phrase.List(others, maxUnreachable))
}
