// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// A zone in which others write all the time has its Federations look for damage less and less often, from once in firstDriftPause
// down to once in lastDriftPause. In a zone that is changed now and then they look as soon as the probe sees the change.
const (
	firstDriftPause = 15 * time.Second
	lastDriftPause  = 5 * time.Minute
)

// drift tells, by the serial number of a zone, when others changed it, so that the Federations in it have to look whether their
// records still stand.
type drift struct {
	// serial is the one that was read last; known is set once there is one.
	serial uint32
	known  bool
	// done counts the operator's own updates that ended since the serial was read, and open those under way.
	done, open int
	// suspected is set while others changed the zone and the Federations have not been told.
	suspected bool
	// told is when the Federations were told last, and pause how long it takes until they may be told again.
	told  time.Time
	pause time.Duration
}

// begin counts an update of the operator's own, and end says whether it changed the zone, or may have.
func (d *drift) begin() { d.open++ }

func (d *drift) end(applied bool) {
	d.open--
	if applied {
		d.done++
	}
}

// read takes a serial number that was asked for when done stood at doneBefore. As many steps forward as the operator has updates are
// its own. Servers that count otherwise, such as by the time, make every update look like one of others.
func (d *drift) read(serial uint32, doneBefore int) {
	steps := int64(int32(serial - d.serial)) // serial numbers wrap around (RFC 1982 section 3.2)
	if d.known && (steps < 0 || steps > int64(d.done+d.open)) {
		d.suspected = true
	}
	d.serial, d.known = serial, true
	d.done -= min(doneBefore, d.done)
}

// due reports whether to tell the Federations now, and takes it that they are told then.
func (d *drift) due(now time.Time) bool {
	since := now.Sub(d.told)
	if !d.suspected || since >= 0 && since < d.pause { // a clock that was ahead keeps nobody waiting
		return false
	}
	if d.pause == 0 || since < 0 || since >= 2*d.pause {
		d.pause = firstDriftPause
	} else {
		d.pause = min(2*d.pause, lastDriftPause)
	}
	d.suspected, d.told = false, now
	return true
}

// harmed has the Federations told of the next change soon: what others changed were records of theirs.
func (d *drift) harmed() { d.pause = firstDriftPause }

// driftOf returns the drift of a zone. The caller holds z.mu.
func (z *Zones) driftOf(apex string) *drift {
	if z.drifts[apex] == nil {
		z.drifts[apex] = &drift{}
	}
	return z.drifts[apex]
}

// withDrift changes what is known of a zone's drift.
func (z *Zones) withDrift(apex string, change func(*drift)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change(z.driftOf(apex))
}

// readingSerial begins a reading of a zone's serial number. The serial number is handed to the function that it returns.
func (z *Zones) readingSerial(apex string) func(serial uint32) {
	var before int
	z.withDrift(apex, func(d *drift) { before = d.done })
	return func(serial uint32) { z.withDrift(apex, func(d *drift) { d.read(serial, before) }) }
}

// tellOfDrift reports whether the Federations in a zone have to look whether their records still stand.
func (z *Zones) tellOfDrift(apex string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.driftOf(apex).due(z.now()) {
		return false
	}
	z.versions[apex]++
	return true
}

// version of what is known of a zone. While it stays the same, what was found in the zone still holds, as far as anybody knows.
func (z *Zones) version(apex string) int {
	z.mu.RLock()
	defer z.mu.RUnlock()
	return z.versions[apex]
}

// counted is a provider whose changes are known to be the operator's own, on account of one Federation.
type counted struct {
	dns.Provider
	zones *Zones
	fed   types.UID
	// standing are the record sets that the Federation had when it began.
	standing []v1alpha1.RecordStatus
	// otherZones are the other zones in which the Federation may have records.
	otherZones []string
}

// apex is the zone as DNSZones write it.
func (p counted) apex() string { return dns.Display(p.Apex()) }

// Unwrap gives the provider.
func (p counted) Unwrap() dns.Provider { return p.Provider }

// stood returns the record sets that the Federation had in this zone when it began. Where a change is its first in the zone, as
// after a DNSZone was created for a part of another one, names that lie in that other one as well had their records there.
func (p counted) stood(change dns.Change) []v1alpha1.RecordStatus {
	isIndex := func(key dns.Key) bool { _, index := dns.Ownership(key); return index }
	if !slices.ContainsFunc(change.Absent, isIndex) {
		return p.standing
	}
	return slices.DeleteFunc(slices.Clone(p.standing), func(record v1alpha1.RecordStatus) bool {
		_, elsewhere := dns.ZoneFor(record.Name, p.otherZones)
		return elsewhere
	})
}

// Apply counts the change, and notes what it puts back.
func (p counted) Apply(ctx context.Context, change dns.Change) error {
	p.zones.withDrift(p.apex(), (*drift).begin)
	err := p.Provider.Apply(ctx, change)
	failure, _ := dns.AsError(err)
	applied := err == nil || failure != nil && failure.Unsettled
	p.zones.withDrift(p.apex(), func(d *drift) { d.end(applied) })
	if applied {
		p.zones.noteRepairs(p.fed, p.apex(), repaired(change, p.stood(change)))
	}
	return err
}
