// SPDX-License-Identifier: Apache-2.0

// Package clock reads times that were written down, by a clock that may have been wrong. A time at which something happened
// can't lie in the future, so one that does was written by a clock that was ahead, and counts as now: it makes nothing wait
// longer than the wait itself.
package clock

import "time"

// Stamp returns the time to write down for something that happens now. What is written down keeps whole seconds, so it is now
// or the second that comes next: a wait that begins there is not cut short.
func Stamp(now time.Time) time.Time { return now.Add(time.Second - 1).Truncate(time.Second) }

// Past returns when something happened, given the time that was written down: at itself, or Stamp(now) if at lies beyond it.
func Past(at, now time.Time) time.Time {
	if latest := Stamp(now); at.After(latest) {
		return latest
	}
	return at
}

// Until returns the end of a wait, given the end that was written down: at itself, or a whole wait from Stamp(now) if at lies
// beyond that.
func Until(at, now time.Time, wait time.Duration) time.Time {
	return Past(at.Add(-wait), now).Add(wait)
}

// Left returns how much is left of a wait that began at the given time: between zero and the wait itself.
func Left(began, now time.Time, wait time.Duration) time.Duration {
	return max(min(wait-now.Sub(began), wait), 0)
}

// Due reports whether it is time for something that is done once in an interval and was last done at the given time. If that
// lies in the future it is due, for nobody knows when it really was.
func Due(last, now time.Time, interval time.Duration) bool {
	return last.After(Stamp(now)) || now.Sub(last) >= interval
}
