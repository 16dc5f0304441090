// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// process is a controller at work: ExternalDNS, or the operator.
type process interface {
	Pid() int
	Kill()
}

// pause stops a process where it stands, so that it costs the others nothing; resume lets it go on.
func pause(p process) error  { return syscall.Kill(p.Pid(), syscall.SIGSTOP) }
func resume(p process) error { return syscall.Kill(p.Pid(), syscall.SIGCONT) }

// usage of a process.
type usage struct {
	// CPU is the time that it computed, in seconds.
	CPU float64
	// Memory that is resident, in bytes.
	Memory int64
}

// ticks of the clock of proc(5) in a second, which every Linux that Go runs on has.
const ticks = 100

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
