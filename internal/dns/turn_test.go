// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestATurnThatLeavesARequestNoTimeIsNone(t *testing.T) {
	for name, test := range map[string]struct {
		wait, within time.Duration
		want         error
	}{
		"as nobody waits":       {0, time.Minute, nil},
		"without a bound":       {time.Millisecond, 0, nil},
		"after the time is up":  {time.Hour, time.Minute, dns.ErrNoTurn},
		"right before it is up": {time.Minute - time.Second, time.Minute, dns.ErrNoTurn},
	} {
		t.Run(name, func(t *testing.T) {
			limiter := rate.NewLimiter(rate.Every(max(test.wait, time.Nanosecond)), 1)
			limiter.Allow()
			ctx := t.Context()
			if test.within > 0 {
				bounded, cancel := context.WithTimeout(ctx, test.within)
				defer cancel()
				ctx = bounded
			}
			if err := dns.AwaitTurn(ctx, limiter); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
