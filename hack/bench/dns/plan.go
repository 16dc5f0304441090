// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"time"
)

// plan is how much is measured.
type plan struct {
	// names are the sizes of sets at which changes of addresses are measured; few is the smallest and many that of the
	// promises.
	names     []int
	few, many int
	foreign   int
	// rounds, in each of which every arm has its turn with so many samples by name of the arm. With the smallest set there
	// are fewer.
	rounds  int
	samples map[string]int
	// spread is the time over which the changes of an arm that waits for a clock are spread: each changes another name, at
	// a random moment. Those of other arms, and of small sets, follow one another.
	spread map[string]time.Duration
	// idle is how long nothing happens.
	idle time.Duration
	// services is how many names get another port and are deleted.
	services int
}

func planOf(o options) plan {
	p := plan{
		names: []int{1, 100, 1000}, few: 1, many: 1000, foreign: 20000, rounds: 5,
		samples:  map[string]int{"E1": 60, "E2": 20, "E3": 20, "X1": 50},
		spread:   map[string]time.Duration{"E1": 5 * time.Minute, "E2": time.Minute, "E3": 20 * time.Second},
		idle:     10 * time.Minute,
		services: 20,
	}
	if o.quick {
		p.names, p.rounds, p.idle = []int{1, 1000}, 2, 20*time.Second
		p.samples["E1"], p.samples["E2"] = 40, 10
		p.spread["E1"], p.spread["E2"] = 2*time.Minute, 20*time.Second
	}
	if o.names > 0 {
		p.names, p.many = []int{1, o.names}, o.names
	}
	return p
}

// samplesOf an arm in one turn with a set.
func (p plan) samplesOf(a arm, set nameSet) int {
	n := p.samples[a.Name]
	if set.Count <= p.few {
		return n / 2
	}
	return n
}

// spreadOf an arm's changes of a set; zero: one after the other.
func (p plan) spreadOf(a arm, set nameSet) time.Duration {
	if set.Count <= p.samplesOf(a, set) {
		return 0
	}
	return p.spread[a.Name]
}

// patience is how long to wait for one of n names, whatever is slow: ExternalDNS writes at 5 requests a second.
func patience(n int) time.Duration { return 3*time.Minute + time.Duration(n)*600*time.Millisecond }

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

// zones of the operator, all of which each of its processes looks after.
func (p plan) zones() int {
	return len(slices.DeleteFunc(p.sets(), func(set nameSet) bool { return !strings.HasPrefix(set.Zone, "x-") }))
}

func setOf(a arm, names, foreign int) nameSet { return newSet(a.letter(), names, foreign) }

// serviceSet is the set whose ports change and which is then deleted.
func (p plan) serviceSet(letter string) nameSet {
	set := newSet(letter, p.services, 0)
	set.Zone, set.Namespace, set.TTL = letter+"-services.test", letter+"-services", shortTTL
	return set
}

// freshSet is the set of the burst of ExternalDNS as it is.
func (p plan) freshSet() nameSet {
	set := newSet("e", p.many, 0)
	set.Zone, set.Namespace = "e-burst.test", "e-burst"
	return set
}
