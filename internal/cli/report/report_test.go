// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/report"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got); if that is right, run the test with -update:\n%s", file, diff)
	}
}

func TestReportsAreThoseOfTheGoldenFiles(t *testing.T) {
	found := report.New("chat/cup", example.Examined())
	for _, style := range []text.Style{{Width: 80}, {Width: 80, Colour: true}, {Width: 200}} {
		for _, wide := range []bool{false, true} {
			name := fmt.Sprintf("table-%d", style.Width)
			if wide {
				name = fmt.Sprintf("wide-%d", style.Width)
			}
			if style.Colour {
				name += "-colour"
			}
			t.Run(name, func(t *testing.T) {
				got := report.Render(found, style, wide)
				compare(t, name, got)
				for line := range strings.SplitSeq(got, "\n") {
					if !style.Colour && text.Columns(line) > style.Width {
						t.Errorf("a line of %d columns: %s", text.Columns(line), line)
					}
				}
			})
		}
	}
	t.Run("junit", func(t *testing.T) {
		got, err := report.JUnit(found)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "junit", got)
		var parsed struct {
			Suites []struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal([]byte(got), &parsed); err != nil || len(parsed.Suites) != 3 || parsed.Suites[0].Failures != 2 {
			t.Errorf("got %+v, %v", parsed, err)
		}
	})
}

func TestAReportCountsVerdicts(t *testing.T) {
	found := report.New("chat/cup", example.Examined())
	if want := (report.Summary{Pass: 11, Warn: 1, Fail: 2, Skip: 6}); found.Summary != want || !found.Failed() {
		t.Errorf("got %+v, want %+v", found.Summary, want)
	}
	warned := report.New("example.org", []check.Result{{ID: check.Expiry, Mark: check.Warn}})
	if warned.Failed() {
		t.Error("a warning is no failure")
	}
}

func TestTheSameOfSeveralAddressesIsToldOnce(t *testing.T) {
	var results []check.Result
	for _, at := range []string{"203.0.113.1:5269", "[2001:db8::1]:5269"} {
		results = append(results, check.Result{ID: check.TCP, Domain: "example.org", From: check.Here, Subject: at, Mark: check.Pass, Words: "open"})
	}
	got := report.Render(report.New("example.org", results), text.Style{Width: 80}, false)
	if !strings.Contains(got, "203.0.113.1:5269, [2001:db8::1]:5269: open") || strings.Count(got, "open") != 1 {
		t.Errorf("got:\n%s", got)
	}
}
