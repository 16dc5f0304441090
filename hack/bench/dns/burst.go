// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// bursts measures those of n names. At the size of the promises, what waits for nothing but a clock is measured while the
// Federations are made, and ExternalDNS as it is as well.
func (b *bench) bursts(ctx context.Context, n int) error {
	theirs, ours := b.arms["E3"], b.arms["X1"]
	if err := b.burst(ctx, theirs, setOf(theirs, n, 0), easy); err != nil {
		return err
	}
	set := setOf(ours, n, 0)
	if n != b.many {
		return b.burst(ctx, ours, set, burst)
	}
	fresh, defaults := theirs, b.arms["E1"]
	fresh.tool = asItIs{theirs.tool.(*externalDNS)}
	err := b.sideBySide(
		func() error { return b.ready(ctx, ours, set) },
		func() error { return b.burst(ctx, fresh, b.freshSet(), burst) },
		func() error { return b.changes(ctx, defaults, setOf(defaults, n, 0)) },
		func() error { return b.measureServices(ctx, theirs) },
		func() error { return b.measureServices(ctx, ours) },
	)
	if err != nil {
		return err
	}
	return b.turn(ctx, ours, set, func() error { return b.assignAll(ctx, ours, set, burst) })
}

// sideBySide does all. When one fails the others are given up.
func (b *bench) sideBySide(all ...func() error) error {
	return inParallel(len(all), func(i int) error {
		err := all[i]()
		if err != nil {
			b.fail(err)
		}
		return err
	})
}

// burst gives all names of a set their first address at once, when nothing else is missing. It is recorded as the measure,
// unless that is empty.
func (b *bench) burst(ctx context.Context, a arm, set nameSet, measure string) error {
	if err := b.ready(ctx, a, set); err != nil {
		return err
	}
	return b.turn(ctx, a, set, func() error {
		// ExternalDNS has been started anew.
		if err := b.onlyAddressesMissing(ctx, a, set); err != nil {
			return err
		}
		return b.assignAll(ctx, a, set, measure)
	})
}

// ready makes the objects of a set, and waits until nothing is missing but addresses.
func (b *bench) ready(ctx context.Context, a arm, set nameSet) error {
	b.say("%s: preparing %d names", a.Words, set.Count)
	if err := a.tool.prepare(ctx, set); err != nil {
		return err
	}
	if a.Name != "X1" {
		return nil
	}
	return b.turn(ctx, a, set, func() error {
		err := b.onlyAddressesMissing(ctx, a, set)
		b.say("%s: %d names are ready for their addresses", a.Words, set.Count)
		return err
	})
}

// assignAll gives all names of a set an address at once.
func (b *bench) assignAll(ctx context.Context, a arm, set nameSet, measure string) error {
	before, err := b.usage(a, set)
	if err != nil {
		return err
	}
	given := make([]string, set.Count)
	began := time.Now()
	err = inParallel(set.Count, func(i int) error {
		given[i] = b.addresses.new()
		return a.tool.assign(ctx, set, i, given[i])
	})
	if err != nil {
		return err
	}
	assigned := time.Now()
	last, err := b.allPublished(ctx, set, given)
	if err != nil {
		return err
	}
	after, err := b.usage(a, set)
	if err != nil {
		return err
	}
	if measure != "" {
		b.add(measure, a.Name, set, milliseconds(last.Sub(began)))
		b.note(measure, a.Name, set, cpuSeconds, after.CPU-before.CPU)
		b.note(measure, a.Name, set, untilAssigned, assigned.Sub(began).Seconds())
	}
	b.say("%s: %s of %d names took %s, of which assigning %s", a.Words, measure, set.Count, last.Sub(began), assigned.Sub(began))
	if a.Name == "X1" {
		err = b.settled(ctx, set, v1alpha1.ConditionReady)
	}
	return err
}

// What is counted of a burst.
const (
	cpuSeconds = "CPU seconds"
	// untilAssigned is how long it took to tell the API server all addresses.
	untilAssigned = "seconds until all addresses were assigned"
)

// allPublished waits for address and service record of every name, and returns when the last was there.
func (b *bench) allPublished(ctx context.Context, set nameSet, given []string) (last time.Time, err error) {
	for i := range set.Count {
		if _, err := b.changed(ctx, set, i, given[i]); err != nil {
			return last, err
		}
		if last, err = b.hasService(ctx, set, i); err != nil {
			return last, err
		}
	}
	return last, nil
}

// hasService waits until a name has a service record.
func (b *bench) hasService(ctx context.Context, set nameSet, i int) (time.Time, error) {
	return wait(ctx, patience(set.Count), set.service(i), miekg.TypeSRV, func(d []string) bool { return len(d) > 0 })
}

// onlyAddressesMissing waits until nothing is missing but addresses: the servers of Federations run, and ExternalDNS, which needs no
// address for service records, has published those that it knows of.
func (b *bench) onlyAddressesMissing(ctx context.Context, a arm, set nameSet) error {
	switch a.tool.(type) {
	case *xmppfed:
		return b.settled(ctx, set, v1alpha1.ConditionServerReady)
	case asItIs:
		return rest(ctx, afterwards) // it has nothing to do, so it can't be seen to be ready
	}
	for i := range set.Count {
		if _, err := b.hasService(ctx, set, i); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) settled(ctx context.Context, set nameSet, condition string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience(set.Count), errors.New("this takes too long"))
	defer cancel()
	return b.ours.settled(ctx, set, condition)
}
