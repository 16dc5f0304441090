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
		if _, err := b.change(ctx, b.asker, a, set, 0); err != nil {
			return err
		}
		time.Sleep(5 * time.Second) // what follows the change
		return b.count(a, set)
	})
}

func (b *bench) count(a arm, set nameSet) error {
	before, err := b.m.traffic()
	if err != nil {
		return err
	}
	used, err := b.usage(a, set)
	if err != nil {
		return err
	}
	time.Sleep(b.idle)
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
		b.note(idle, a.Name, set, unstatedIdle, max(float64(t.Queries)-statedQueries(set, b.idle), 0))
	}
	b.say("%s, idle: %+v in %s", a.Words, t, b.idle)
	return nil
}

// usage of the process of an arm that looks after a set.
func (b *bench) usage(a arm, set nameSet) (usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return usageOf(b.running[a.Name+set.Zone])
}

// statedQueries are those that the documentation tells of: one for the zone every 3 seconds for each DNSZone, and those of
// one Federation's check every 5 minutes.
func statedQueries(set nameSet, d time.Duration) float64 {
	const perFederation = 16
	zone := d/(3*time.Second) + 2
	return float64(zone) + float64(set.Count)*perFederation*(float64(d)/float64(5*time.Minute)+0.1)
}
