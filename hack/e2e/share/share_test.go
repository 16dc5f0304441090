// SPDX-License-Identifier: Apache-2.0

package share

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func shared(r Resource) Need    { return Need{Resource: r} }
func exclusive(r Resource) Need { return Need{Resource: r, Exclusive: true} }

// Tests are entered, some that were admitted end, and each line names those that run then.
func TestTable(t *testing.T) {
	type test struct {
		name  string
		needs []Need
	}
	for name, c := range map[string]struct {
		limit int
		tests []test
		// runs are those that run at first, and after each end.
		ends []string
		runs []string
	}{
		"those that share run side by side": {
			limit: 9, tests: []test{{"a", []Need{shared("dns")}}, {"b", []Need{shared("dns")}}, {"c", nil}},
			runs: []string{"[a b c]"},
		},
		"who disturbs waits for all others, and they for it": {
			limit: 9, tests: []test{{"a", []Need{shared("dns")}}, {"b", []Need{exclusive("dns")}}, {"c", []Need{shared("dns")}}},
			ends: []string{"b"}, runs: []string{"[b]", "[a c]"},
		},
		"other resources are not in the way": {
			limit: 9, tests: []test{{"a", []Need{exclusive("dns")}}, {"b", []Need{exclusive("gmail")}}, {"c", []Need{shared("gmail")}}},
			ends: []string{"b"}, runs: []string{"[a b]", "[a c]"},
		},
		"who waits for one resource holds no other": {
			limit: 9, tests: []test{
				{"a", []Need{exclusive("dns")}}, {"b", []Need{exclusive("dns"), exclusive("gmail")}}, {"c", []Need{exclusive("gmail"), shared("cup")}},
			},
			ends: []string{"b", "a"}, runs: []string{"[b]", "[a c]", "[c]"},
		},
		"no more run than the limit": {
			limit: 2, tests: []test{{"a", nil}, {"b", nil}, {"c", nil}},
			ends: []string{"a"}, runs: []string{"[a b]", "[b c]"},
		},
		"who ends without having run leaves the queue": {
			limit: 1, tests: []test{{"a", nil}, {"b", nil}, {"c", nil}},
			ends: []string{"b", "a"}, runs: []string{"[a]", "[a]", "[c]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table, turns := NewTable(c.limit), map[string]*Turn{}
			for _, test := range c.tests {
				turns[test.name] = table.Request(test.name, test.needs...)
			}
			table.mu.Lock()
			table.admit()
			table.mu.Unlock()
			runs := []string{running(table)}
			for _, name := range c.ends {
				turns[name].End()
				runs = append(runs, running(table))
			}
			if diff := cmp.Diff(runs, c.runs); diff != "" {
				t.Errorf("what runs (-is +should be):\n%s", diff)
			}
		})
	}
}

func running(table *Table) string {
	var names []string
	for _, turn := range table.running {
		names = append(names, turn.name)
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

// A hundred tests with needs in any combination all get their turn, and nobody is beside one that disturbs.
func TestTable_everybodyGetsATurn(t *testing.T) {
	resources := []Resource{"dns", "gmail", "operator", "cup"}
	table := NewTable(5)
	users, owners := map[Resource]*atomic.Int32{}, map[Resource]*atomic.Int32{}
	for _, r := range resources {
		users[r], owners[r] = &atomic.Int32{}, &atomic.Int32{}
	}
	var all sync.WaitGroup
	for i := range 100 {
		var needs []Need
		for j, r := range resources {
			if use := i * 7 >> (2 * j) & 3; use > 0 {
				needs = append(needs, Need{Resource: r, Exclusive: use == 3})
			}
		}
		turn := table.Request(fmt.Sprint(i), needs...)
		all.Go(func() {
			turn.Wait()
			defer turn.End()
			for _, need := range needs {
				if need.Exclusive {
					owners[need.Resource].Add(1)
				}
				n := users[need.Resource].Add(1)
				if owned := owners[need.Resource].Load(); owned > 0 && n > 1 {
					t.Errorf("%s: %d use what %d have for themselves", need.Resource, n, owned)
				}
			}
			for _, need := range needs {
				users[need.Resource].Add(-1)
				if need.Exclusive {
					owners[need.Resource].Add(-1)
				}
			}
		})
	}
	all.Wait()
	if len(table.running)+len(table.waiting) > 0 {
		t.Errorf("%d run and %d wait in the end", len(table.running), len(table.waiting))
	}
}

func TestTurn_Check(t *testing.T) {
	turn := NewTable(1).Request("TestA", shared("dns"), exclusive("gmail"))
	for need, want := range map[Need]string{
		shared("dns"):      "",
		exclusive("dns"):   "TestA uses what it did not declare: add exclusive(dns) to its needs",
		shared("gmail"):    "",
		exclusive("gmail"): "",
		shared("cup"):      "TestA uses what it did not declare: add shared(cup) to its needs",
	} {
		got := ""
		if err := turn.Check(need); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", need, got, want)
		}
	}
}
