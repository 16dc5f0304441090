// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// serverInterval is how often a zone's name servers are asked for its serial number. It also bounds how often status changes
// on account of a zone that others keep changing.
const serverInterval = time.Minute

// serverTimeout bounds one look at all of them.
const serverTimeout = 5 * time.Second

// SerialReader asks the authoritative servers of a zone which version of it they serve.
type SerialReader interface {
	Serials(ctx context.Context, p dns.Provider, since uint32) (newest uint32, states []v1alpha1.NameServerStatus, err error)
}

// serverLook is when a zone's name servers were looked at last, and the serial number that the primary had then.
type serverLook struct {
	at     time.Time
	serial uint32
	// again tells to look again soon: a server may only have been about to follow.
	again bool
}

// lookAtServers notes how the zone's name servers are, if it is time to. What is wrong with the primary the probe tells.
func (r *DNSZoneReconciler) lookAtServers(ctx context.Context, zone *v1alpha1.DNSZone, known *knownZone) {
	last := known.look
	if !last.again && !clock.Due(last.at, r.Now(), serverInterval) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	note := r.Zones.readingSerial(known.apex)
	newest, states, err := r.Serials.Serials(ctx, known.built.provider, last.serial)
	if err != nil {
		known.look.at, known.look.again = r.Now(), false
		return
	}
	if _, probed := known.built.provider.(versioned); !probed {
		note(newest)
	}
	behind, inStep := false, 0
	for _, s := range states {
		inStepHere := s.State == v1alpha1.NameServerInStep
		if inStepHere {
			inStep++
		}
		behind = behind || s.State == v1alpha1.NameServerBehind || inStepHere && uint32(s.Serial) != newest
	}
	known.look = serverLook{r.Now(), newest, behind && !last.again}
	if behind && !last.again && len(zone.Status.NameServers) > 0 {
		return
	}
	if len(zone.Status.NameServers) > 0 && !slices.EqualFunc(zone.Status.NameServers, states, sameState) {
		r.Zones.withDrift(known.apex, func(d *drift) { d.suspected = true })
	}
	zone.Status.NameServers, zone.Status.InStep = states, fmt.Sprintf("%d/%d", inStep, len(states))
}

// sameState reports whether a name server does as it did before: what has become of one decides what partners find.
func sameState(a, b v1alpha1.NameServerStatus) bool {
	return a.Name == b.Name && a.Address == b.Address && a.State == b.State
}
