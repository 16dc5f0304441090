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
	// Optional text of the last column is cut to a line, and left out when there is no room for it beside the others.
	Optional bool
}

// Table has columns side by side. The last column is for text of any length: it stands beside the others as long as
// that leaves it a fair width; else only what fits on one line does, and the rest stands below, indented. When even the
// others are too wide, the first stands alone.
type Table struct {
	Header []string
	Rows   [][]Cell
}

const (
	gap       = 2  // columns between cells
	indent    = 4  // columns before text that stands below
	fairWidth = 60 // the least that the last column may be given while it stands beside the others
)

// Render lays the table out. It returns lines, each ended by a line feed; nothing for a table without rows. Columns that
// are empty in every row are left out.
func (t Table) Render(style Style) string {
	if len(t.Rows) == 0 {
		return ""
	}
	t = t.clean()
	l := t.layout(style)
	header := make([]Cell, len(t.Header))
	for i, name := range t.Header {
		header[i] = Cell{Text: name, Tone: Faint, Optional: true}
	}
	for _, row := range append([][]Cell{header}, t.Rows...) {
		l.write(row)
	}
	return l.out.String()
}

// clean drops columns that no row fills, save the last, which may be empty, and makes what others wrote harmless.
func (t Table) clean() Table {
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
			cell := row[i]
			cell.Text = Clean(cell.Text)
			kept.Rows[r] = append(kept.Rows[r], cell)
		}
	}
	return kept
}

// layout is how a table stands in a given width.
type layout struct {
	style Style
	// widths of all columns but the last.
	widths []int
	// begin is where the last column begins when it stands beside the others.
	begin int
	// beside is set when it does, stacked when the first column stands on a line of its own.
	beside, stacked bool
	out             strings.Builder
}

func (t Table) layout(style Style) *layout {
	last := len(t.Header) - 1
	l := &layout{style: style, widths: make([]int, last)}
	width := func(column int) int {
		widest := Columns(t.Header[column])
		for _, row := range t.Rows {
			widest = max(widest, Columns(row[column].Text))
		}
		return widest
	}
	for i := range l.widths {
		l.widths[i] = width(i)
		l.begin += l.widths[i] + gap
	}
	l.stacked = last > 0 && l.begin-gap > style.Width
	l.beside = !l.stacked && style.Width-l.begin >= min(width(last), fairWidth)
	return l
}

func (l *layout) write(row []Cell) {
	last := row[len(l.widths)]
	var line strings.Builder
	for i, width := range l.widths {
		line.WriteString(l.style.Paint(row[i].Tone, row[i].Text))
		if l.stacked && i == 0 {
			line.WriteString("\n" + strings.Repeat(" ", indent))
			continue
		}
		line.WriteString(strings.Repeat(" ", width+gap-Columns(row[i].Text)))
	}
	left := strings.Repeat(" ", l.begin)
	fits := !last.Optional && !l.stacked && Columns(last.Text) <= l.style.Width-l.begin
	if last.Text == "" || !l.beside && !fits {
		l.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if last.Optional {
			return
		}
		left = strings.Repeat(" ", indent)
		line.Reset()
		line.WriteString(left)
	}
	room := l.style.Width - len(left)
	if last.Optional {
		last.Text = Cut(last.Text, room)
	}
	for i, text := range Wrap(last.Text, room) {
		if i == 0 {
			l.out.WriteString(line.String())
		} else {
			l.out.WriteString(left)
		}
		l.out.WriteString(l.style.Paint(last.Tone, text) + "\n")
	}
}
