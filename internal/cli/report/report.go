// SPDX-License-Identifier: Apache-2.0

// Package report shows the results of checks to people and to programs.
package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// titledWidth is the least width of lines that have room for the titles of checks.
const titledWidth = 120

// Report is what doctor found.
type Report struct {
	// Subject is what was asked for: a domain, or a Federation as namespace/name.
	Subject string         `json:"subject"`
	Summary Summary        `json:"summary"`
	Results []check.Result `json:"results"`
}

// Summary counts results by their verdict.
type Summary struct {
	Pass int `json:"pass"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

// New is the report of results.
func New(subject string, results []check.Result) Report {
	r := Report{Subject: subject}
	for _, section := range sections(results) {
		r.Results = append(r.Results, section.results...)
	}
	for _, result := range results {
		switch result.Mark {
		case check.Pass:
			r.Summary.Pass++
		case check.Warn:
			r.Summary.Warn++
		case check.Fail:
			r.Summary.Fail++
		case check.Skip:
			r.Summary.Skip++
		}
	}
	return r
}

// Failed tells whether any check failed.
func (r Report) Failed() bool { return r.Summary.Fail > 0 }

// Render is the report for people: one line per check, and what to do under each that is not well. What was skipped for
// lack of anything to judge is left out unless wide is set, which also shows the evidence.
func Render(r Report, style text.Style, wide bool) string {
	var b strings.Builder
	for _, section := range sections(r.Results) {
		table := text.Table{Header: []string{"VERDICT", "CHECK", "FINDING"}}
		titled := style.Width >= titledWidth
		if titled {
			table.Header = []string{"VERDICT", "CHECK", "TITLE", "FINDING"}
		}
		for _, line := range section.lines(wide) {
			table.Rows = append(table.Rows, line.rows(wide, titled)...)
		}
		if len(table.Rows) == 0 {
			continue
		}
		b.WriteString(style.Paint(text.Strong, section.title) + "\n" + table.Render(style) + "\n")
	}
	for _, line := range text.Wrap(r.Summary.sentence(wide), style.Width) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (s Summary) sentence(wide bool) string {
	sentence := fmt.Sprintf("%d passed, %d with a warning, %d failed, %d skipped", s.Pass, s.Warn, s.Fail, s.Skip)
	if !wide {
		sentence += "; -o wide shows all of them, with evidence"
	}
	return sentence + "."
}

// section is a domain with the results of one vantage.
type section struct {
	title   string
	results []check.Result
}

// sections parts results by domain and vantage, in the order in which those come first, and orders each by checks.
func sections(results []check.Result) []section {
	var parts []section
	for _, r := range results {
		title := r.Domain + ", from here"
		if r.From == check.Cluster {
			title = r.Domain + ", from the cluster"
		}
		i := slices.IndexFunc(parts, func(s section) bool { return s.title == title })
		if i < 0 {
			i = len(parts)
			parts = append(parts, section{title: title})
		}
		parts[i].results = append(parts[i].results, r)
	}
	for _, part := range parts {
		slices.SortStableFunc(part.results, func(a, b check.Result) int { return cmp.Compare(a.ID, b.ID) })
	}
	return parts
}

// line is one check, or several that are skipped for the same reason.
type line struct {
	check.Result
	subjects []string
}

// lines are the results with what is the same told once. What an earlier failure hides comes last, in one line for each
// such failure.
func (s section) lines(wide bool) []line {
	var lines, after []line
	hidden := map[check.ID][]check.ID{}
	for _, r := range s.results {
		if r.Mark == check.Skip && !wide {
			if r.Because != "" && !slices.Contains(hidden[r.Because], r.ID) {
				hidden[r.Because] = append(hidden[r.Because], r.ID)
			}
			continue
		}
		i := slices.IndexFunc(lines, func(l line) bool { return l.says(r) })
		if i < 0 {
			i = len(lines)
			lines = append(lines, line{Result: r})
		}
		lines[i].add(r)
	}
	for _, because := range slices.Sorted(maps.Keys(hidden)) {
		words := ranges(hidden[because]) + ", because " + string(because) + " failed"
		after = append(after, line{Result: check.Result{Mark: check.Skip, Words: words}})
	}
	return append(lines, after...)
}

// says tells whether the line says what a result says.
func (l line) says(r check.Result) bool {
	return r.ID == l.ID && r.Mark == l.Mark && r.Words == l.Words && r.Fix == l.Fix
}

// add takes in a result that says the same.
func (l *line) add(r check.Result) {
	if r.Subject != "" && !slices.Contains(l.subjects, r.Subject) {
		l.subjects = append(l.subjects, r.Subject)
	}
	if len(l.subjects) > 1 {
		l.Evidence = append(slices.Clone(l.Evidence), r.Evidence...)
	}
}

// ranges lists IDs in their order, those that follow each other by the first and the last.
func ranges(ids []check.ID) string {
	catalogue := check.Catalogue()
	place := func(id check.ID) int {
		return slices.IndexFunc(catalogue, func(c check.Check) bool { return c.ID == id })
	}
	var parts []string
	for first := 0; first < len(ids); {
		last := first
		for last+1 < len(ids) && place(ids[last+1]) == place(ids[last])+1 {
			last++
		}
		switch last {
		case first:
			parts = append(parts, string(ids[first]))
		default:
			parts = append(parts, string(ids[first])+"-"+string(ids[last]))
		}
		first = last + 1
	}
	return strings.Join(parts, ", ")
}

// rows are the lines of the table.
func (l line) rows(wide, titled bool) [][]text.Cell {
	finding := l.Words
	if len(l.subjects) > 0 {
		finding = strings.Join(l.subjects, ", ") + ": " + finding
	}
	row := []text.Cell{{Text: string(l.Mark), Tone: tone(l.Mark)}, {Text: string(l.ID)}}
	empty := []text.Cell{{}, {}}
	if titled {
		row = append(row, text.Cell{Text: check.Find(l.ID).Title})
		empty = append(empty, text.Cell{})
	}
	rows := [][]text.Cell{append(row, text.Cell{Text: finding})}
	if l.Fix != "" {
		rows = append(rows, append(slices.Clone(empty), text.Cell{Text: "Fix: " + l.Fix, Tone: text.Strong}))
	}
	if wide {
		for _, evidence := range slices.Compact(slices.Clone(l.Evidence)) {
			rows = append(rows, append(slices.Clone(empty), text.Cell{Text: evidence, Tone: text.Faint}))
		}
	}
	return rows
}

func tone(m check.Mark) text.Tone {
	switch m {
	case check.Pass:
		return text.Good
	case check.Warn:
		return text.Warning
	case check.Fail:
		return text.Bad
	default:
		return text.Faint
	}
}
