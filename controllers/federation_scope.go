// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// scope is what one reconcile of one Federation knows. Steps read the facts of those before them and add their own.
type scope struct {
	fed *v1alpha1.Federation
	// before is the Federation as it was read, to find what changed.
	before *v1alpha1.Federation
	// began is when it began.
	began time.Time

	// findings of the steps that ran, by condition type.
	findings map[string]finding
	// lasted is for how long the findings that look again less and less often have been the same, by condition type.
	lasted map[string]time.Duration

	// apexes of the DNSZones that publish the Federation's names, by name.
	apexes map[string]string
	// zones are the apexes that there are DNSZones for.
	zones []string
	// adoptable are the apexes whose DNSZone lets records of others be taken over.
	adoptable map[string]bool
	// keeping is set when the spec is not accepted, so that what is published is only kept up, see keep.
	keeping bool
	// giving are the owners of this cluster that hand names over to the Federation.
	giving []string
	// foreign are records that are wanted and turned out to be another owner's.
	foreign []dns.RRset
	// former is what former hosts still have, by the apex of its zone.
	former map[string][]dns.Unit
	// leftover are records in zones that people write to which are no longer wanted but may still stand.
	leftover []dns.RRset
	// stuckIn is the zone that holds up deletion.
	stuckIn string
	// mounted is the Secret that the server mounts, as it stands in the cluster; empty before it exists.
	mounted corev1.Secret
	// mountedConfig is the ConfigMap that the server mounts, as it stands in the cluster; empty before it exists.
	mountedConfig corev1.ConfigMap
	// cert and key are the pair to serve: the newest good one. Empty: there is none yet.
	cert, key []byte
	// tlsa is what is published of the certificate's key, and why not.
	tlsa tlsaPlan
	// trustedCAs is the bundle of spec.tls.trustedCAs, or what the server has of it while that can't be read for the cause in
	// trustedCAsErr.
	trustedCAs    string
	trustedCAsErr error
	// addresses to publish.
	addresses []netip.Addr
	// assigned are those that the load balancer has given.
	assigned []netip.Addr
	// clusterAddresses of the public Service, to reach it by when source ranges keep the operator out.
	clusterAddresses []netip.Addr
	// withheld are the record sets that wait for the server, publishedAll is set when nothing in the DNS waits for anything.
	withheld     []dns.Key
	publishedAll bool
	// serving is what the server can be asked for.
	serving serving
	// live are the servers in all pods; nil before the step for ServerReady has listed the pods.
	live []liveServer
	// podIP of a server that runs this generation, and the token it knows the operator by; empty before ServerReady.
	podIP, token string
	// wayIn is what the check of the way in says to the question who gets through.
	wayIn wayIn
	// again is when to look again for another cause than a finding; zero: there is none.
	again time.Duration
	// recheck is when to check the way in again, while all is well.
	recheck time.Duration
	// deadline is when what is on its way counts as Failed, from now; zero: there is nothing to wait for.
	deadline time.Duration
}

// finding is what a step says of its condition.
type finding struct {
	// reason and message of success; those of failure are in err.
	reason, message string
	err             *outcome.Error
	// absent is set when the condition does not apply.
	absent bool
	// after is when to look again though the goal is reached; zero: no sooner than usual.
	after time.Duration
}

// scatter is the part of a long wait by which it is longer at most, so that those for whom the same is wrong do not go on looking
// again all at once.
const scatter = 0.2

func newScope(fed *v1alpha1.Federation) *scope {
	return &scope{fed: fed, before: fed.DeepCopy(), findings: map[string]finding{}, former: map[string][]dns.Unit{}}
}

// lookAgain has the Federation looked at again, first after the given delay and then less and less often, on account of something that
// no condition speaks of.
func (s *scope) lookAgain(what string, after time.Duration) {
	s.findings[what] = finding{err: outcome.Waiting(what, after, "%s", what)}
}

// ok tells whether the step for a condition reached its goal in this reconcile.
func (s *scope) ok(condition string) bool {
	f, ran := s.findings[condition]
	return ran && f.err == nil
}

// requeueAfter is when to look again: the soonest that any step asks for, and at the latest when the way in is due to be
// checked, for certificates age by themselves.
func (s *scope) requeueAfter() time.Duration {
	soonest := s.recheck
	resting := s.fed.Spec.Suspend && s.fed.DeletionTimestamp.IsZero()
	if interval := s.fed.Spec.Verification.Interval.Duration; soonest == 0 && !resting {
		soonest = interval
	}
	if !equality.Semantic.DeepEqual(s.before.Status.Conflicts, s.fed.Status.Conflicts) {
		return firstConflict // it may not be accepted any more, or may be again
	}
	for _, after := range []time.Duration{s.tlsa.after, s.again, s.deadline} {
		if after > 0 && (soonest == 0 || after < soonest) {
			soonest = after
		}
	}
	for condition, f := range s.findings {
		after := f.after
		if f.err != nil {
			after = f.err.Again(s.lasted[condition])
		}
		if f.err != nil && after > f.err.After {
			after = wait.Jitter(after, scatter)
		}
		if after > 0 && (soonest == 0 || after < soonest) {
			soonest = after
		}
	}
	return soonest
}
