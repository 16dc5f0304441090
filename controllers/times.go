// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
)

// maxTTL is the greatest that spec.dns.ttl may be, in seconds.
const maxTTL = 86400

// correctStatus puts right what can't be true in the status of a Federation, so that every step, and everybody else who reads it, finds
// what can be: somebody may have written it by hand, or with a clock that was wrong. What only others can tell, such as whose a name
// is, the steps find out.
func correctStatus(fed *v1alpha1.Federation, now time.Time) {
	correctTTLs(&fed.Status)
	correctTimes(&fed.Status, now)
	if fed.DeletionTimestamp.IsZero() {
		fed.Status.ServiceRecordsWithdrawn = nil // deletion withdraws them, and would not if it had been done
	}
}

// correctTTLs bounds all TTLs by those that a spec may have, so that nobody waits longer than for one.
func correctTTLs(status *v1alpha1.FederationStatus) {
	bound := func(ttl *int32) { *ttl = max(0, min(*ttl, maxTTL)) }
	for i := range status.Records {
		bound(&status.Records[i].TTL)
	}
	for i := range status.FormerHosts {
		bound(&status.FormerHosts[i].TTL)
	}
	for i := range status.FormerDomains {
		bound(&status.FormerDomains[i].TTL)
	}
	for i := range status.FormerPorts {
		bound(&status.FormerPorts[i].TTL)
	}
}

// correctTimes puts right what a clock that was ahead wrote into the status of a Federation.
func correctTimes(status *v1alpha1.FederationStatus, now time.Time) {
	correctConditions(status.Conditions, now)
	for i := range status.Peers {
		correct(&status.Peers[i].LastTransitionTime, now)
		correct(status.Peers[i].DelayedSince, now)
	}
	correct(status.ServiceRecordsWithdrawn, now)
	if status.TLSA != nil {
		correct(status.TLSA.NextKeyPublished, now)
	}
	for _, former := range status.FormerHosts {
		correctEnd(former.Until, former.TTL, now)
	}
	for _, former := range status.FormerDomains {
		correctEnd(former.Until, former.TTL, now)
	}
	for _, former := range status.FormerPorts {
		correctEnd(former.Until, former.TTL, now)
	}
}

// correctEnd corrects the end of a wait for resolvers, which is at most a TTL away; nil: the wait has not begun.
func correctEnd(until *metav1.Time, ttl int32, now time.Time) {
	if until != nil {
		until.Time = clock.Until(until.Time, now, time.Duration(ttl)*time.Second)
	}
}

// correctZoneTimes is correctTimes for a DNSZone. Its losses are corrected by the brake, which counts by them.
func correctZoneTimes(status *v1alpha1.DNSZoneStatus, now time.Time) {
	correctConditions(status.Conditions, now)
}

func correctConditions(conditions []metav1.Condition, now time.Time) {
	for i := range conditions {
		correct(&conditions[i].LastTransitionTime, now)
	}
}

// correct a time at which something happened; nil: it did not.
func correct(at *metav1.Time, now time.Time) {
	switch {
	case at == nil:
	case at.IsZero(): // it could not be read
		at.Time = clock.Stamp(now)
	default:
		at.Time = clock.Past(at.Time, now)
	}
}
