// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns/route53"
)

func TestZonesOfOneAccountShareItsLimit(t *testing.T) {
	var limits limiters
	first := limits.of("one account", route53.NewLimiter)
	if limits.of("one account", route53.NewLimiter) != first {
		t.Error("the second zone of an account has another limiter than the first")
	}
	if limits.of("another account", route53.NewLimiter) == first {
		t.Error("two accounts have the same limiter")
	}
}
