// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"sync"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// bursts measures those of n names. What takes minutes because it waits for nothing but a clock is measured while the
// Federations are made, which takes minutes too.
func (b *bench) bursts(ctx context.Context, n int) error {
	if err := b.burst(ctx, b.arms["E3"], setOf("E3", n, 0), nothing); err != nil {
		return err
	}
	meanwhile := make(chan error, 1)
	if n == b.many {
		go func() { meanwhile <- b.slowOnes(ctx, n) }()
	} else {
		meanwhile <- nil
	}
	return b.burst(ctx, b.arms["X1"], setOf("X1", n, 0), func() error { return <-meanwhile })
}

// nothing else has to be done first.
func nothing() error { return nil }

// burst gives all names of a set their first address at once, when nothing else is missing and first is done.
func (b *bench) burst(ctx context.Context, a arm, set nameSet, first func() error) error {
	b.say("%s: preparing %d names", a.Words, set.Count)
	if err := a.tool.prepare(ctx, set); err != nil {
		return err
	}
	measure := burst
	if _, ok := a.tool.(*externalDNS); ok {
		measure = easy
	}
	return b.turn(ctx, a, set, func() error {
		if err := errors.Join(b.waiting(ctx, a, set), first()); err != nil {
			return err
		}
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
		last, err := b.allPublished(set, given)
		if err != nil {
			return err
		}
		b.add(measure, a.Name, set, milliseconds(last.Sub(began)))
		after, err := b.usage(a, set)
		if err != nil {
			return err
		}
		b.note(measure, a.Name, set, "CPU seconds", after.CPU-before.CPU)
		b.note(measure, a.Name, set, untilAssigned, milliseconds(assigned.Sub(began)))
		b.say("%s: %s of %d names took %s, of which assigning %s", a.Words, measure, set.Count, last.Sub(began), assigned.Sub(began))
		if a.Name == "X1" {
			err = b.settled(ctx, set, v1alpha1.ConditionReady)
		}
		return err
	})
}

// untilAssigned is how long it took to tell the API server all addresses.
const untilAssigned = "milliseconds until all addresses were assigned"

// allPublished waits for address and service record of every name, and returns when the last was there.
func (b *bench) allPublished(set nameSet, given []string) (last time.Time, err error) {
	asker, err := newAsker()
	if err != nil {
		return last, err
	}
	for i := range set.Count {
		if _, err := b.changed(asker, set, i, given[i]); err != nil {
			return last, err
		}
		last, err = asker.wait(set.service(i), miekg.TypeSRV, func(d []string) bool { return len(d) == 1 })
		if err != nil {
			return last, err
		}
	}
	return last, nil
}

// waiting waits until nothing is missing but addresses: the servers of Federations run, and ExternalDNS, which needs no
// address for service records, has published those that it knows of.
func (b *bench) waiting(ctx context.Context, a arm, set nameSet) error {
	switch a.tool.(type) {
	case *xmppfed:
		return b.settled(ctx, set, v1alpha1.ConditionServerReady)
	case asItIs:
		time.Sleep(afterwards) // it has nothing to do, so it can't be seen to be ready
		return nil
	}
	for i := range set.Count {
		if _, err := b.asker.wait(set.service(i), miekg.TypeSRV, func(d []string) bool { return len(d) > 0 }); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) settled(ctx context.Context, set nameSet, condition string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return b.ours.settled(ctx, set, condition)
}

// slowOnes measures side by side what takes minutes because it waits for nothing but a clock.
func (b *bench) slowOnes(ctx context.Context, n int) error {
	fresh := b.arms["E3"]
	fresh.tool = asItIs{b.arms["E3"].tool.(*externalDNS)}
	var all sync.WaitGroup
	var burstErr, changesErr error
	all.Go(func() { burstErr = b.burst(ctx, fresh, b.freshSet(), nothing) })
	all.Go(func() { changesErr = b.defaultChanges(ctx, setOf("E1", n, 0)) })
	all.Wait()
	return errors.Join(burstErr, changesErr)
}

// freshSet is the set of the burst of ExternalDNS as it is.
func (p plan) freshSet() nameSet {
	set := newSet("e", p.many, 0)
	set.Zone, set.Namespace = "e-burst.test", "e-burst"
	return set
}
