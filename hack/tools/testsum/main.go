// SPDX-License-Identifier: Apache-2.0

// Command testsum reads what go test -json prints and prints what a person wants to know: a line per package, the whole
// output of every test that failed, and every test that was skipped, with the reason. It ends with 1 if a test failed.
//
// With -v it prints the whole output of every test once the test has ended, so that tests that run side by side can be read
// one after the other, and a line when a test begins that waited for others (package share). With -times it appends a line per
// test to a file: seconds, -phase, result, package and test, separated by tabs. What a test waited for others is left out.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// waited is the name of the attribute (testing.T.Attr) by which a test says how many seconds it waited for others.
const waited = "waited"

// An event is one line of go test -json (go doc test2json, go help buildjson).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
	Key, Value string
}

// A summary is what was seen so far.
type summary struct {
	out     io.Writer
	times   io.Writer // nil: nobody wants to know
	phase   string
	verbose bool

	outputs                      map[string][]string // of tests that are running
	waits                        map[string]float64  // in seconds, of tests that waited for others
	skipped                      map[string][]string // names of tests by the reason they were skipped for
	passes, fails, skips, broken int
}

func main() {
	s := summary{out: os.Stdout}
	times := flag.String("times", "", "append how long each test took to this file")
	flag.StringVar(&s.phase, "phase", "", "what the lines of -times say that these tests are")
	flag.BoolVar(&s.verbose, "v", false, "print the output of tests that passed, too")
	flag.Parse()
	ok, err := s.toFile(*times)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// toFile is run with a file for times, if it has a name.
func (s *summary) toFile(times string) (bool, error) {
	if times == "" {
		return s.run(os.Stdin)
	}
	file, err := os.OpenFile(times, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("opening the file of times: %w", err)
	}
	defer file.Close()
	s.times = file
	return s.run(os.Stdin)
}

// run reports whether every package was built and every test passed or was skipped.
func (s *summary) run(in io.Reader) (bool, error) {
	s.outputs, s.skipped, s.waits = map[string][]string{}, map[string][]string{}, map[string]float64{}
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
		fmt.Fprintf(s.out, "SKIP  %s\n      %s\n", reason, strings.Join(slices.Compact(s.skipped[reason]), "\n      "))
	}
	fmt.Fprintf(s.out, "%d tests passed, %d failed, %d skipped\n", s.passes, s.fails, s.skips)
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
		if !turns.MatchString(e.Output) {
			s.outputs[name] = append(s.outputs[name], e.Output)
		}
		return
	case "attr":
		s.attribute(name, e)
		return
	case "pass":
		s.passes++
	case "fail":
		s.fails++
	case "skip":
		s.skips++
		parent, _, _ := strings.Cut(e.Test, "/")
		why := reason(s.outputs[name])
		s.skipped[why] = append(s.skipped[why], e.Package+" "+parent)
	default:
		return
	}
	s.ended(name, e)
}

// turns are the lines by which go test says whose output comes next, of tests that run side by side.
var turns = regexp.MustCompile(`^=== (PAUSE|CONT|NAME|ATTR) `)

// attribute notes what a test waited for others, and shows that it goes on.
func (s *summary) attribute(name string, e event) {
	seconds, err := strconv.ParseFloat(e.Value, 64)
	if e.Key != waited || err != nil {
		return
	}
	s.waits[name] = seconds
	if s.verbose {
		fmt.Fprintf(s.out, "=== BEGIN %s, which waited %.0f s for others\n", e.Test, seconds)
	}
}

// ended prints and forgets what a test said, and writes down how long it took. Only the time of a test as a whole counts, as its
// parts may run side by side.
func (s *summary) ended(name string, e event) {
	if e.Action == "fail" || s.verbose {
		fmt.Fprint(s.out, strings.Join(s.outputs[name], ""))
	}
	delete(s.outputs, name)
	if s.times != nil && !strings.Contains(e.Test, "/") {
		fmt.Fprintf(s.times, "%.1f\t%s\t%s\t%s\t%s\n", max(0, e.Elapsed-s.waits[name]), s.phase, e.Action, e.Package, e.Test)
	}
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
