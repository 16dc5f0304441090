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

// serviceSet is the set whose ports change and which is then deleted.
func (p plan) serviceSet(tool string) nameSet {
	set := newSet(tool, p.services, 0)
	set.Zone, set.Namespace, set.TTL = tool+"-services.test", tool+"-services", shortTTL
	return set
}

// measureServices changes ports, then deletes, and looks what is left.
func (b *bench) measureServices(ctx context.Context) error {
	for _, name := range []string{"E3", "X1"} {
		a, set := b.arms[name], b.serviceSet(map[bool]string{true: "x", false: "e"}[name == "X1"])
		if err := b.burst(ctx, a, set, nothing); err != nil {
			return fmt.Errorf("preparing services, %s: %w", name, err)
		}
		if err := b.turn(ctx, a, set, func() error { return b.ports(ctx, a, set) }); err != nil {
			return fmt.Errorf("ports, %s: %w", name, err)
		}
		if err := b.turn(ctx, a, set, func() error { return b.deletions(ctx, a, set) }); err != nil {
			return fmt.Errorf("deletion, %s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) ports(ctx context.Context, a arm, set nameSet) error {
	for i := range set.Count {
		wanted := fmt.Sprintf("0 0 %d %s.", otherPort, set.host(i))
		began := time.Now()
		if err := a.tool.setPort(ctx, set, i, otherPort); err != nil {
			return err
		}
		when, err := b.asker.wait(set.service(i), miekg.TypeSRV, func(d []string) bool { return slices.Contains(d, wanted) })
		if err != nil {
			return err
		}
		b.add(port, a.Name, set, milliseconds(when.Sub(began)))
	}
	time.Sleep(afterwards)
	stale := 0
	for i := range set.Count {
		data, err := b.asker.ask(set.service(i), miekg.TypeSRV)
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
	began := time.Now()
	if err := inParallel(set.Count, func(i int) error { return a.tool.remove(ctx, set, i) }); err != nil {
		return err
	}
	for i := range set.Count {
		if _, err := b.asker.wait(set.host(i), miekg.TypeA, func(d []string) bool { return len(d) == 0 }); err != nil {
			return err
		}
	}
	b.add(deletion, a.Name, set, milliseconds(time.Since(began)))
	time.Sleep(afterwards)
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
