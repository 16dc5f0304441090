// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

// What is counted while nothing happens.
const (
	updatesIdle = "updates while idle"
	// unstatedIdle are queries beyond the check of the zone every 3 seconds and that of each Federation every 5 minutes.
	unstatedIdle = "queries beyond the stated checks"
)

// idleness leaves an arm alone and counts what it does.
func (b *bench) idleness(ctx context.Context, a arm, set nameSet) error {
	return b.turn(ctx, a, set, func() error {
		if _, err := b.change(ctx, a, set, 0); err != nil {
			return err
		}
		if err := rest(ctx, 5*time.Second); err != nil { // what follows the change
			return err
		}
		return b.count(ctx, a, set)
	})
}

func (b *bench) count(ctx context.Context, a arm, set nameSet) error {
	before, err := b.m.traffic()
	if err != nil {
		return err
	}
	used, err := b.usage(a, set)
	if err != nil {
		return err
	}
	if err := rest(ctx, b.idle); err != nil {
		return err
	}
	after, err := b.m.traffic()
	if err != nil {
		return err
	}
	usedThen, err := b.usage(a, set)
	if err != nil {
		return err
	}
	t, minutes := after.minus(before), b.idle.Minutes()
	b.note(idle, a.Name, set, updatesIdle, float64(t.Updates))
	b.note(idle, a.Name, set, "queries a minute", float64(t.Queries)/minutes)
	b.note(idle, a.Name, set, "zone transfers a minute", float64(t.Transfers)/minutes)
	b.note(idle, a.Name, set, "kilobytes of DNS a minute", float64(t.Bytes)/minutes/1000)
	b.note(idle, a.Name, set, "CPU seconds a minute", (usedThen.CPU-used.CPU)/minutes)
	b.note(idle, a.Name, set, "MiB of memory", float64(usedThen.Memory)/(1<<20))
	if a.Name == "X1" {
		b.note(idle, a.Name, set, unstatedIdle, max(float64(t.Queries)-statedQueries(b.Zones, set, b.idle), 0))
	}
	b.say("%s, idle: %+v in %s", a.Words, t, b.idle)
	return nil
}

// statedQueries are those that the documentation tells of: for each zone one every 3 seconds and a look at its name servers
// every minute, and those of each Federation's check every 5 minutes. Federations that were published at once are checked at
// once, so in the shortest time each may be.
func statedQueries(zones int, set nameSet, d time.Duration) float64 {
	const perFederation, perLook = 16, 8
	perZone := d/(3*time.Second) + 2 + perLook*(d/time.Minute+1)
	return float64(zones)*float64(perZone) + float64(set.Count)*perFederation*float64(1+d/(5*time.Minute))
}
