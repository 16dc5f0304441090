// SPDX-License-Identifier: Apache-2.0

// Package cgroup reads what the kernel counts for the memory of a control group: of the memory controller of version 1, or of
// version 2.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Group is a control group.
type Group struct {
	// Dir is its directory, Mount where a container sees it, relative to the root.
	Dir, Mount string

	limit, usage, peak, events string // names of files
}

var hierarchies = []Group{
	{
		Dir: "/sys/fs/cgroup/memory", Mount: "sys/fs/cgroup/memory", limit: "memory.limit_in_bytes",
		usage: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes", events: "memory.oom_control",
	},
	{
		Dir: "/sys/fs/cgroup", Mount: "sys/fs/cgroup", limit: "memory.max",
		usage: "memory.current", peak: "memory.peak", events: "memory.events",
	},
}

// New makes a group whose processes the kernel ends when they take more than limit bytes in all.
func New(name string, limit int64) (*Group, error) {
	var problems []error
	for _, hierarchy := range hierarchies {
		group := hierarchy
		group.Dir = filepath.Join(hierarchy.Dir, name)
		err := os.Mkdir(group.Dir, 0o755)
		if err == nil {
			if err = group.write(group.limit, fmt.Sprint(limit)); err == nil {
				return &group, nil
			}
			err = errors.Join(err, os.Remove(group.Dir))
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("making a control group: %w", errors.Join(problems...))
}

// Of returns the group of a process. The file is its /proc/PID/cgroup.
func Of(file string) (*Group, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("finding a control group: %w", err)
	}
	unified := ""
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "memory" {
			return hierarchies[0].below(fields[2]), nil
		}
		if fields[1] == "" {
			unified = fields[2]
		}
	}
	if unified == "" {
		return nil, fmt.Errorf("finding a control group: %s has none for memory", file)
	}
	return hierarchies[1].below(unified), nil
}

func (g Group) below(path string) *Group {
	g.Dir = filepath.Join(g.Dir, path)
	return &g
}

// Parent returns the group that this one is in.
func (g Group) Parent() *Group {
	g.Dir = filepath.Dir(g.Dir)
	return &g
}

// Remove waits until the processes in the group are gone, but no longer than that.
func (g *Group) Remove(patience time.Duration) {
	for end := time.Now().Add(patience); os.Remove(g.Dir) != nil && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
	}
}

// ResetPeak begins a new measurement of the peak. Where the kernel can't, the peak is that since the group was made.
func (g *Group) ResetPeak() { _ = g.write(g.peak, "0") }

// Peak is the most that the kernel has counted, in bytes: pages of files that were read included, which the kernel takes back
// before it ends anybody.
func (g *Group) Peak() (int64, error) { return g.number(g.peak) }

// Usage is what the kernel counts now, in bytes.
func (g *Group) Usage() (int64, error) { return g.number(g.usage) }

// Killed is how many processes the kernel has ended for want of memory.
func (g *Group) Killed() (int, error) {
	text, err := os.ReadFile(filepath.Join(g.Dir, g.events))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if count, found := strings.CutPrefix(line, "oom_kill "); found {
			return strconv.Atoi(strings.TrimSpace(count))
		}
	}
	return 0, fmt.Errorf("reading %s: it says nothing of oom_kill", g.events)
}

func (g *Group) write(name, value string) error {
	return os.WriteFile(filepath.Join(g.Dir, name), []byte(value), 0o644)
}

func (g *Group) number(name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.Dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
