// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestWhatIsRefusedIsToldWithWhatIsNot(t *testing.T) {
	why := func(name string) *dns.Error {
		return &dns.Error{Reason: v1alpha1.ReasonOwnershipConflict, Message: name + " is somebody else's", Permanent: true}
	}
	names := func(number int) []dns.Unit {
		var units []dns.Unit
		for i := range number {
			units = append(units, dns.Unit{Anchor: fmt.Sprintf("d%d.cupdomain.com", i)})
		}
		return units
	}
	refusing := func(number int) map[string]*dns.Error {
		refused := map[string]*dns.Error{}
		for i := range number {
			refused[fmt.Sprintf("d%d.cupdomain.com.", i)] = why(fmt.Sprintf("d%d", i))
		}
		return refused
	}
	lag := &outcome.Error{Reason: v1alpha1.ReasonPropagationPending, After: 2 * time.Second}
	for name, test := range map[string]struct {
		refused, names int
		besides        error
		message        string
		after          time.Duration
	}{
		"nothing":         {0, 3, nil, "", 0},
		"the only name":   {1, 1, nil, "d0 is somebody else's", 30 * time.Second},
		"one of three":    {1, 3, nil, "2 of 3 names are kept up to date in the DNS; d0.cupdomain.com is not: d0 is somebody else's", 30 * time.Second},
		"two of three":    {2, 3, nil, "1 of 3 names are kept up to date in the DNS; d0.cupdomain.com, d1.cupdomain.com are not; of the first: d0 is somebody else's", 30 * time.Second},
		"nine of ten":     {9, 10, nil, "1 of 10 names are kept up to date in the DNS; d0.cupdomain.com, d1.cupdomain.com, d2.cupdomain.com, d3.cupdomain.com, d4.cupdomain.com, d5.cupdomain.com, 3 more are not; of the first: d0 is somebody else's", 30 * time.Second},
		"a server lags":   {1, 3, lag, "2 of 3 names are kept up to date in the DNS; d0.cupdomain.com is not: d0 is somebody else's", 2 * time.Second},
		"a zone is wrong": {1, 3, outcome.Stalled(v1alpha1.ReasonTSIGKeyUnknown, "no such key"), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			reports := map[string]zoneReport{"cupdomain.com": {refused: refusing(test.refused)}}
			failed := refusal(reports, map[string][]dns.Unit{"cupdomain.com": names(test.names)}, test.besides)
			if failed == nil && test.message == "" {
				return
			}
			if failed == nil || failed.Message != test.message || failed.After != test.after || failed.Reason != v1alpha1.ReasonOwnershipConflict {
				t.Errorf("got %+v, want %q after %s", failed, test.message, test.after)
			}
		})
	}
}
