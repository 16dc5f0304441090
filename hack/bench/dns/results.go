// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// results are everything that was measured. They are written as they are, so that others can judge them.
type results struct {
	Began    time.Time         `json:"began"`
	Took     float64           `json:"tookSeconds"`
	Quick    bool              `json:"quick"`
	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`
	// Zones that the operator looks after while one of them is measured.
	Zones int `json:"zones"`
	// CommonFlags are those of every arm of ExternalDNS.
	CommonFlags []string `json:"externalDNSFlags"`
	Arms        []arm    `json:"arms"`
	Series      []series `json:"series"`
	Facts       []fact   `json:"facts"`
	Verdicts    []rule   `json:"verdicts"`

	mu sync.Mutex
}

// series is one measure of one arm: all samples, in the order in which they were taken.
type series struct {
	Measure string `json:"measure"`
	Arm     string `json:"arm"`
	// Names is how many names the arm looks after, Foreign how many others there are in the zone.
	Names   int `json:"names"`
	Foreign int `json:"foreign"`
	// Samples are in milliseconds.
	Samples []float64 `json:"milliseconds"`
}

// fact is something that was seen, in numbers.
type fact struct {
	Measure string  `json:"measure"`
	Arm     string  `json:"arm"`
	Names   int     `json:"names"`
	What    string  `json:"what"`
	Value   float64 `json:"value"`
}

// Measures.
const (
	address  = "address"  // a new address, until BIND answers with it
	burst    = "burst"    // all names of a set get their first address at once, until BIND answers for the last
	easy     = "easy"     // the same, but the service records are there already, and nothing has to be written to Kubernetes
	port     = "port"     // a new port of a service record
	deletion = "deletion" // a name is deleted
	idle     = "idle"     // nothing happens
)

// add samples to the series they belong to.
func (r *results) add(measure, arm string, set nameSet, samples ...float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.Series {
		s := &r.Series[i]
		if s.Measure == measure && s.Arm == arm && s.Names == set.Count && s.Foreign == set.Foreign {
			s.Samples = append(s.Samples, samples...)
			return
		}
	}
	r.Series = append(r.Series, series{measure, arm, set.Count, set.Foreign, samples})
}

func (r *results) note(measure, arm string, set nameSet, what string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Facts = append(r.Facts, fact{measure, arm, set.Count, what, value})
}

// find the samples of a series; none when it was not measured.
func (r *results) find(measure, arm string, names, foreign int) []float64 {
	for _, s := range r.Series {
		if s.Measure == measure && s.Arm == arm && s.Names == names && s.Foreign == foreign {
			return s.Samples
		}
	}
	return nil
}

// fact returns a number, and whether it is known.
func (r *results) fact(measure, arm string, names int, what string) (float64, bool) {
	for _, f := range r.Facts {
		if f.Measure == measure && f.Arm == arm && f.Names == names && f.What == what {
			return f.Value, true
		}
	}
	return 0, false
}

// quantile by nearest rank: the smallest sample that at least the share q of all does not exceed.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	ordered := slices.Sorted(slices.Values(samples))
	return ordered[max(int(math.Ceil(q*float64(len(ordered))))-1, 0)]
}

func median(samples []float64) float64 { return quantile(samples, 0.5) }

const resultsFile = "dns-results.json"

func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return r.render(dir)
}

// print what a person reads first.
func (r *results) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "measure\tarm\tnames\tforeign\tsamples\tmedian\tp95\tp99\tmax\t")
	slices.SortStableFunc(r.Series, func(a, b series) int {
		return cmp.Or(cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.Names, b.Names), cmp.Compare(a.Foreign, b.Foreign),
			cmp.Compare(a.Arm, b.Arm))
	})
	for _, s := range r.Series {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", s.Measure, s.Arm, s.Names, s.Foreign, len(s.Samples),
			median(s.Samples), quantile(s.Samples, 0.95), quantile(s.Samples, 0.99), quantile(s.Samples, 1))
	}
	_ = table.Flush()
	for _, f := range r.Facts {
		fmt.Fprintf(w, "%s %s %d names: %s: %.4g\n", f.Measure, f.Arm, f.Names, f.What, f.Value)
	}
	for _, v := range r.Verdicts {
		fmt.Fprintln(w, v)
	}
	fmt.Fprintf(w, "took %.0f s\n", r.Took)
}
