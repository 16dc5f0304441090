// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	miekg "github.com/miekg/dns"
)

// plan is how much is measured.
type plan struct {
	// names are the sizes of sets at which changes of addresses are measured; few is the smallest and many that of the
	// promises.
	names     []int
	few, many int
	foreign   int
	// rounds, in each of which every arm has its turn with so many samples by name of the arm.
	rounds  int
	samples map[string]int
	// idle is how long nothing happens.
	idle time.Duration
	// defaults is the time over which changes are spread to measure an arm that looks once a minute.
	defaults time.Duration
	// services is how many names get another port and are deleted.
	services int
}

func planOf(o options) plan {
	p := plan{
		names: []int{1, 100, 1000, 5000}, few: 1, many: 1000, foreign: 20000, rounds: 5,
		samples: map[string]int{"E1": 20, "E2": 4, "E3": 8, "X1": 20}, idle: 10 * time.Minute, defaults: 5 * time.Minute, services: 20,
	}
	if o.quick {
		p.names, p.rounds, p.idle, p.defaults = []int{1, 1000}, 2, 20*time.Second, 100*time.Second
	}
	if o.names > 0 {
		p.names, p.many = []int{1, o.names}, o.names
	}
	return p
}

// bench is a run.
type bench struct {
	*results
	plan
	m         *machine
	arms      map[string]arm
	ours      *xmppfed
	asker     *asker
	addresses addresses

	mu      sync.Mutex
	running map[string]process
}

// measure everything.
func measure(ctx context.Context, s *stage, o options) (found *results, err error) {
	defer catch(&err)
	p := planOf(o)
	if err := furnish(s.dir); err != nil {
		return nil, err
	}
	m, err := newMachine(s, p.sets(), o.crd)
	if err != nil {
		return nil, err
	}
	xmpp, err := startServers(p.sets())
	if err != nil {
		return nil, err
	}
	if err := startKubelet(ctx, m.Client); err != nil {
		return nil, err
	}
	asker, err := newAsker()
	if err != nil {
		return nil, err
	}
	ours := &xmppfed{machine: m, program: o.operator, servers: xmpp}
	b := &bench{
		results: &results{Began: time.Now().UTC(), Quick: o.quick}, plan: p, m: m, ours: ours, asker: asker,
		arms: allArms(&externalDNS{machine: m, program: o.externalDNS, dir: s.dir}, ours), running: map[string]process{},
	}
	s.Cleanup(b.killAll)
	if err := b.run(ctx); err != nil {
		return nil, errors.Join(err, keepLogs(s.dir, o.out))
	}
	if err := b.describe(o); err != nil {
		return nil, err
	}
	b.Took = time.Since(b.Began).Seconds()
	b.judge(p)
	return b.results, nil
}

// sets are all sets of names of a plan.
func (p plan) sets() []nameSet {
	var all []nameSet
	for _, tool := range []string{"e", "x"} {
		for _, n := range p.names {
			all = append(all, newSet(tool, n, 0))
		}
		all = append(all, newSet(tool, p.few, p.foreign), p.serviceSet(tool))
	}
	return append(all, p.freshSet())
}

func setOf(armName string, names, foreign int) nameSet {
	if armName == "X1" {
		return newSet("x", names, foreign)
	}
	return newSet("e", names, foreign)
}

func (b *bench) run(ctx context.Context) error {
	for _, n := range b.names {
		if err := b.measureAt(ctx, n); err != nil {
			return err
		}
	}
	if err := b.measureForeign(ctx); err != nil {
		return err
	}
	return b.measureServices(ctx)
}

