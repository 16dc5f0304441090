// SPDX-License-Identifier: Apache-2.0

package dane_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dane"
)

var start = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	const ttl = 5 * time.Minute
	facts := func(best, handed string, after time.Duration) dane.Facts {
		return dane.Facts{Best: best, Handed: handed, TTL: ttl, Now: start.Add(after)}
	}
	waiting := dane.State{Served: "a", Next: "b", Since: start}
	expired := facts("b", "a", 0)
	expired.HandedExpired = true
	for name, test := range map[string]struct {
		state dane.State
		facts dane.Facts
		want  dane.Decision
	}{
		"the first certificate of all": {dane.State{}, facts("a", "", 0), dane.Decision{Keys: []string{"a"}}},
		"records for a server that runs": {dane.State{}, facts("a", "a", 0),
			dane.Decision{State: dane.State{Served: "a"}, Keys: []string{"a"}}},
		"another key, whose record is not everywhere yet": {dane.State{Served: "a"}, facts("b", "a", time.Hour),
			dane.Decision{State: dane.State{Served: "a", Next: "b"}, Keys: []string{"a", "b"}, Hold: true}},
		"its record is everywhere, but not in every cache": {waiting, facts("b", "a", ttl-time.Second),
			dane.Decision{State: waiting, Keys: []string{"a", "b"}, Hold: true, After: time.Second}},
		"no cache can have the old records": {waiting, facts("b", "a", ttl),
			dane.Decision{State: waiting, Keys: []string{"a", "b"}}},
		"handed over, but not taken up for certain": {waiting, facts("b", "b", ttl),
			dane.Decision{State: dane.State{Served: "a"}, Keys: []string{"a", "b"}}},
		"taken up": {dane.State{Served: "b"}, facts("b", "b", ttl),
			dane.Decision{State: dane.State{Served: "b"}, Keys: []string{"b"}}},
		"a third key while the second waits": {waiting, facts("c", "a", ttl),
			dane.Decision{State: dane.State{Served: "a", Next: "c"}, Keys: []string{"a", "c"}, Hold: true}},
		"back to the first key while the second waits": {waiting, facts("a", "a", ttl),
			dane.Decision{State: dane.State{Served: "a"}, Keys: []string{"a"}}},
		"the certificate in place has expired": {dane.State{Served: "a"}, expired,
			dane.Decision{State: dane.State{Served: "a", Next: "b"}, Keys: []string{"a", "b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, dane.Decide(test.state, test.facts)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// A resolver may have asked at any moment and keep the answer for its TTL; the server takes up what it was handed at any
// moment; certificates change at any moment. Whatever was served at any time, every answer that was still good had it.
func TestNoCacheEverLacksTheKeyThatIsServed(t *testing.T) {
	const ttl = 7
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		state := dane.State{}
		best, handed, served := "k0", "k0", "k0"
		published := make([][]string, 0, 400) // by the second
		for second := range 400 {
			now := start.Add(time.Duration(second) * time.Second)
			if random.IntN(20) == 0 {
				best = "k" + string(rune('0'+random.IntN(5)))
			}
			d := dane.Decide(state, dane.Facts{Best: best, Handed: handed, TTL: ttl * time.Second, Now: now})
			state = d.State
			if !d.Hold {
				handed = best
			}
			if random.IntN(3) == 0 {
				served = handed
				state.Served = served
			}
			current := d.Keys
			if second > 0 && random.IntN(4) == 0 { // an update that fails
				current = published[second-1]
			} else {
				state = state.Published(now)
			}
			published = append(published, current)
			for ago := range min(ttl, second+1) {
				if answer := published[second-ago]; !slices.Contains(answer, served) {
					t.Fatalf("second %d: %s is served, a resolver has %v from %d s before", second, served, answer, ago)
				}
			}
			if random.IntN(50) == 0 {
				state.Since = time.Time{} // status was not written
			}
		}
	}
}
