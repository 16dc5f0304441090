// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

const (
	// maxTurns is how many Federations are at work at the primary of one zone at the same time. A server takes a limited number
	// of connections (BIND 150), and more at once would not be faster.
	maxTurns = 16
	// maxChecks is how many ask all name servers of one zone at the same time. Where one does not answer each takes seconds, so
	// they are more; what bounds them is that nothing may get lost on the way to those that do answer.
	maxChecks = 64
	// maxWaiting is how many Federations wait for a turn at the same time, at whatever zone. The other workers are for Federations
	// that need not wait: slow primaries must not keep all of them.
	maxWaiting = workers * 3 / 4
	// maxTurnWait is how long a Federation waits for its turn.
	maxTurnWait = 30 * time.Second
	// firstTurnRetry is how soon a Federation comes back that had no turn, up to twice that; lastTurnRetry is how soon it does when
	// that goes on.
	firstTurnRetry = 500 * time.Millisecond
	lastTurnRetry  = 10 * time.Second
)

// turns at one zone.
type turns struct{ primary, checks queue }

// queue of those who wait for one of a number of places; they get them in the order in which they came.
type queue struct {
	places chan struct{}
	// waiting counts those who wait in all queues.
	waiting *atomic.Int64
}

func (z *Zones) turnsAt(p dns.Provider) turns {
	z.mu.Lock()
	defer z.mu.Unlock()
	apex := p.Apex()
	if _, found := z.turns[apex]; !found {
		z.turns[apex] = turns{queue{make(chan struct{}, maxTurns), &z.waiting}, queue{make(chan struct{}, maxChecks), &z.waiting}}
	}
	return z.turns[apex]
}

// take waits for a place. End gives it to the next; it has to be called unless there was an error.
func (q queue) take(ctx context.Context) (end func(), err error) {
	end = func() { <-q.places }
	select {
	case q.places <- struct{}{}:
		return end, nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > maxWaiting {
		return nil, missedTurn()
	}
	late := time.NewTimer(maxTurnWait)
	defer late.Stop()
	select {
	case q.places <- struct{}{}:
		return end, nil
	case <-late.C:
		return nil, missedTurn()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// missedTurn is the outcome of a Federation that had no turn. Nothing was learnt, so what was found before stands. Those who had none
// come back at different moments, for all of them at once would miss it again.
func missedTurn() *outcome.Error {
	missed := outcome.Unlearnt(v1alpha1.ReasonPropagationPending,
		"the servers of the zone are slow, and many Federations wait for their turn there; if this lasts, the administrator of the "+
			"zone looks at the load of its primary")
	missed.After, missed.AtMost = wait.Jitter(firstTurnRetry, 1), lastTurnRetry
	return missed
}

// convergeInTurn makes a zone hold the owner's units, in a turn of its own. The turn ends with the work at the primary: a
// secondary that does not answer must not keep others from writing.
func (r *FederationReconciler) convergeInTurn(
	ctx context.Context, p dns.Provider, owner dns.Owner, units []dns.Unit,
) (dns.Result, error) {
	end, err := r.Zones.turnsAt(p).primary.take(ctx)
	if err != nil {
		return dns.Result{}, err
	}
	defer end()
	result, err := dns.Converge(ctx, p, r.Signer, owner, units)
	if err == nil {
		brake.Settle(p, result)
	}
	return result, err
}

// holdersInTurn reads who has some names in a zone, in a turn of its own.
func (r *FederationReconciler) holdersInTurn(
	ctx context.Context, p dns.Provider, owner dns.Owner, names []string,
) (map[string]dns.Holder, error) {
	end, err := r.Zones.turnsAt(p).primary.take(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return dns.Holders(ctx, p, r.Signer, owner, names)
}

// seen asks every authoritative server of a zone what it serves.
func (r *FederationReconciler) seen(ctx context.Context, p dns.Provider, want []dns.RRset, gone []dns.Key) (verify.Report, error) {
	end, err := r.Zones.turnsAt(p).checks.take(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	defer end()
	return r.Verifier.Check(ctx, r.Zones.reading(p), want, gone)
}

// reading is a provider for those who have no turn: it takes one whenever the primary is asked.
func (z *Zones) reading(p dns.Provider) dns.Provider { return inTurn{p, z.turnsAt(p).primary} }

type inTurn struct {
	dns.Provider
	turns queue
}

func (p inTurn) Unwrap() dns.Provider { return p.Provider }

func (p inTurn) Zone(ctx context.Context) (dns.Zone, error) {
	end, err := p.turns.take(ctx)
	if err != nil {
		return dns.Zone{}, err
	}
	defer end()
	return p.Provider.Zone(ctx)
}

func (p inTurn) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	end, err := p.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return p.Provider.Get(ctx, keys...)
}
