// SPDX-License-Identifier: Apache-2.0

package text

import (
	"slices"
	"strings"
)

// Cell is one field of a table.
type Cell struct {
	Text string
	Tone Tone
}

// Cells are texts of plain tone.
func Cells(texts ...string) []Cell {
	cells := make([]Cell, 0, len(texts))
	for _, text := range texts {
		cells = append(cells, Cell{Text: text})
	}
	return cells
}

// Table has columns side by side. The last column is for text of any length: it stands beside the others as long as
// that leaves it a fair width, else below them, indented.
type Table struct {
	Header []string
	Rows   [][]Cell
}

const (
	gap       = 2  // columns between cells
	indent    = 4  // columns before text that stands below
	fairWidth = 36 // the least that the last column may be given while it stands beside the others
)

// Render lays the table out. It returns lines, each ended by a line feed; nothing for a table without rows. Columns that
// are empty in every row are left out.
func (t Table) Render(style Style) string {
	if len(t.Rows) == 0 {
		return ""
	}
	t = t.withoutEmptyColumns()
	last := len(t.Header) - 1
	widths := make([]int, last)
	for i := range widths {
		widths[i] = Columns(t.Header[i])
		for _, row := range t.Rows {
			widths[i] = max(widths[i], Columns(row[i].Text))
		}
	}
	begin := 0
	for _, width := range widths {
		begin += width + gap
	}
	longest := Columns(t.Header[last])
	for _, row := range t.Rows {
		longest = max(longest, Columns(row[last].Text))
	}
	beside := style.Width-begin >= min(longest, fairWidth)
	var b strings.Builder
	header := Cells(t.Header...)
	for i := range header {
		header[i].Tone = Faint
	}
	if !beside {
		header[last].Text = ""
	}
	for _, row := range append([][]Cell{header}, t.Rows...) {
		writeRow(&b, style, row, widths, beside, begin)
	}
	return b.String()
}

// withoutEmptyColumns drops what no row fills, save the last column, which may be empty.
func (t Table) withoutEmptyColumns() Table {
	kept := Table{Rows: make([][]Cell, len(t.Rows))}
	for i, name := range t.Header {
		filled := slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[i].Text != "" })
		if !filled && i < len(t.Header)-1 {
			continue
		}
		if !filled {
			name = ""
		}
		kept.Header = append(kept.Header, name)
		for r, row := range t.Rows {
			kept.Rows[r] = append(kept.Rows[r], row[i])
		}
	}
	return kept
}

func writeRow(b *strings.Builder, style Style, row []Cell, widths []int, beside bool, begin int) {
	var line strings.Builder
	for i, width := range widths {
		line.WriteString(style.Paint(row[i].Tone, row[i].Text) + strings.Repeat(" ", width+gap-Columns(row[i].Text)))
	}
	last := row[len(widths)]
	left, room := strings.Repeat(" ", begin), style.Width-begin
	if last.Text == "" || !beside {
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		line.Reset()
		line.WriteString(strings.Repeat(" ", indent))
		left, room = strings.Repeat(" ", indent), style.Width-indent
	}
	for i, text := range Wrap(last.Text, room) {
		if i == 0 {
			b.WriteString(line.String())
		} else {
			b.WriteString(left)
		}
		b.WriteString(style.Paint(last.Tone, text) + "\n")
	}
}
