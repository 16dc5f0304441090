// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

// cgroup is a control group of the kernel for one server: of the memory controller of version 1, or of version 2.
type cgroup struct {
	dir string
	// mount is where a container sees it.
	mount string
	// limit, usage, peak and events are names of files.
	limit, usage, peak, events string
}

var hierarchies = []cgroup{
	{
		dir: "/sys/fs/cgroup/memory", mount: "sys/fs/cgroup/memory", limit: "memory.limit_in_bytes",
		usage: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes", events: "memory.oom_control",
	},
	{
		dir: "/sys/fs/cgroup", mount: "sys/fs/cgroup", limit: "memory.max",
		usage: "memory.current", peak: "memory.peak", events: "memory.events",
	},
}

// LimitMemory has the kernel end the server when it takes more than so many bytes, as it does with the container of a pod.
// It has to be called before the server starts.
func (s *Server) LimitMemory(t testing.TB, limit int64) {
	t.Helper()
	for _, hierarchy := range hierarchies {
		group := hierarchy
		group.dir = filepath.Join(hierarchy.dir, "xmppfed-test-"+rand.Text())
		if os.Mkdir(group.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(group.remove)
		if group.write(group.limit, fmt.Sprint(limit)) == nil {
			s.cgroup = &group
			return
		}
	}
	testkit.Require(t, false, "a cgroup to limit memory (cgroup v1 or v2, mounted read-write)")
}

// remove waits until the processes in the group are gone.
func (g *cgroup) remove() {
	for end := time.Now().Add(readyTimeout); os.Remove(g.dir) != nil && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
	}
}

func (g *cgroup) write(name, value string) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0o644)
}

func (g *cgroup) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	must(t, err)
	return string(bytes.TrimSpace(text))
}

// ResetPeakMemory begins a new measurement; where the kernel can't, the peak is that since the server's start.
func (s *Server) ResetPeakMemory() { _ = s.cgroup.write(s.cgroup.peak, "0") }

// PeakMemory is the most that the kernel has counted for the server, in bytes: pages of files that it read included, which
// the kernel takes back before it ends anybody.
func (s *Server) PeakMemory(t testing.TB) int64 {
	t.Helper()
	return s.number(t, s.cgroup.peak)
}

// Memory is what the kernel counts for the server now.
func (s *Server) Memory(t testing.TB) int64 {
	t.Helper()
	return s.number(t, s.cgroup.usage)
}

func (s *Server) number(t testing.TB, name string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s.cgroup.read(t, name), 10, 64)
	must(t, err)
	return n
}

// Killed is how many processes the kernel has ended for want of memory.
func (s *Server) Killed(t testing.TB) int {
	t.Helper()
	for _, line := range strings.Split(s.cgroup.read(t, s.cgroup.events), "\n") {
		if count, found := strings.CutPrefix(line, "oom_kill "); found {
			n, err := strconv.Atoi(count)
			must(t, err)
			return n
		}
	}
	t.Fatalf("%s says nothing of oom_kill", s.cgroup.events)
	return 0
}
