// SPDX-License-Identifier: Apache-2.0

// Command testsum reads what go test -json prints and prints what a person wants to know: a line per package, the whole
// output of every test that failed, and every test that was skipped, with the reason. It ends with 1 if a test failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// An event is one line of go test -json (go doc test2json, go help buildjson).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// A summary is what was seen so far.
type summary struct {
	out                          io.Writer
	outputs                      map[string][]string // of tests that are running
	skipped                      map[string][]string // names of tests by the reason they were skipped for
	passes, fails, skips, broken int
}

func main() {
	ok, err := run(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run reports whether every package was built and every test passed or was skipped.
func run(in io.Reader, out io.Writer) (bool, error) {
	s := summary{out: out, outputs: map[string][]string{}, skipped: map[string][]string{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, fmt.Errorf("reading events: %w", err)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(s.skipped)) {
		fmt.Fprintf(out, "SKIP  %s\n      %s\n", reason, strings.Join(slices.Compact(s.skipped[reason]), "\n      "))
	}
	fmt.Fprintf(out, "%d tests passed, %d failed, %d skipped\n", s.passes, s.fails, s.skips)
	return s.fails == 0 && s.broken == 0, nil
}

// line passes on what is no event: what go itself has to say.
func (s *summary) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(s.out, "%s", line)
		return
	}
	if e.Test != "" {
		s.testEvent(e)
		return
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.broken++
	case "fail":
		s.broken++
		s.unfinished(e.Package)
	case "output":
		if !strings.HasPrefix(e.Output, "?") && e.Output != "PASS\n" && e.Output != "FAIL\n" {
			fmt.Fprint(s.out, e.Output)
		}
	}
}

// unfinished are the tests that were running when their package ended: go test times out, or a goroutine panics. What the
// process said last is in the output of one of them, and none gets an event that says it failed.
func (s *summary) unfinished(pkg string) {
	for _, name := range slices.Sorted(maps.Keys(s.outputs)) {
		if strings.HasPrefix(name, pkg+" ") {
			s.fails++
			fmt.Fprint(s.out, strings.Join(s.outputs[name], ""))
			delete(s.outputs, name)
		}
	}
}

func (s *summary) testEvent(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		s.outputs[name] = append(s.outputs[name], e.Output)
		return
	case "pass":
		s.passes++
	case "fail":
		s.fails++
		fmt.Fprint(s.out, strings.Join(s.outputs[name], ""))
	case "skip":
		s.skips++
		parent, _, _ := strings.Cut(e.Test, "/")
		why := reason(s.outputs[name])
		s.skipped[why] = append(s.skipped[why], e.Package+" "+parent)
	default:
		return
	}
	delete(s.outputs, name)
}

// place is the file and line that a test's own words begin with.
var place = regexp.MustCompile(`^\w+\.go:\d+: `)

// reason is what a skipped test said, without the lines of the test frame around it.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			said = append(said, place.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(said, " ")
}
