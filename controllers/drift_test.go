// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math"
	"testing"
	"time"
)

func TestDrift_TellsChangesOfOthersFromOwnOnes(t *testing.T) {
	for name, test := range map[string]struct {
		known              bool
		was, is            uint32
		doneBefore, after  int
		open               int
		want               bool
		wantDoneAfterwards int
	}{
		"the first serial number says nothing":        {is: 7},
		"nothing changed":                             {known: true, was: 7, is: 7},
		"others changed it":                           {known: true, was: 7, is: 8, want: true},
		"an update of ours":                           {known: true, was: 7, is: 8, doneBefore: 1},
		"several of ours":                             {known: true, was: 7, is: 10, doneBefore: 3},
		"one of ours, and one of others":              {known: true, was: 7, is: 9, doneBefore: 1, want: true},
		"ours under way":                              {known: true, was: 7, is: 8, open: 1},
		"ours that ended while it was asked for":      {known: true, was: 7, is: 8, after: 1, wantDoneAfterwards: 1},
		"the zone was put back":                       {known: true, was: 7, is: 5, doneBefore: 9, want: true},
		"one of ours, where the number wraps around":  {known: true, was: math.MaxUint32, is: 0, doneBefore: 1},
		"another's, where the number wraps around":    {known: true, was: math.MaxUint32, is: 0, want: true},
		"one of ours, where serial numbers are times": {known: true, was: 1_800_000_000, is: 1_800_000_300, doneBefore: 1, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := drift{serial: test.was, known: test.known}
			for range test.doneBefore + test.after {
				d.begin()
				d.end(true)
			}
			for range test.open {
				d.begin()
			}
			d.begin()
			d.end(false) // what was refused changed nothing
			d.read(test.is, test.doneBefore)
			if d.suspected != test.want || d.done != test.wantDoneAfterwards {
				t.Errorf("got suspected %v with %d updates left to see, want %v with %d", d.suspected, d.done, test.want, test.wantDoneAfterwards)
			}
		})
	}
}

func TestDrift_BoundsTheCostOfABusyZone(t *testing.T) {
	d, now := drift{}, time.Unix(1_800_000_000, 0)
	var told []time.Duration
	for began := now; now.Sub(began) < time.Hour; now = now.Add(3 * time.Second) {
		d.suspected = true
		if last := d.told; d.due(now) && !last.IsZero() {
			told = append(told, now.Sub(last))
		}
	}
	for i, want := range []time.Duration{15, 30, 60, 120, 240, 300, 300} {
		if told[i] != want*time.Second {
			t.Errorf("pause %d is %s, want %s", i, told[i], want*time.Second)
		}
	}
	if len(told) > 20 {
		t.Errorf("told %d times in an hour", len(told))
	}
	d.harmed()
	now = d.told.Add(firstDriftPause)
	if d.suspected = true; !d.due(now) {
		t.Error("a zone in which records of ours were changed is looked at soon")
	}
}

func TestDrift_TellsAtOnceOfWhatIsChangedNowAndThen(t *testing.T) {
	d, now := drift{}, time.Unix(1_800_000_000, 0)
	for range 5 {
		if d.due(now) {
			t.Fatal("nothing changed")
		}
		if d.suspected = true; !d.due(now) {
			t.Fatal("a change is told later")
		}
		now = now.Add(10 * time.Minute)
	}
	d.told = now.Add(24 * time.Hour)
	if d.suspected = true; !d.due(now) {
		t.Fatal("a clock that was ahead keeps a change from being told")
	}
}
