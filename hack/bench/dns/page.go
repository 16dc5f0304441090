// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"
)

// Files that the program writes besides the raw data.
const (
	chartFile = "dns-benchmark.svg"
	pageFile  = "dns.md"
)

//go:embed page.md.tmpl
var pageText string

// pageTemplate is the page of the documentation; all numbers in it come from the results.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"duration": duration, "count": count, "thousands": thousands, "median": median,
	"quantile": func(q float64, samples []float64) float64 { return quantile(samples, q) },
	"number":   func(v float64) string { return fmt.Sprintf("%.3g", v) },
	"verdict": func(r rule) string {
		if r.Kept {
			return "kept"
		}
		return "**missed**"
	},
}).Parse(pageText))

// Sizes are the numbers of names at which changes of addresses were measured.
func (r *results) Sizes() []int {
	var all []int
	for _, s := range r.Series {
		if s.Measure == address && s.Foreign == 0 {
			all = append(all, s.Names)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Of are the series of a measure.
func (r *results) Of(measure string) []series {
	return slices.DeleteFunc(slices.Clone(r.Series), func(s series) bool { return s.Measure != measure })
}

// row of the table of bursts.
type row struct {
	Words string
	Names int
	// Took is in milliseconds, Assigning and CPU are in seconds.
	Took, Assigning, CPU float64
}

// Bursts are the rows of the table of bursts, the smallest first.
func (r *results) Bursts() []row {
	var rows []row
	for measure, words := range map[string]string{burst: "as it is", easy: "made easy"} {
		for _, s := range r.Of(measure) {
			assigning, _ := r.fact(measure, s.Arm, s.Names, untilAssigned)
			cpu, _ := r.fact(measure, s.Arm, s.Names, cpuSeconds)
			rows = append(rows, row{r.ArmWords(s.Arm) + ", " + words, s.Names, median(s.Samples), assigning, cpu})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Names, b.Names), cmp.Compare(a.Words, b.Words))
	})
	return rows
}

// FactsOf are the facts of some measures.
func (r *results) FactsOf(measures ...string) []fact {
	return slices.DeleteFunc(slices.Clone(r.Facts), func(f fact) bool { return !slices.Contains(measures, f.Measure) })
}

// ArmWords is what an arm is called.
func (r *results) ArmWords(name string) string {
	for _, a := range r.Arms {
		if a.Name == name {
			return a.Words
		}
	}
	return name
}

// render writes chart and page.
func (r *results) render(dir string) error {
	var chart, page bytes.Buffer
	if err := r.chart(&chart); err != nil {
		return err
	}
	if err := pageTemplate.Execute(&page, r); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, chartFile), chart.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, pageFile), page.Bytes(), 0o644)
}

// renderFile renders results of an earlier run.
func renderFile(from, dir string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var r results
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	return r.render(dir)
}
