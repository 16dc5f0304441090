// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
)

// usage of a process.
type usage struct {
	// CPU is the time that it computed, in seconds.
	CPU float64
	// Memory that is resident, in bytes.
	Memory int64
}

// ticks of the clock of proc(5) in a second, which every Linux that Go runs on has.
const ticks = 100

// usage of the process of an arm that looks after a set.
func (b *bench) usage(a arm, set nameSet) (usage, error) {
	name := processName(a, set)
	p, found := b.process(name)
	if !found {
		return usage{}, fmt.Errorf("reading what %s uses: it does not run", name)
	}
	return usageOf(p)
}

func usageOf(p process) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return usage{}, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before may hold spaces
	fields := strings.Fields(rest)
	var user, system, pages int64
	for i, into := range map[int]*int64{11: &user, 12: &system, 21: &pages} {
		if _, err := fmt.Sscan(fields[i], into); err != nil {
			return usage{}, err
		}
	}
	return usage{float64(user+system) / ticks, pages * int64(os.Getpagesize())}, nil
}
