// SPDX-License-Identifier: Apache-2.0

//go:build integration

package throughput

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// sample is one measurement.
type sample struct {
	Version   string `json:"version"`
	Way       string `json:"way"`
	Recipient string `json:"recipient"`
	Round     int    `json:"round"`
	Stanzas   int    `json:"stanzas"`
	// Seconds is how long the measurement took. CPU is the processor time that the server used, in seconds.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpuSeconds"`
	// Resident is the memory of the server at the end, in bytes.
	Resident int64 `json:"residentBytes"`
}

func (s sample) perSecond() float64 { return float64(s.Stanzas) / s.Seconds }

// cost is the processor time of a stanza in microseconds.
func (s sample) cost() float64 { return s.CPU / float64(s.Stanzas) * 1e6 }

// BenchmarkPartner has one partner send as fast as the server takes it, to each kind of recipient. The ways take turns, in
// another order in every round.
func BenchmarkPartner(b *testing.B) {
	selected := ways()
	var samples []sample
	for _, version := range versions() {
		for round := range *rounds {
			for i := range selected {
				a := selected[(i+round)%len(selected)]
				samples = append(samples, measure(b, version, a, round)...)
			}
		}
	}
	var earlier []sample
	if *before != "" {
		text, err := os.ReadFile(*before)
		must(b, err)
		must(b, json.Unmarshal(text, &earlier))
	}
	fmt.Print("\n", table(samples, earlier))
	write(b, samples)
}

// ways returns those that are measured.
func ways() []way {
	wanted := regexp.MustCompile(*arms)
	return slices.DeleteFunc(slices.Clone(all), func(w way) bool { return !wanted.MatchString(w.Name) })
}

// kinds returns the recipients that are measured.
func kinds() []string {
	wanted := regexp.MustCompile(*to)
	return slices.DeleteFunc(slices.Clone(recipients), func(kind string) bool { return !wanted.MatchString(kind) })
}

func versions() []string {
	if *only != "" {
		return []string{*only}
	}
	return prosodytest.Versions
}

// measure runs one server and returns a sample for each recipient.
func measure(b *testing.B, version string, a way, round int) (samples []sample) {
	s := prepare(b, version, a)
	defer s.start(b, a)()
	for _, user := range kinds() {
		s.ready(b, user)
		stream := s.federate(b)
		p := newPump(stream, user)
		if _, _, err := p.run(*each, warm); err != nil {
			b.Fatalf("%s, %s: %v", a.Name, user, err)
		}
		before := s.CPU(b)
		handled, took, err := p.run(*each, most)
		if err != nil {
			b.Fatalf("%s, %s: %v\n%s", a.Name, user, err, s.Log())
		}
		samples = append(samples, sample{
			Version: version, Way: a.Name, Recipient: user, Round: round,
			Stanzas: handled, Seconds: took.Seconds(), CPU: (s.CPU(b) - before).Seconds(), Resident: s.Resident(b),
		})
		must(b, p.drain())
		stream.Close()
	}
	return samples
}

func write(b *testing.B, what any) {
	if *out == "" {
		return
	}
	text, err := json.MarshalIndent(what, "", " ")
	must(b, err)
	must(b, os.WriteFile(*out, append(text, '\n'), 0o644))
}

// table shows medians by version, recipient and way, and their ratios to a Prosody without limits in the same round. Samples of an
// earlier version, if there are any, have two more columns.
func table(samples, earlier []sample) string {
	var text strings.Builder
	fmt.Fprintf(&text, "| Prosody | recipient | | stanzas/s | of %s | CPU µs a stanza | of it | MiB |", stock)
	if earlier != nil {
		text.WriteString(" stanzas/s before | of it |")
	}
	text.WriteString("\n|---|---|---|---:|---:|---:|---:|---:|")
	if earlier != nil {
		text.WriteString("---:|---:|")
	}
	text.WriteString("\n")
	for _, version := range versions() {
		for _, kind := range kinds() {
			for _, w := range ways() {
				now := summarize(samples, version, kind, w.Name)
				fmt.Fprintf(&text, "| %s | %s | %s | %.0f | %.2f | %.0f | %.2f | %.0f |",
					version, kind, w.Name, now.rate, now.rateRatio, now.cost, now.costRatio, now.resident/(1<<20))
				if earlier != nil {
					then := summarize(earlier, version, kind, w.Name)
					fmt.Fprintf(&text, " %s | %s |", then.text("%.0f", then.rate), then.text("%.2f", then.rateRatio))
				}
				text.WriteString("\n")
			}
		}
	}
	return text.String()
}

// summary holds the medians of some samples, and the medians of their ratios to a Prosody without limits.
type summary struct {
	samples                                    int
	rate, rateRatio, cost, costRatio, resident float64
}

// text formats a number, or returns nothing when there are no samples.
func (s summary) text(format string, number float64) string {
	if s.samples == 0 {
		return ""
	}
	return fmt.Sprintf(format, number)
}

func summarize(samples []sample, version, kind, name string) summary {
	var rates, rateRatios, costs, costRatios, resident []float64
	for _, s := range samples {
		if s.Version != version || s.Recipient != kind || s.Way != name {
			continue
		}
		rates, costs, resident = append(rates, s.perSecond()), append(costs, s.cost()), append(resident, float64(s.Resident))
		for _, r := range samples {
			if r.Version == version && r.Recipient == kind && r.Way == stock && r.Round == s.Round {
				rateRatios, costRatios = append(rateRatios, s.perSecond()/r.perSecond()), append(costRatios, s.cost()/r.cost())
			}
		}
	}
	return summary{
		samples: len(rates), rate: median(rates), rateRatio: median(rateRatios),
		cost: median(costs), costRatio: median(costRatios), resident: median(resident),
	}
}

// median returns NaN when there are no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
