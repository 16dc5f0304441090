// SPDX-License-Identifier: Apache-2.0

// Package limits decides, from counters that servers keep since they started, what they refuse or delay at present.
package limits

import (
	"maps"
	"time"
)

// Counters are those of one server, by what they count.
type Counters map[string]int64

// Growth remembers readings of the counters of a Federation's servers. The zero value knows nothing.
type Growth struct {
	// began is when all servers were read for the first time.
	began time.Time
	// last is what was read last, by server: nil for servers that were there and have not been read yet. The map is nil until the
	// servers were listed.
	last map[string]Counters
	// spans are the times in which counters grow, by what they count.
	spans map[string]span
}

// span is a time in which a counter grows again and again.
type span struct{ since, latest time.Time }

// Read takes what was read now, by server, and returns which counters grow, and since when. A counter grows until all servers were
// read and it has not for the time quiet, so that what comes and goes does not make a Federation's status come and go. Servers that
// are there and could not be read have nil; those that are left out are gone. Servers is nil when nobody could tell which there are.
//
// Known is false as long as more may grow than is returned: a server could not be read, or the time quiet has not passed since all were
// read first, as what was counted before that may be long over or not.
func (g *Growth) Read(servers map[string]Counters, now time.Time, quiet time.Duration) (growing map[string]time.Time, known bool) {
	complete, next := servers != nil, map[string]Counters{}
	for server, counters := range servers {
		before, seen := g.last[server]
		switch {
		case counters == nil:
			complete, counters = false, before
		case before != nil, !seen && g.last != nil: // a server that is new has counted from zero
			g.compare(before, counters, now)
		}
		next[server] = counters
	}
	if servers != nil {
		g.last = next
	}
	if complete {
		maps.DeleteFunc(g.spans, func(_ string, s span) bool { return now.Sub(s.latest) >= quiet })
	}
	if complete && g.began.IsZero() {
		g.began = now
	}
	growing = map[string]time.Time{}
	for name, s := range g.spans {
		growing[name] = s.since
	}
	return growing, complete && now.Sub(g.began) >= quiet
}

// compare notes what has grown. A server that was started again has counted from zero.
func (g *Growth) compare(before, counters Counters, now time.Time) {
	for name, count := range counters {
		if was := before[name]; count == was || count == 0 {
			continue
		}
		s, growing := g.spans[name]
		if !growing {
			s.since = now
		}
		s.latest = now
		if g.spans == nil {
			g.spans = map[string]span{}
		}
		g.spans[name] = s
	}
}
