// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// CPU returns the time that the server has spent on processors since its start, as the kernel's scheduler counts it.
func (s *Server) CPU(t testing.TB) (spent time.Duration) {
	t.Helper()
	for _, process := range s.processes(t) {
		text, err := os.ReadFile(filepath.Join(process, "schedstat"))
		must(t, err)
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		must(t, err)
		spent += time.Duration(n)
	}
	return spent
}

// Resident returns the memory that the server takes, in bytes: of the largest of its processes.
func (s *Server) Resident(t testing.TB) (largest int64) {
	t.Helper()
	for _, process := range s.processes(t) {
		text, err := os.ReadFile(filepath.Join(process, "statm"))
		must(t, err)
		pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		must(t, err)
		largest = max(largest, pages*int64(os.Getpagesize()))
	}
	return largest
}

// OpenFiles returns the names of the files that the server has open and that contain the text.
func (s *Server) OpenFiles(t testing.TB, text string) (names []string) {
	t.Helper()
	for _, process := range s.processes(t) {
		links, err := filepath.Glob(filepath.Join(process, "fd", "*"))
		must(t, err)
		for _, link := range links {
			name, err := os.Readlink(link)
			if err == nil && strings.Contains(name, text) {
				names = append(names, name)
			}
		}
	}
	return names
}

// processes returns the directories in /proc of the server's processes.
func (s *Server) processes(t testing.TB) (own []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	for _, process := range all {
		stat, err := os.ReadFile(filepath.Join(process, "stat"))
		if err != nil {
			continue // the process has ended
		}
		// After the name in parentheses, which may hold anything, come the state, the parent and the group.
		_, after, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
		if strings.Fields(after)[2] == strconv.Itoa(s.cmd.Process.Pid) {
			own = append(own, process)
		}
	}
	return own
}
