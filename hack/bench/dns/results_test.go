// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is a run in which everything that is promised was measured and kept.
func sample() (*results, plan) {
	p := planOf(options{quick: true})
	r := &results{Began: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Machine: "2 cores", Versions: map[string]string{"BIND": "9.18"}}
	many, few, crowded := newSet("x", p.many, 0), newSet("x", p.few, 0), newSet("x", p.few, p.foreign)
	for _, arm := range allArms(nil, nil) {
		r.Arms = append(r.Arms, arm)
	}
	r.add(address, "E1", many, 20000, 30000, 40000)
	r.add(address, "E3", many, 900, 1000, 1100)
	r.add(address, "X1", many, 9, 10, 11)
	r.add(address, "X1", few, 10)
	r.add(address, "X1", crowded, 11)
	r.add(burst, "E3", many, 10000)
	r.add(burst, "X1", many, 1000)
	for measure, all := range map[string][]string{
		idle: {updatesIdle, unstatedIdle}, port: {staleRecords}, deletion: {recordsLeft, markersLeft},
	} {
		set := many
		if measure != idle {
			set = p.serviceSet("x")
		}
		for _, what := range all {
			r.note(measure, "X1", set, what, 0)
		}
	}
	return r, p
}

func TestQuantilesAreSamplesByNearestRank(t *testing.T) {
	samples := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.2: 1, 0.5: 3, 0.95: 5, 1: 5} {
		if got := quantile(samples, q); got != want {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestPromisesAreKeptOnlyByWhatWasMeasured(t *testing.T) {
	good, p := sample()
	good.judge(p)
	if err := good.failed(); err != nil || len(good.Verdicts) == 0 {
		t.Fatalf("a good run: %v, of %v", err, good.Verdicts)
	}
	for i := range good.Series {
		if s := good.Series[i]; s.Arm == "X1" {
			r, p := sample()
			r.Series[i].Samples = []float64{1e6}
			if s.Measure == address && s.Names == p.few && s.Foreign == 0 {
				r.Series[i].Samples = nil // slower without foreign names would be no harm
			}
			if r.judge(p); r.failed() == nil {
				t.Errorf("%s at %d names was slow, and nothing was missed", s.Measure, s.Names)
			}
		}
	}
	for i := range good.Facts {
		r, p := sample()
		r.Facts[i].Value = 1
		if r.judge(p); r.failed() == nil {
			t.Errorf("%s: %s was 1, and nothing was missed", r.Facts[i].Measure, r.Facts[i].What)
		}
	}
	empty := &results{}
	if empty.judge(p); empty.failed() == nil {
		t.Error("nothing was measured, and nothing was missed")
	}
}

func TestTheChartIsWellFormedAndShowsEachArm(t *testing.T) {
	r, _ := sample()
	var chart bytes.Buffer
	if err := r.chart(&chart); err != nil {
		t.Fatal(err)
	}
	if bars := strings.Count(chart.String(), "<rect"); bars != len(r.bars()) || bars < 4 {
		t.Errorf("%d bars for %d medians", bars, len(r.bars()))
	}
	for decoder := xml.NewDecoder(&chart); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePageOfTheDocumentationIsWhatItsRawDataSay(t *testing.T) {
	const docs = "../../../docs"
	dir := t.TempDir()
	if err := renderFile(filepath.Join(docs, "benchmarks", resultsFile), dir); err != nil {
		t.Fatal(err)
	}
	for made, kept := range map[string]string{pageFile: "benchmarks", chartFile: "images"} {
		want, err := os.ReadFile(filepath.Join(dir, made))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(docs, kept, made))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s/%s is not what the raw data say (%v); run: go run ./hack/bench/dns -render docs/benchmarks/%s -out DIRECTORY, "+
				"and copy what it writes", kept, made, err, resultsFile)
		}
	}
}
