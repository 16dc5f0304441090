// SPDX-License-Identifier: Apache-2.0

package patrol

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// hostingTimeout bounds the search for a service that hosts our domains.
const hostingTimeout = 20 * time.Second

// Pinger has a server ping a partner; engine.Ping is the real one.
type Pinger func(ctx context.Context, podIP, token, from, to string) (engine.Pong, error)

// HostingChecker finds services that host our domains; *check.Checker is the real one.
type HostingChecker interface {
	Conflict(ctx context.Context, target check.ConflictTarget) ([]check.Conflict, error)
}

// Wire tries partners for real: the server pings the partner, and the partner's servers are asked whether they host
// one of our domains.
type Wire struct {
	Ping    Pinger
	Hosting HostingChecker
	// Discretion says which failures are kept back; nil: none.
	Discretion *check.Discretion
}

// Try implements Prober. That the partner hosts our domain explains any other trouble, and is one even when the ping is
// answered; so both are asked at once, and a ping that gets no answer for that cause is not waited for.
func (w Wire) Try(ctx context.Context, post Post, target Target) (check.PeerVerdict, error) {
	about := check.PeerTarget{Domain: target.Domain, Policy: target.Policy, From: post.From, Route: target.Route}
	if target.HostingOnly {
		return w.askHosting(ctx, post, about)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hosting := aside(func() (check.PeerVerdict, error) { return w.askHosting(ctx, post, about) })
	ping := aside(func() (check.PeerVerdict, error) { return w.ping(ctx, post, about) })
	if h := <-hosting; h.err == nil && h.verdict.Status == metav1.ConditionFalse {
		return h.verdict, nil
	}
	p := <-ping
	return p.verdict, p.err
}

// ping has the server ping a partner. A failure that is kept back takes as long as a partner that never answers.
func (w Wire) ping(ctx context.Context, post Post, about check.PeerTarget) (check.PeerVerdict, error) {
	began := time.Now()
	pong, err := w.Ping(ctx, post.PodIP, post.Token, post.From, about.Domain)
	switch {
	case err != nil:
		return check.PeerVerdict{}, err
	case w.Discretion.HidesPing(about, pong):
		check.Hold(ctx, began, engine.PingTimeout)
		return check.UndisclosedPing(about), nil
	}
	return check.JudgePing(about, pong), nil
}

// reply is what one question came to.
type reply struct {
	verdict check.PeerVerdict
	err     error
}

// aside asks in a goroutine that ends by itself.
func aside(ask func() (check.PeerVerdict, error)) <-chan reply {
	replies := make(chan reply, 1)
	go func() {
		verdict, err := ask()
		replies <- reply{verdict, err}
	}()
	return replies
}

// askHosting asks a service whether it hosts one of our domains.
func (w Wire) askHosting(ctx context.Context, post Post, about check.PeerTarget) (check.PeerVerdict, error) {
	ctx, cancel := context.WithTimeout(ctx, hostingTimeout)
	defer cancel()
	conflicts, err := w.Hosting.Conflict(ctx, check.ConflictTarget{
		Service: about.Domain, Route: about.Route, Domains: post.Domains, Resolvers: post.Resolvers, Ours: post.Addresses,
	})
	if err != nil {
		return check.PeerVerdict{}, fmt.Errorf("asking %s whether it hosts our domains: %w", about.Domain, err)
	}
	if len(conflicts) == 0 {
		return check.PeerVerdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable}, nil
	}
	return check.HostedVerdict(about, conflicts), nil
}
