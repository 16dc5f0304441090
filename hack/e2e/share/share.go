// SPDX-License-Identifier: Apache-2.0

// Package share lets tests run side by side and keeps those apart that would disturb each other. A test declares what it
// uses, together with others or for itself alone. It gets all of it at once or waits, and holds nothing while it waits, so no
// two tests can wait for each other.
package share

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resource names something that tests use: a server, a zone, the operator, the machine.
type Resource string

// Need is the use that a test makes of a resource.
type Need struct {
	Resource Resource
	// Exclusive is set when the test disturbs all others that use the resource, or is disturbed by them.
	Exclusive bool
}

// String returns the need as a test declares it.
func (n Need) String() string {
	if n.Exclusive {
		return "exclusive(" + string(n.Resource) + ")"
	}
	return "shared(" + string(n.Resource) + ")"
}

// Table knows which tests want to run, and which do.
type Table struct {
	limit int

	mu      sync.Mutex
	waiting []*Turn
	running []*Turn
}

// NewTable returns a table that lets at most limit tests run at the same time.
func NewTable(limit int) *Table { return &Table{limit: limit} }

// Turn belongs to one test. The test waits for it before it does anything, and ends it when nothing of the test is left.
type Turn struct {
	table *Table
	name  string
	needs []Need
	// ready is closed when the test may run.
	ready chan struct{}
}

// Request enters a test. Tests that are to be compared with each other are all entered before the first of them waits.
func (t *Table) Request(name string, needs ...Need) *Turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := &Turn{table: t, name: name, needs: needs, ready: make(chan struct{})}
	t.waiting = append(t.waiting, turn)
	return turn
}

// Wait blocks until the test may run, and returns how long that took.
func (t *Turn) Wait() time.Duration {
	began := time.Now()
	t.table.mu.Lock()
	t.table.admit()
	t.table.mu.Unlock()
	<-t.ready
	return time.Since(began)
}

// End lets others have what the test used. It may be called for a test that never waited.
func (t *Turn) End() {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	is := func(other *Turn) bool { return other == t }
	t.table.waiting = slices.DeleteFunc(t.table.waiting, is)
	t.table.running = slices.DeleteFunc(t.table.running, is)
	t.table.admit()
}

// Check returns an error unless the test declared the need. Who has something exclusively may also use it like others.
func (t *Turn) Check(need Need) error {
	for _, has := range t.needs {
		if has.Resource == need.Resource && (has.Exclusive || !need.Exclusive) {
			return nil
		}
	}
	return fmt.Errorf("%s uses what it did not declare: add %s to its needs", t.name, need)
}

// admit lets every test run that is in nobody's way. Those go first that get in the way of most others, because they would
// otherwise be left over and run one after the other.
func (t *Table) admit() {
	queue := slices.Clone(t.waiting)
	conflicts := map[*Turn]int{}
	for _, turn := range queue {
		for _, other := range queue {
			if turn != other && conflict(turn, other) {
				conflicts[turn]++
			}
		}
	}
	slices.SortStableFunc(queue, func(a, b *Turn) int {
		if conflicts[a] != conflicts[b] {
			return conflicts[b] - conflicts[a]
		}
		return strings.Compare(a.name, b.name)
	})
	for _, turn := range queue {
		blocked := func(other *Turn) bool { return conflict(turn, other) }
		if len(t.running) < t.limit && !slices.ContainsFunc(t.running, blocked) {
			t.waiting = slices.DeleteFunc(t.waiting, func(other *Turn) bool { return other == turn })
			t.running = append(t.running, turn)
			close(turn.ready)
		}
	}
}

// conflict reports whether two tests use a resource of which one of them disturbs the other.
func conflict(a, b *Turn) bool {
	for _, need := range a.needs {
		for _, other := range b.needs {
			if need.Resource == other.Resource && (need.Exclusive || other.Exclusive) {
				return true
			}
		}
	}
	return false
}
