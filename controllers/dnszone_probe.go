// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// pace of the probes of a zone.
type pace struct {
	// interval between probes while they go well.
	interval time.Duration
	// timeout of a probe.
	timeout time.Duration
}

var (
	// primaryPace is that of zones whose primary is asked for its start of authority: one small query for each zone, however many
	// Federations publish there.
	primaryPace = pace{interval: 3 * time.Second, timeout: 5 * time.Second}
	// distantPace is that of zones whose servers, webhook or API are somebody else's. A probe may have to wait until those Federations
	// at work in zones of the same account have had their turns.
	distantPace = pace{interval: 30 * time.Second, timeout: 10 * time.Second}
)

// soonestProbe is the pause after the first probe that went wrong. It doubles from probe to probe, up to rarestProbe: so an outage is
// known to be over after as much time again as it took, and within a minute.
const (
	soonestProbe = 2 * time.Second
	rarestProbe  = time.Minute
)

// rarestCount bounds how old the numbers in status of a DNSZone get that has no provider to probe.
const rarestCount = outcome.MaxWait

func paceOf(provider v1alpha1.DNSProvider) pace {
	if provider.RFC2136 != nil {
		return primaryPace
	}
	return distantPace
}

// builtProvider is a provider, what it was made from, and how its probes went.
type builtProvider struct {
	generation int64
	secrets    ZoneSecrets
	provider   ZoneProvider

	// probed tells that there is a verdict of a probe; it is nil if the zone can be used.
	probed  bool
	verdict *outcome.Error
	// pause until the next probe; zero if it is that of the pace.
	pause time.Duration
}

// probe finds out whether the zone can be used. One that had no turn learns nothing, so the verdict before stands.
func (b *builtProvider) probe(ctx context.Context, p pace) *outcome.Error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	err := b.provider.Probe(ctx)
	if err == nil {
		b.probed, b.verdict, b.pause = true, nil, 0
		return nil
	}
	verdict := outcome.From(dnsOutcome(err), v1alpha1.ReasonServerUnavailable)
	noTurn := errors.Is(err, dns.ErrNoTurn)
	switch {
	case noTurn:
		b.pause = min(max(2*b.pause, soonestProbe), p.interval)
	case verdict.Reason == v1alpha1.ReasonRateLimited:
		b.pause = min(max(2*b.pause, verdict.After), rarestProbe)
	default:
		b.pause = min(max(2*b.pause, soonestProbe), rarestProbe)
	}
	if noTurn && b.probed {
		return b.verdict
	}
	b.probed, b.verdict = !noTurn, verdict
	return verdict
}

// scattered is next, longer by up to a fifth after a probe that went wrong, so that not all zones of a server that was down are
// probed at once.
func (b *builtProvider) scattered(p pace) time.Duration {
	next := b.next(p)
	if next > p.interval {
		return wait.Jitter(next, scatter)
	}
	return next
}

// next returns the delay before the next probe. What is missing for one is watched.
func (b *builtProvider) next(p pace) time.Duration {
	switch {
	case b.provider == nil:
		return rarestCount
	case b.pause > 0:
		return b.pause
	}
	return p.interval
}
