// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
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
	newest, states, err := r.Serials.Serials(ctx, known.built.provider, last.serial)
	if err != nil {
		return
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
	zone.Status.NameServers, zone.Status.InStep = states, fmt.Sprintf("%d/%d", inStep, len(states))
}
