// SPDX-License-Identifier: Apache-2.0

package limits_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/limits"
)

const quiet = 10 * time.Minute

// reading is one of some servers, so long after noon, and what follows from it: since when counters grow, in minutes after noon.
type reading struct {
	minute  int
	servers map[string]limits.Counters
	want    map[string]int
	unknown bool
}

func one(counters limits.Counters) map[string]limits.Counters {
	return map[string]limits.Counters{"cup-0": counters}
}

func TestGrowth_SaysWhatIsRefusedAtPresent(t *testing.T) {
	none := map[string]int{}
	for name, readings := range map[string][]reading{
		"what was refused before the first reading may be over": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 5, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 7}), want: none},
		},
		"what grows is said since it was seen, and until it has been quiet for long": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 5, servers: one(limits.Counters{"names": 8}), want: map[string]int{"names": 5}, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 8}), want: map[string]int{"names": 5}},
			{minute: 14, servers: one(limits.Counters{"names": 9}), want: map[string]int{"names": 5}},
			{minute: 23, servers: one(limits.Counters{"names": 9}), want: map[string]int{"names": 5}},
			{minute: 24, servers: one(limits.Counters{"names": 9}), want: none},
			{minute: 30, servers: one(limits.Counters{"names": 10}), want: map[string]int{"names": 30}},
		},
		"a counter that is new has grown": {
			{minute: 0, servers: one(limits.Counters{}), want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"memory": 1}), want: map[string]int{"memory": 10}},
		},
		"a server that was started again has counted from zero": {
			{minute: 0, servers: one(limits.Counters{"names": 7, "memory": 3}), want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 2, "memory": 0}), want: map[string]int{"names": 10}},
		},
		"a pod in place of another has counted from zero": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 10, servers: map[string]limits.Counters{"cup-1": {"names": 7}}, want: map[string]int{"names": 10}},
		},
		"a first pod has counted from zero": {
			{minute: 0, servers: map[string]limits.Counters{}, want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 7}), want: map[string]int{"names": 10}},
		},
		"a pod that could not be read at first is compared with itself": {
			{minute: 0, servers: map[string]limits.Counters{"cup-0": {}, "cup-1": nil}, want: none, unknown: true},
			{minute: 5, servers: map[string]limits.Counters{"cup-0": {}, "cup-1": {"names": 7}}, want: none, unknown: true},
			{minute: 10, servers: map[string]limits.Counters{"cup-0": {}, "cup-1": {"names": 8}}, want: map[string]int{"names": 10}, unknown: true},
			{minute: 15, servers: map[string]limits.Counters{"cup-0": {}, "cup-1": {"names": 8}}, want: map[string]int{"names": 10}},
		},
		"a pod that does not answer for a while is compared with what it said before": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 5, servers: one(nil), want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 7}), want: none},
			{minute: 15, servers: one(limits.Counters{"names": 8}), want: map[string]int{"names": 15}},
		},
		"so is a pod while nobody can tell which there are": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 10, servers: nil, want: none, unknown: true},
			{minute: 15, servers: one(limits.Counters{"names": 7}), want: none},
		},
		"a pod that does not answer has not got better": {
			{minute: 0, servers: one(limits.Counters{"names": 7}), want: none, unknown: true},
			{minute: 10, servers: one(limits.Counters{"names": 8}), want: map[string]int{"names": 10}},
			{minute: 30, servers: one(nil), want: map[string]int{"names": 10}, unknown: true},
			{minute: 40, servers: nil, want: map[string]int{"names": 10}, unknown: true},
			{minute: 50, servers: one(limits.Counters{"names": 8}), want: none},
		},
		"without a reading nothing is ever known": {
			{minute: 0, servers: one(nil), want: none, unknown: true},
			{minute: 10, servers: nil, want: none, unknown: true},
			{minute: 60, servers: one(nil), want: none, unknown: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			noon := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
			var growth limits.Growth
			for _, r := range readings {
				growing, known := growth.Read(r.servers, noon.Add(time.Duration(r.minute)*time.Minute), quiet)
				got := map[string]int{}
				for name, since := range growing {
					got[name] = int(since.Sub(noon).Minutes())
				}
				if diff := cmp.Diff(r.want, got); diff != "" || known == r.unknown {
					t.Errorf("after %d minutes, known %t (-want +got):\n%s", r.minute, known, diff)
				}
			}
		})
	}
}
