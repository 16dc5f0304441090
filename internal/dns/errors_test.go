// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestWhatHealsByItselfIsTriedAgainSooner(t *testing.T) {
	outage := (&dns.Error{Reason: v1alpha1.ReasonServerUnavailable}).RetryAfter()
	for _, reason := range []string{
		v1alpha1.ReasonOwnershipConflict, v1alpha1.ReasonTSIGBadSignature, v1alpha1.ReasonNotApplied, v1alpha1.ReasonUpdateRefused,
	} {
		after := (&dns.Error{Reason: reason}).RetryAfter()
		if after <= outage || after > time.Minute {
			t.Errorf("%s: tried again after %s, want more than the %s after an outage, and at most a minute", reason, after, outage)
		}
	}
}

func TestOnlyAnOutageLeavesOpenWhetherAChangeWasMade(t *testing.T) {
	for reason, want := range map[string]bool{
		v1alpha1.ReasonServerUnavailable: true, v1alpha1.ReasonRateLimited: false, v1alpha1.ReasonUpdateRefused: false,
	} {
		before := &dns.Error{Reason: reason, Message: "said so"}
		e, ok := dns.AsError(dns.Unsettled(before))
		if !ok || e.Unsettled != want || e.Message != "said so" || before.Unsettled {
			t.Errorf("%s: got %+v from %+v, want a copy with Unsettled %t", reason, e, before, want)
		}
	}
	if err := dns.Unsettled(dns.ErrPrerequisite); !errors.Is(err, dns.ErrPrerequisite) {
		t.Errorf("got %v, want what does not hold", err)
	}
}

func TestAnErrorIsFoundInAChain(t *testing.T) {
	inner := &dns.Error{Reason: v1alpha1.ReasonClockSkew}
	if got, ok := dns.AsError(fmt.Errorf("publishing: %w", inner)); !ok || got != inner {
		t.Errorf("got %v %t, want the inner error", got, ok)
	}
	if got, ok := dns.AsError(dns.ErrPrerequisite); ok {
		t.Errorf("got %v for an error of another type", got)
	}
}
