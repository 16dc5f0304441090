// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Zones holds the way to write to each DNSZone, shared by all Federations: the DNSZone controller fills it and keeps
// probing, so that a Federation learns about a dead server at once instead of waiting for its timeout.
type Zones struct {
	now func() time.Time

	mu     sync.RWMutex
	byApex map[string]zoneAccess
	// brakes outlive the DNSZones: deleting one and creating it again releases nothing as long as the operator lives.
	brakes map[string]*brake.Brake
	turns  map[string]turns
	// drifts tell when others changed a zone.
	drifts map[string]*drift
	// versions count what became known of a zone: that it can be used or not, and that others changed it.
	versions map[string]int
	// repairs are the record sets that were put back.
	repairs repairs
	// waiting counts those who wait for a turn at any zone.
	waiting atomic.Int64
}

// zoneAccess is a provider, or why there is none that works.
type zoneAccess struct {
	provider dns.Provider
	err      *outcome.Error
}

// NewZones returns an empty Zones.
func NewZones(now func() time.Time) *Zones {
	return &Zones{
		now: now, byApex: map[string]zoneAccess{}, brakes: map[string]*brake.Brake{}, turns: map[string]turns{},
		drifts: map[string]*drift{}, versions: map[string]int{},
	}
}

// Brake of the zone with the given apex.
func (z *Zones) Brake(apex string) *brake.Brake {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.brakes[apex] == nil {
		z.brakes[apex] = brake.New(z.now)
	}
	return z.brakes[apex]
}

// Provider writes to the zone with the given apex, for one Federation. The error is an *outcome.Error that says why it can't; the
// DNSZone controller tells when it can, so that nobody needs to ask again.
func (z *Zones) Provider(apex string, fed *v1alpha1.Federation) (dns.Provider, error) {
	onIt := z.Brake(apex)
	z.mu.RLock()
	defer z.mu.RUnlock()
	access, found := z.byApex[apex]
	switch {
	case !found:
		return nil, outcome.Unlearnt(v1alpha1.ReasonZoneNotProbed,
			"the operator has not asked the servers of zone %s yet, or its DNSZone is gone; "+
				"the platform team has to keep a DNSZone for it as long as records stand there", apex)
	case access.err != nil:
		told := *access.err
		told.After, told.AtMost = 0, 0
		return nil, &told
	}
	others := slices.DeleteFunc(slices.Clone(fed.Status.Zones), func(zone string) bool { return zone == apex })
	writing := counted{access.provider, z, fed.UID, standing(fed, apex), others}
	return onIt.On(writing, client.ObjectKeyFromObject(fed).String()), nil
}

// set notes how a zone is doing, and tells whether that is news.
func (z *Zones) set(apex string, provider dns.Provider, err *outcome.Error) (changed bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	before, found := z.byApex[apex]
	z.byApex[apex] = zoneAccess{provider, err}
	changed = !found || before.provider != provider || textOf(before.err) != textOf(err)
	if changed {
		z.versions[apex]++
	}
	return changed
}

// remove forgets a zone.
func (z *Zones) remove(apex string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.byApex, apex)
	z.versions[apex]++
}

func textOf(err *outcome.Error) string {
	if err == nil {
		return ""
	}
	return err.Reason + ": " + err.Message
}
