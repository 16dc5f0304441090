// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// probed is a provider whose probes go as told, one after the other.
type probed struct {
	dns.Provider
	results []error
}

func (p *probed) Probe(context.Context) error {
	result := p.results[0]
	p.results = p.results[1:]
	return result
}

var (
	unavailable = &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "it does not answer"}
	limited     = &dns.Error{Reason: v1alpha1.ReasonRateLimited, Message: "it has had too many requests"}
	refused     = &dns.Error{Reason: v1alpha1.ReasonCredentialsRejected, Message: "it does not accept them", Permanent: true}
	noTurn      = &dns.Error{Reason: v1alpha1.ReasonRateLimited, Message: "there is no room", Err: dns.ErrNoTurn}
)

func TestAZoneInTroubleIsProbedAgainSoonButLessAndLessSo(t *testing.T) {
	for name, test := range map[string]struct {
		pace    pace
		results []error
		want    []time.Duration
	}{
		"usable":            {distantPace, []error{nil, nil}, []time.Duration{30, 30}},
		"without an answer": {distantPace, slices.Repeat([]error{unavailable}, 7), []time.Duration{2, 4, 8, 16, 32, 60, 60}},
		"for another cause": {distantPace, slices.Repeat([]error{errors.New("oops")}, 3), []time.Duration{2, 4, 8}},
		"limited":           {distantPace, slices.Repeat([]error{limited}, 4), []time.Duration{15, 30, 60, 60}},
		"without a turn":    {distantPace, slices.Repeat([]error{noTurn}, 3), []time.Duration{2, 4, 8}},
		"for good":          {distantPace, slices.Repeat([]error{refused}, 7), []time.Duration{2, 4, 8, 16, 32, 60, 60}},
		"now and then":      {distantPace, []error{unavailable, unavailable, nil, unavailable}, []time.Duration{2, 4, 30, 2}},
		"a primary":         {primaryPace, slices.Repeat([]error{unavailable}, 7), []time.Duration{2, 4, 8, 16, 32, 60, 60}},
	} {
		t.Run(name, func(t *testing.T) {
			b := builtProvider{provider: &probed{results: test.results}}
			for i, want := range test.want {
				b.probe(t.Context(), test.pace)
				if got := b.next(test.pace); got != want*time.Second {
					t.Errorf("after probe %d it waits %s, want %s", i+1, got, want*time.Second)
				}
			}
		})
	}
}

func TestAProbeThatHadNoTurnLeavesTheVerdictBefore(t *testing.T) {
	for name, test := range map[string]struct {
		results []error
		want    []string
	}{
		"usable":   {[]error{nil, noTurn, noTurn}, []string{"", "", ""}},
		"in doubt": {[]error{unavailable, noTurn, nil}, []string{v1alpha1.ReasonServerUnavailable, v1alpha1.ReasonServerUnavailable, ""}},
		"unknown":  {[]error{noTurn, noTurn, nil, noTurn}, []string{v1alpha1.ReasonRateLimited, v1alpha1.ReasonRateLimited, "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			b := builtProvider{provider: &probed{results: test.results}}
			for i, want := range test.want {
				got := ""
				if verdict := b.probe(t.Context(), distantPace); verdict != nil {
					got = verdict.Reason
				}
				if got != want {
					t.Errorf("after probe %d: got %q, want %q", i+1, got, want)
				}
			}
		})
	}
}
