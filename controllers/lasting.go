// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// lasting remembers since when the same has been wrong with each Federation. Conditions don't tell: their time is that of
// the status, and a server that has just begun to lag is worth another look soon, though the one before was down for hours.
type lasting struct {
	mu    sync.Mutex
	byFed map[types.UID]map[string]said
}

// said is what was said of a condition of one generation, without a break since then, and since when something has been wrong.
type said struct {
	generation   int64
	text         string
	since, began time.Time
}

// amiss returns for how long something has been wrong with a condition, according to what was noted before.
func (l *lasting) amiss(uid types.UID, condition string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, found := l.byFed[uid][condition]; found {
		return now.Sub(was.began)
	}
	return 0
}

// note keeps what is found now, and returns for how long it has been, by condition type. What is well, or has to wait for another
// step, is left out. A change of the spec may be the cure, so that what is said of another generation is said for the first time.
func (l *lasting) note(uid types.UID, generation int64, findings map[string]finding, now time.Time) map[string]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, lasted := map[string]said{}, map[string]time.Duration{}
	for condition, f := range findings {
		if f.err == nil || f.err.Unknown && !f.err.Keep && f.err.AtMost == 0 {
			continue
		}
		was, found := l.byFed[uid][condition]
		if !found {
			was.began = now
		}
		if text := textOf(f.err) + f.err.About; was.text != text || was.generation != generation {
			was.generation, was.text, was.since = generation, text, now
		}
		known[condition], lasted[condition] = was, now.Sub(was.since)
	}
	if len(known) == 0 {
		delete(l.byFed, uid)
		return lasted
	}
	if l.byFed == nil {
		l.byFed = map[types.UID]map[string]said{}
	}
	l.byFed[uid] = known
	return lasted
}