// measureAt measures with n names: first the burst that all of them get their first address in.
func (b *bench) measureAt(ctx context.Context, n int) error {
	if err := b.bursts(ctx, n); err != nil {
		return fmt.Errorf("burst of %d names: %w", n, err)
	}
	for round := range b.rounds {
		for _, name := range []string{"E2", "E3", "X1"} {
			if name == "E2" && b.Quick && (n == b.few || round > 0) {
				continue
			}
			if err := b.changes(ctx, b.arms[name], setOf(name, n, 0)); err != nil {
				return fmt.Errorf("changes at %d names, %s: %w", n, name, err)
			}
		}
	}
	if n == b.many {
		for _, name := range []string{"E3", "X1"} {
			if err := b.idleness(ctx, b.arms[name], setOf(name, n, 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(b.Began).Seconds(), fmt.Sprintf(format, arguments...))
}

// patience is how long to wait for anything.
const patience = 10 * time.Minute

// turn lets an arm work on a set, alone, and do measure. ExternalDNS is started anew each time, which takes it a moment;
// xmppfed is stopped where it stands and goes on, as starting is not what is measured.
func (b *bench) turn(ctx context.Context, a arm, set nameSet, do func() error) error {
	key := a.Name + set.Zone
	b.mu.Lock()
	p, found := b.running[key]
	b.mu.Unlock()
	if found {
		if err := resume(p); err != nil {
			return err
		}
	} else {
		var err error
		if p, err = a.tool.start(ctx, set, a.Flags...); err != nil {
			return err
		}
		b.keep(key, p)
	}
	if err := do(); err != nil {
		return err
	}
	if a.Name == "X1" {
		return pause(p)
	}
	b.keep(key, nil)
	p.Kill()
	return nil
}

// keep a process in mind, or none any more.
func (b *bench) keep(key string, p process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running[key] = p; p == nil {
		delete(b.running, key)
	}
}

func (b *bench) killAll() {
	for _, p := range b.running {
		p.Kill()
	}
}

// changed waits until BIND answers with a name's new address.
func (b *bench) changed(asker *asker, set nameSet, i int, address string) (time.Time, error) {
	return asker.wait(set.host(i), miekg.TypeA, only(address))
}

// change gives a name another address and returns how long it took until BIND answered with it, in milliseconds. The clock
// runs from before the request to the API server.
func (b *bench) change(ctx context.Context, asker *asker, a arm, set nameSet, i int) (float64, error) {
	address := b.addresses.new()
	began := time.Now()
	if err := a.tool.assign(ctx, set, i, address); err != nil {
		return 0, err
	}
	when, err := b.changed(asker, set, i, address)
	return milliseconds(when.Sub(began)), err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// changes measures one change after the other, at random moments of the arm's own rhythm. The first is to warm up.
func (b *bench) changes(ctx context.Context, a arm, set nameSet) error {
	return b.turn(ctx, a, set, func() error {
		if _, err := b.change(ctx, b.asker, a, set, 0); err != nil {
			return err
		}
		var all []float64
		for range b.samples[a.Name] {
			time.Sleep(rand.N(time.Second))                                //nolint:gosec // chance, not secrecy
			took, err := b.change(ctx, b.asker, a, set, rand.N(set.Count)) //nolint:gosec // chance, not secrecy
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		b.add(address, a.Name, set, all...)
		b.say("%s %d names, %d foreign: median %.1f ms of %d", a.Words, set.Count, set.Foreign, median(all), len(all))
		return nil
	})
}

// defaultChanges measures an arm that looks once a minute: different names change at random moments of some minutes.
func (b *bench) defaultChanges(ctx context.Context, set nameSet) error {
	a := b.arms["E1"]
	return b.turn(ctx, a, set, func() error {
		if _, err := b.change(ctx, b.asker, a, set, 0); err != nil {
			return err
		}
		all := make([]float64, b.samples[a.Name])
		var mu sync.Mutex
		err := inParallel(len(all), func(i int) error {
			asker, err := newAsker()
			if err != nil {
				return err
			}
			time.Sleep(rand.N(b.defaults)) //nolint:gosec // chance, not secrecy
			took, err := b.change(ctx, asker, a, set, 1+i%max(set.Count-1, 1))
			mu.Lock()
			defer mu.Unlock()
			all[i] = took
			return err
		})
		b.add(address, a.Name, set, all...)
		b.say("%s %d names: median %.1f ms of %d", a.Words, set.Count, median(all), len(all))
		return err
	})
}

// measureForeign measures changes in a zone with many names of others.
func (b *bench) measureForeign(ctx context.Context) error {
	for _, name := range []string{"E3", "X1"} {
		a, set := b.arms[name], setOf(name, b.few, b.foreign)
		if err := b.burst(ctx, a, set, nothing); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, name := range []string{"E3", "X1"} {
			if err := b.changes(ctx, b.arms[name], setOf(name, b.few, b.foreign)); err != nil {
				return err
			}
			if name == "X1" { // side by side with none, at the same time
				if err := b.changes(ctx, b.arms[name], setOf(name, b.few, 0)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keepLogs keeps the logs of a run that went wrong.
func keepLogs(dir, out string) error {
	return errors.Join(os.MkdirAll(out, 0o755), os.CopyFS(out+"/failed-"+time.Now().Format("150405"), os.DirFS(dir)))
}
