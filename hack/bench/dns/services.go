// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	miekg "github.com/miekg/dns"
)

// What is counted after changes of ports and after deletion.
const (
	staleRecords = "names that still have the old service record"
	recordsLeft  = "address and service records left"
	markersLeft  = "ownership records left"
)

const (
	otherPort = 15269
	// shortTTL of the names that are deleted: xmppfed takes addresses away when service records are forgotten.
	shortTTL = 5
	// afterwards is how long to wait for what may still be cleaned up: several cycles of ExternalDNS.
	afterwards = 10 * time.Second
)

// measureServices changes ports, then deletes, and looks what is left. Nothing is timed.
func (b *bench) measureServices(ctx context.Context, a arm) error {
	set := b.serviceSet(a.letter())
	if err := b.burst(ctx, a, set, ""); err != nil {
		return fmt.Errorf("preparing services, %s: %w", a.Name, err)
	}
	if err := b.turn(ctx, a, set, func() error { return b.ports(ctx, a, set) }); err != nil {
		return fmt.Errorf("ports, %s: %w", a.Name, err)
	}
	if err := b.turn(ctx, a, set, func() error { return b.deletions(ctx, a, set) }); err != nil {
		return fmt.Errorf("deletion, %s: %w", a.Name, err)
	}
	return nil
}

func (b *bench) ports(ctx context.Context, a arm, set nameSet) error {
	for i := range set.Count {
		wanted := fmt.Sprintf("0 0 %d %s.", otherPort, set.host(i))
		if err := a.tool.setPort(ctx, set, i, otherPort); err != nil {
			return err
		}
		_, err := wait(ctx, patience(set.Count), set.service(i), miekg.TypeSRV, func(d []string) bool { return slices.Contains(d, wanted) })
		if err != nil {
			return err
		}
	}
	if err := rest(ctx, afterwards); err != nil {
		return err
	}
	asker, err := newAsker()
	if err != nil {
		return err
	}
	defer asker.conn.Close()
	stale := 0
	for i := range set.Count {
		data, err := asker.ask(set.service(i), miekg.TypeSRV)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(data, func(d string) bool { return strings.HasPrefix(d, fmt.Sprintf("0 0 %d ", standardPort)) }) {
			stale++
		}
	}
	b.note(port, a.Name, set, staleRecords, float64(stale))
	b.say("%s: of %d names with a new port, %d still have the old service record", a.Words, set.Count, stale)
	return nil
}

func (b *bench) deletions(ctx context.Context, a arm, set nameSet) error {
	if err := inParallel(set.Count, func(i int) error { return a.tool.remove(ctx, set, i) }); err != nil {
		return err
	}
	for i := range set.Count {
		none := func(d []string) bool { return len(d) == 0 }
		if _, err := wait(ctx, patience(set.Count), set.host(i), miekg.TypeA, none); err != nil {
			return err
		}
	}
	if err := rest(ctx, afterwards); err != nil {
		return err
	}
	records, markers := 0, 0
	for _, line := range b.m.named.Dump(set.Zone) {
		fields := strings.Fields(line)
		switch {
		case fields[0] == set.Zone+"." || fields[0] == "ns1."+set.Zone+".":
		case fields[3] == "TXT":
			markers++
		default:
			records++
		}
	}
	b.note(deletion, a.Name, set, recordsLeft, float64(records))
	b.note(deletion, a.Name, set, markersLeft, float64(markers))
	b.say("%s: of %d deleted names, %d records and %d ownership records are left", a.Words, set.Count, records, markers)
	return nil
}
