// SPDX-License-Identifier: Apache-2.0

package brake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
)

// Window in which Federations that lose records are counted.
const Window = 10 * time.Minute

// Off is the limit of a brake that holds nothing back and counts nothing.
const Off = 0

// maxLimit bounds what has to be remembered, however large the zone.
const maxLimit = 1000

// Limit is how many Federations of one namespace may lose records within the window, of so many that have records in the zone.
func Limit(rule v1alpha1.RemovalBrake, federations int) int {
	if rule.Percent >= 100 {
		return Off
	}
	share := federations * int(rule.Percent) / 100
	return min(max(int(rule.Federations), share), maxLimit)
}

// Released tells whether an annotation of its DNSZone releases a brake now, or why one that is set does not.
func Released(annotations map[string]string, now time.Time) (released bool, void string) {
	value, set := annotations[v1alpha1.AnnotationBrakeReleasedUntil]
	if !set {
		return false, ""
	}
	until, err := time.Parse(time.RFC3339, value)
	switch {
	case err != nil:
		return false, fmt.Sprintf("the annotation's value %.*q is no such time", maxValue, value)
	case !now.Before(until):
		return false, fmt.Sprintf("the time in the annotation, %s, is over", until.Format(time.RFC3339))
	default:
		return true, ""
	}
}

// Losses tell when Federations, by namespace and name, first lost records.
type Losses map[string]time.Time

// Recent returns the losses that count at a time. Those that lie ahead, as the clock that wrote them did, count as of now.
func (l Losses) Recent(now time.Time) Losses {
	recent := Losses{}
	for who, at := range l {
		if at = clock.Past(at, now); now.Sub(at) < Window {
			recent[who] = at
		}
	}
	return recent
}

// Ahead reports whether one of the losses lies ahead of a time.
func (l Losses) Ahead(now time.Time) bool {
	for _, at := range l {
		if clock.Past(at, now) != at {
			return true
		}
	}
	return false
}

// verdict on a removal.
type verdict int

const (
	// pass: it may be done.
	pass verdict = iota
	// count: it may be done once its Federation is counted.
	count
	// wait: it is held back.
	wait
)

// judge a removal of one Federation by the losses that count. Who began to lose records may go on to the end.
//
// The limit holds for the Federations of one namespace, and once more for those of all others together, but the namespace that lost
// most: a team that makes and deletes Federations uses up what is its own, and a mistake that concerns all namespaces is stopped
// at twice the limit.
func (l Losses) judge(who string, limit int) verdict {
	if _, began := l[who]; limit == Off || began {
		return pass
	}
	byNamespace := map[string]int{namespaceOf(who): 1}
	for other := range l {
		byNamespace[namespaceOf(other)]++
	}
	most := slices.Max(slices.Collect(maps.Values(byNamespace)))
	all := len(l) + 1
	if byNamespace[namespaceOf(who)] > limit || all-most > limit || all > maxLimit {
		return wait
	}
	return count
}

// namespaceOf a Federation, given as namespace and name.
func namespaceOf(who string) string {
	namespace, _, _ := strings.Cut(who, "/")
	return namespace
}
