// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/clock"
)

var now = time.Date(2026, time.November, 30, 1, 0, 0, int(300*time.Millisecond), time.UTC)

const wait = 5 * time.Minute

func TestATimeFromTheFutureCountsAsNow(t *testing.T) {
	stamp := now.Truncate(time.Second).Add(time.Second)
	for name, test := range map[string]struct {
		at          time.Time
		past, until time.Time
		left        time.Duration
		due         bool
	}{
		"no time at all":             {time.Time{}, time.Time{}, time.Time{}, 0, true},
		"long ago":                   {now.Add(-time.Hour), now.Add(-time.Hour), now.Add(-time.Hour), 0, true},
		"exactly the wait ago":       {now.Add(-wait), now.Add(-wait), now.Add(-wait), 0, true},
		"while it runs":              {now.Add(-time.Minute), now.Add(-time.Minute), now.Add(-time.Minute), wait - time.Minute, false},
		"now":                        {now, now, now, wait, false},
		"the second that comes next": {stamp, stamp, stamp, wait, false},
		"a second too late":          {stamp.Add(time.Second), stamp, stamp.Add(time.Second), wait, true},
		"a year ahead":               {now.Add(365 * 24 * time.Hour), stamp, stamp.Add(wait), wait, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := clock.Past(test.at, now); !got.Equal(test.past) {
				t.Errorf("it counts as %s, want %s", got, test.past)
			}
			if got := clock.Until(test.at, now, wait); !got.Equal(test.until) {
				t.Errorf("as an end it counts as %s, want %s", got, test.until)
			}
			if got := clock.Left(test.at, now, wait); got != test.left {
				t.Errorf("%s of the wait are left, want %s", got, test.left)
			}
			if got := clock.Due(test.at, now, wait); got != test.due {
				t.Errorf("due is %t, want %t", got, test.due)
			}
		})
	}
	if whole := now.Truncate(time.Second); !clock.Stamp(whole).Equal(whole) {
		t.Errorf("a whole second is written down as %s", clock.Stamp(whole))
	}
}

// Whatever was written down, and however clocks jump between two looks, what is written down again never lies more than the wait
// ahead, and the wait ends as soon as the clock has gone on by it.
func TestNoTimeMakesAWaitLongerThanItself(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		at := now
		for range 5 {
			looked := now.Add(time.Duration(random.Int64N(int64(48*time.Hour))) - 24*time.Hour)
			at = clock.Past(at.Add(time.Duration(random.Int64N(int64(time.Hour)))-30*time.Minute), looked)
			if left := clock.Left(at, looked, wait); left < 0 || left > wait {
				t.Fatalf("written down at %s, %s are left at %s", at, left, looked)
			}
			if ended := looked.Add(wait + time.Second); clock.Left(at, ended, wait) != 0 || !clock.Due(at, ended, wait) {
				t.Fatalf("written down at %s, looked at %s: not over at %s", at, looked, ended)
			}
		}
	}
}
