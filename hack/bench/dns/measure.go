// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// bench is a run.
type bench struct {
	*results
	plan
	m         *machine
	arms      map[string]arm
	ours      *xmppfed
	addresses addresses
	// fail ends the measurement.
	fail context.CancelCauseFunc

	mu      sync.Mutex
	running map[string]process
}

// measure everything. Stop ends ctx.
func measure(ctx context.Context, stop context.CancelCauseFunc, s *stage, o options) (found *results, err error) {
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
	ours := &xmppfed{machine: m, program: o.operator, servers: xmpp}
	b := &bench{
		results: &results{Began: time.Now().UTC(), Quick: o.quick, Zones: p.zones()}, plan: p, m: m, ours: ours, fail: stop,
		arms: allArms(&externalDNS{machine: m, program: o.externalDNS, dir: s.dir}, ours), running: map[string]process{},
	}
	s.Cleanup(b.releaseAll)
	go b.watchServers(ctx)
	if err := b.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what failed did so for this reason
		}
		return nil, errors.Join(err, keepLogs(s.dir, o.out))
	}
	if err := b.describe(o); err != nil {
		return nil, err
	}
	b.Took = time.Since(b.Began).Seconds()
	b.judge(p)
	return b.results, nil
}

// run goes from few names to many. While a thousand Federations are made, what takes minutes because it waits for nothing
// but a clock is measured.
func (b *bench) run(ctx context.Context) error {
	for _, n := range b.names {
		if err := b.measureAt(ctx, n); err != nil {
			return err
		}
		if n == b.few {
			if err := b.measureForeign(ctx); err != nil {
				return fmt.Errorf("among foreign names: %w", err)
			}
		}
	}
	return nil
}

// measureAt measures with n names: first the burst that all of them get their first address in.
func (b *bench) measureAt(ctx context.Context, n int) error {
	if err := b.bursts(ctx, n); err != nil {
		return fmt.Errorf("burst of %d names: %w", n, err)
	}
	for round := range b.rounds {
		for _, name := range []string{"E2", "E3", "X1"} {
			a := b.arms[name]
			if name == "E2" && b.Quick && (n == b.few || round > 0) {
				continue
			}
			if err := b.changes(ctx, a, setOf(a, n, 0)); err != nil {
				return fmt.Errorf("changes at %d names, %s: %w", n, name, err)
			}
		}
	}
	if n != b.many {
		return nil
	}
	for _, name := range []string{"E3", "X1"} {
		if err := b.idleness(ctx, b.arms[name], setOf(b.arms[name], n, 0)); err != nil {
			return fmt.Errorf("idle, %s: %w", name, err)
		}
	}
	return nil
}

// measureForeign measures changes in a zone with many names of others, side by side with a zone that has none. Of
// ExternalDNS, which the promise is not about, only when there is time.
func (b *bench) measureForeign(ctx context.Context) error {
	arms := []string{"X1"}
	if !b.Quick {
		arms = []string{"E3", "X1"}
	}
	for _, name := range arms {
		a := b.arms[name]
		if err := b.burst(ctx, a, setOf(a, b.few, b.foreign), ""); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, name := range arms {
			a := b.arms[name]
			for _, foreign := range []int{b.foreign, 0} {
				if err := b.changes(ctx, a, setOf(a, b.few, foreign)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// processName is what the process of an arm that looks after a set is called.
func processName(a arm, set nameSet) string { return a.Words + ", for zone " + set.Zone }

// turn lets an arm work on a set and do measure. ExternalDNS is started anew each time, which takes it a moment; xmppfed is
// stopped where it stands and goes on, as starting is not what is measured.
func (b *bench) turn(ctx context.Context, a arm, set nameSet, do func() error) error {
	name := processName(a, set)
	p, found := b.process(name)
	if found {
		if err := resume(p); err != nil {
			return err
		}
	} else {
		var err error
		if p, err = a.tool.start(ctx, set, a.Flags...); err != nil {
			return err
		}
		b.keep(name, p)
	}
	if err := do(); err != nil {
		return err
	}
	if a.Name == "X1" {
		return pause(p)
	}
	b.release(name)
	return nil
}

func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(b.Began).Seconds(), fmt.Sprintf(format, arguments...))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// keepLogs keeps the logs of a run that went wrong.
func keepLogs(dir, out string) error {
	kept := filepath.Join(out, "failed-"+time.Now().Format("150405"))
	fmt.Fprintln(os.Stderr, "bench-dns: keeping the logs in", kept)
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{"*.log", "cluster/*.log"} {
		logs, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, log := range logs {
			data, err := os.ReadFile(log)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(kept, filepath.Base(log)), data, 0o600); err != nil { //nolint:gosec // own names
				return err
			}
		}
	}
	return nil
}
