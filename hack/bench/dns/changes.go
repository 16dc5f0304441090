// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	miekg "github.com/miekg/dns"
)

// changed waits until BIND answers with a name's new address.
func (b *bench) changed(ctx context.Context, set nameSet, i int, address string) (time.Time, error) {
	return wait(ctx, patience(set.Count), set.host(i), miekg.TypeA, only(address))
}

// change gives a name another address and returns how long it took until BIND answered with it, in milliseconds. The clock
// runs from before the request to the API server.
func (b *bench) change(ctx context.Context, a arm, set nameSet, i int) (float64, error) {
	address := b.addresses.new()
	began := time.Now()
	if err := a.tool.assign(ctx, set, i, address); err != nil {
		return 0, err
	}
	when, err := b.changed(ctx, set, i, address)
	return milliseconds(when.Sub(began)), err
}

// changes measures changes of addresses at random moments of the arm's own rhythm. The first is to warm up.
func (b *bench) changes(ctx context.Context, a arm, set nameSet) error {
	return b.turn(ctx, a, set, func() error {
		if _, err := b.change(ctx, a, set, 0); err != nil {
			return err
		}
		measure := b.inTurn
		if b.spreadOf(a, set) > 0 {
			measure = b.spreadOut
		}
		all, err := measure(ctx, a, set, b.samplesOf(a, set))
		if err != nil {
			return err
		}
		b.add(address, a.Name, set, all...)
		b.say("%s, %d names, %d foreign: median %.1f ms of %d", a.Words, set.Count, set.Foreign, median(all), len(all))
		return nil
	})
}

// between is the longest pause between changes that follow one another, of arms that wait for a clock.
const between = time.Second

// inTurn measures one change after the other.
func (b *bench) inTurn(ctx context.Context, a arm, set nameSet, n int) ([]float64, error) {
	pause := between
	if b.spread[a.Name] == 0 {
		pause /= 2 // there is no clock whose moments have to be met alike
	}
	all := make([]float64, 0, n)
	for range n {
		if err := rest(ctx, rand.N(pause)); err != nil { //nolint:gosec // chance, not secrecy
			return nil, err
		}
		took, err := b.change(ctx, a, set, rand.N(set.Count)) //nolint:gosec // chance, not secrecy
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

// spreadOut measures changes of n different names at random moments of a time that is given.
func (b *bench) spreadOut(ctx context.Context, a arm, set nameSet, n int) ([]float64, error) {
	all := make([]float64, n)
	names := rand.Perm(set.Count) //nolint:gosec // chance, not secrecy
	var running sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		running.Go(func() {
			err := rest(ctx, rand.N(b.spreadOf(a, set))) //nolint:gosec // chance, not secrecy
			if err == nil {
				all[i], err = b.change(ctx, a, set, names[i])
			}
			if err != nil {
				errs <- err
			}
		})
	}
	running.Wait()
	close(errs)
	return all, <-errs
}
