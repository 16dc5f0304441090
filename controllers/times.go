// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
)

// correctTimes puts right what a clock that was ahead wrote into the status of a Federation, so that every step, and everybody
// else who reads it, finds times that can be true.
func correctTimes(status *v1alpha1.FederationStatus, now time.Time) {
	correctConditions(status.Conditions, now)
	for i := range status.Peers {
		correct(&status.Peers[i].LastTransitionTime, now)
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
	if at != nil {
		at.Time = clock.Past(at.Time, now)
	}
}
