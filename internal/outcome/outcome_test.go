// SPDX-License-Identifier: Apache-2.0

package outcome_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestEachConstructorSaysWhatHappensNext(t *testing.T) {
	for name, test := range map[string]struct{ got, want *outcome.Error }{
		"stalled waits for somebody": {outcome.Stalled("Reason", "%d of %d", 1, 2),
			&outcome.Error{Reason: "Reason", Message: "1 of 2"}},
		"waiting looks again less and less often": {outcome.Waiting("Reason", time.Second, "soon"),
			&outcome.Error{Reason: "Reason", Message: "soon", After: time.Second, AtMost: outcome.MaxWait}},
		"waiting for what is watched does not look by itself": {outcome.Waiting("Reason", 0, "soon"),
			&outcome.Error{Reason: "Reason", Message: "soon"}},
		"until waits exactly as long": {outcome.Until("Reason", time.Second, "soon"),
			&outcome.Error{Reason: "Reason", Message: "soon", After: time.Second}},
		"stalled may look again nevertheless": {outcome.Stalled("Reason", "no").Every(time.Second).For("this"), &outcome.Error{
			Reason: "Reason", Message: "no", After: time.Second, AtMost: outcome.MaxWait, About: "this",
		}},
		"unknown waits for another step": {outcome.Unknown("Reason", "later"),
			&outcome.Error{Reason: "Reason", Message: "later", Unknown: true}},
		"unlearnt keeps what stands": {outcome.Unlearnt("Reason", "later"),
			&outcome.Error{Reason: "Reason", Message: "later", Unknown: true, Keep: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromFindsTheOutcomeInAChain(t *testing.T) {
	known := outcome.Stalled("Known", "known")
	for name, test := range map[string]struct {
		err  error
		want *outcome.Error
	}{
		"an outcome":            {known, known},
		"a wrapped outcome":     {fmt.Errorf("publishing: %w", known), known},
		"an outcome among some": {errors.Join(errors.New("other"), known), known},
		"any other error":       {errors.New("no route"), &outcome.Error{Reason: "Fallback", Message: "no route", Retry: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, outcome.From(test.err, "Fallback")); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOutcomeReadsAsItsMessage(t *testing.T) {
	if got := error(outcome.Stalled("Reason", "do this")).Error(); got != "do this" {
		t.Errorf("got %q", got)
	}
}

func TestWhatLastsIsLookedAtLessAndLessOften(t *testing.T) {
	slowing := outcome.Waiting("Reason", 2*time.Second, "a server is down")
	for lasted, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, time.Second: 2 * time.Second, 10 * time.Second: 10 * time.Second, time.Minute: time.Minute, time.Hour: outcome.MaxWait,
	} {
		if got := slowing.Again(lasted); got != want {
			t.Errorf("after %s: looked at again after %s, want %s", lasted, got, want)
		}
	}
	if got := outcome.Until("Reason", 2*time.Second, "soon").Again(time.Hour); got != 2*time.Second {
		t.Errorf("got %s until a moment that is two seconds away", got)
	}
	if got := outcome.Waiting("Reason", 0, "soon").Again(time.Hour); got != 0 {
		t.Errorf("got %s for what is watched", got)
	}
}
