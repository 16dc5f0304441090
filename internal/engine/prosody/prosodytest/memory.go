// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"crypto/rand"
	"testing"

	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/test/cgroup"
)

// LimitMemory has the kernel end the server when it takes more than so many bytes, as it does with the container of a pod.
// It has to be called before the server starts.
func (s *Server) LimitMemory(t testing.TB, limit int64) {
	t.Helper()
	group, err := cgroup.New("xmppfed-test-"+rand.Text(), limit)
	if err != nil {
		testkit.Require(t, false, "a cgroup to limit memory (cgroup v1 or v2, mounted read-write): "+err.Error())
	}
	t.Cleanup(func() { group.Remove(readyTimeout) })
	s.cgroup = group
}

// ResetPeakMemory begins a new measurement; where the kernel can't, the peak is that since the server's start.
func (s *Server) ResetPeakMemory() { s.cgroup.ResetPeak() }

// PeakMemory is the most that the kernel has counted for the server, in bytes.
func (s *Server) PeakMemory(t testing.TB) int64 {
	t.Helper()
	peak, err := s.cgroup.Peak()
	must(t, err)
	return peak
}

// Memory is what the kernel counts for the server now.
func (s *Server) Memory(t testing.TB) int64 {
	t.Helper()
	usage, err := s.cgroup.Usage()
	must(t, err)
	return usage
}

// Killed is how many processes the kernel has ended for want of memory.
func (s *Server) Killed(t testing.TB) int {
	t.Helper()
	killed, err := s.cgroup.Killed()
	must(t, err)
	return killed
}
