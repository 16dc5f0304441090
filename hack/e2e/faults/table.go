// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xmppfed/xmppfed/internal/check"
)

// Sight is whether somebody saw a fault.
type Sight string

// Sights.
const (
	Seen  Sight = "yes"
	Blind Sight = "no"
	// Hangs is for a tool that comes to no end, though it does when nothing is wrong.
	Hangs Sight = "hangs"
	// Unjudged is for a tool that broke, or came to no end when nothing was wrong either: the machine may be too slow.
	Unjudged Sight = "?"
	// NotGiven is for a tool that can't be pointed at what has the fault.
	NotGiven Sight = "-"
)

// Row is one fault and who saw it.
type Row struct {
	Fault string
	// Want is the check that should be the first cause; Blamed are those that doctor blames, in order.
	Want   check.ID
	Blamed []check.ID
	// RightSide tells that doctor says who or what has the fault.
	RightSide bool
	// Tools is by name.
	Tools map[string]Sight
	// Looks is how often doctor looked: twice when the first look, beside the other tools, was not exact.
	Looks int
	Took  time.Duration
}

// Exact tells that the right check is blamed, and no other.
func (r Row) Exact() bool { return len(r.Blamed) == 1 && r.Blamed[0] == r.Want && r.RightSide }

// Print prints the matrix, totals, and the faults that a tool saw and doctor did not blame on the right check.
func Print(w io.Writer, rows []Row) {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	heads := []string{"fault", "doctor: first cause", "side"}
	for _, tool := range Tools {
		heads = append(heads, tool.Name)
	}
	fmt.Fprintln(table, strings.Join(append(heads, "seconds"), "\t"))
	exact, unjudged, seen := 0, 0, map[string]int{}
	var better, twice []string
	for _, row := range rows {
		if row.Exact() {
			exact++
		}
		if row.Looks > 1 {
			twice = append(twice, row.Fault)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t", row.Fault, row.cause(), yesNo(row.RightSide))
		for _, tool := range Tools {
			sight := row.Tools[tool.Name]
			fmt.Fprintf(table, "%s\t", sight)
			switch {
			case sight == Unjudged:
				unjudged++
			case sight == Seen && len(row.Blamed) == 0:
				better = append(better, tool.Name+": "+row.Fault)
				fallthrough
			case sight == Seen:
				seen[tool.Name]++
			}
		}
		fmt.Fprintf(table, "%.1f\n", row.Took.Seconds())
	}
	fmt.Fprintf(table, "total: %d faults\t%d exact\t\t", len(rows), exact)
	for _, tool := range Tools {
		fmt.Fprintf(table, "%d\t", seen[tool.Name])
	}
	fmt.Fprintln(table)
	table.Flush() //nolint:errcheck // a report on standard output
	fmt.Fprintln(w, "-: the tool can't be pointed at what has the fault; testssl.sh takes no domain, prosodyctl its own server only")
	fmt.Fprintf(w, "?: the tool broke, or comes to no end even when nothing is wrong: %d looks, which count for nothing\n", unjudged)
	fmt.Fprintf(w, "seen by another tool and not by doctor: %s\n", orNone(better))
	fmt.Fprintf(w, "looked at by doctor twice, for the first look beside the other tools was not exact: %s\n", orNone(twice))
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, "; ")
}

// cause is what doctor blames, with what it should have blamed where that is something else.
func (r Row) cause() string {
	var ids []string
	for _, id := range r.Blamed {
		ids = append(ids, string(id))
	}
	text := strings.Join(ids, ", ")
	if text == "" {
		text = "nothing"
	}
	if len(r.Blamed) == 1 && r.Blamed[0] == r.Want {
		return text + " " + check.Find(r.Want).Title
	}
	return text + " INSTEAD OF " + string(r.Want)
}

func yesNo(b bool) string {
	if b {
		return "right"
	}
	return "WRONG"
}
