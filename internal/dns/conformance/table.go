// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// Result of a case with a provider.
type Result struct{ word, why string }

// Results of cases that passed.
var (
	OK = Result{word: "ok"}
	// BestEffort holds as long as nobody else writes at the same moment.
	BestEffort = Result{word: "best effort"}
)

// Differs is a case in which a server behaves otherwise, in a way that was foreseen and does no harm, for a reason.
func Differs(why string) Result { return Result{word: "differs", why: why} }

// NotApplicable is a case that was not run, for a reason.
func NotApplicable(why string) Result { return Result{word: "n.a.", why: why} }

// Applies tells whether the case was run.
func (r Result) Applies() bool { return r.word != "n.a." }

// Table says which case holds with which provider. The zero value is empty.
type Table struct {
	mu        sync.Mutex
	providers []string
	cases     []string
	results   map[[2]string]Result
}

// Case runs a test and notes the result. A provider that a case does not concern has no entry.
func (t *Table) Case(tt *testing.T, provider, name string, test func(*testing.T) Result) {
	tt.Helper()
	result := Result{word: "FAILED"}
	tt.Run(name, func(tt *testing.T) {
		defer func() {
			if tt.Skipped() {
				result = Result{word: "skipped"}
			}
		}()
		if r := test(tt); !tt.Failed() {
			result = r
		}
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.providers, provider) {
		t.providers = append(t.providers, provider)
	}
	if !slices.Contains(t.cases, name) {
		t.cases = append(t.cases, name)
	}
	if t.results == nil {
		t.results = map[[2]string]Result{}
	}
	t.results[[2]string{provider, name}] = result
}

// String is the table with footnotes. It is empty when nothing was run.
func (t *Table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.cases) == 0 {
		return ""
	}
	var reasons []string
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Conformance of DNS providers\t%s\n", strings.Join(t.providers, "\t"))
	for _, name := range t.cases {
		cells := []string{name}
		for _, p := range t.providers {
			cells = append(cells, t.cell(p, name, &reasons))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	for i, why := range reasons {
		fmt.Fprintf(&b, "[%d] %s\n", i+1, why)
	}
	b.WriteString("best effort: holds as long as nobody else changes the same records at the same moment\n" +
		"-: does not concern the provider\n")
	return b.String()
}

// cell is the result with the number of its reason.
func (t *Table) cell(provider, name string, reasons *[]string) string {
	r, ok := t.results[[2]string{provider, name}]
	switch {
	case !ok:
		return "-"
	case r.why == "":
		return r.word
	}
	if !slices.Contains(*reasons, r.why) {
		*reasons = append(*reasons, r.why)
	}
	return fmt.Sprintf("%s [%d]", r.word, slices.Index(*reasons, r.why)+1)
}
