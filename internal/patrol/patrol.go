// SPDX-License-Identifier: Apache-2.0

// Package patrol keeps an eye on the partners of Federations. Each partner is tried on the interval, the tries spread
// over it, and sooner while it fails. Whoever gives the orders hears when the meaning of what is known changed, and
// never of anything else.
package patrol

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
)

const (
	// maxTries is how many partners are tried at once for all Federations, and maxOwnTries for any one of them: enough
	// for hundreds that do not answer at all within one interval.
	maxTries    = 256
	maxOwnTries = 64
	// firstSpacing is the distance between the first tries of a Federation's partners.
	firstSpacing = 100 * time.Millisecond
	// confirmAfter is how soon a failure that was not there before is repeated, to be sure. firstRetry is how soon a known
	// failure, or a try of which nothing was learnt, is repeated; each further one doubles it, up to the interval.
	confirmAfter = 2 * time.Second
	firstRetry   = 10 * time.Second
	// quiet is the shortest time between two notices about a Federation: hundreds of partners that change together
	// are told of together.
	quiet = time.Second
)

// Post is where a Federation's partners are tried from.
type Post struct {
	// PodIP and Token lead to the server.
	PodIP, Token string
	// From is the domain that pings come from, Domains all that no partner may host.
	From    string
	Domains []string
	// Addresses are the Federation's own public ones.
	Addresses []netip.Addr
	// Resolvers, each as ip:port, stand for the public DNS; none: those of the operator's machine.
	Resolvers []string
}

// asksLike tells that from both posts the same is asked.
func (p Post) asksLike(other Post) bool {
	return p.From == other.From && slices.Equal(p.Domains, other.Domains)
}

// standsLike tells that both posts are at the same server.
func (p Post) standsLike(other Post) bool { return p.PodIP == other.PodIP && p.Token == other.Token }

// Target is a partner to try.
type Target struct {
	Domain string
	Policy v1alpha1.PeerPolicy
	// Route is the host:port to use instead of the DNS, or empty.
	Route string
	// HostingOnly is set for a service that is no partner: it is only asked whether it hosts one of the domains.
	HostingOnly bool
}

// Orders are what to watch for one Federation.
type Orders struct {
	// Interval between two tries of a partner.
	Interval time.Duration
	Post     Post
	// Targets in the order of their first tries; domains are unique.
	Targets []Target
}

// Prober tries one partner. It returns in bounded time, and an error when nothing could be learnt.
type Prober interface {
	Try(ctx context.Context, post Post, target Target) (check.PeerVerdict, error)
}

// Patrol watches the partners of any number of Federations. It is safe for concurrent use.
type Patrol struct {
	prober Prober
	notify func(federation types.NamespacedName)
	slots  chan struct{}

	mu     sync.Mutex
	rounds map[types.NamespacedName]*round
}

// New makes a Patrol that tries partners by prober and calls notify, from goroutines of its own, when what is known of a
// Federation's partners changed its meaning.
func New(prober Prober, notify func(federation types.NamespacedName)) *Patrol {
	return &Patrol{prober: prober, notify: notify, slots: make(chan struct{}, maxTries), rounds: map[types.NamespacedName]*round{}}
}

// Watch gives orders for a Federation, in place of those before, and returns what is known of the targets, by domain.
// Nothing is known of a target whose policy or route changed, or that is asked about other domains now, until it was tried
// anew.
func (p *Patrol) Watch(federation types.NamespacedName, orders Orders) map[string]check.PeerVerdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, found := p.rounds[federation]
	if !found {
		r = newRound(p, federation)
		p.rounds[federation] = r
	}
	return r.update(orders)
}

// Pause starts no more tries for a Federation until the next orders: its server may be down, or its address already
// somebody else's.
func (p *Patrol) Pause(federation types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, found := p.rounds[federation]; found {
		r.pause()
	}
}

// Known returns what is known of a Federation's targets, by domain.
func (p *Patrol) Known(federation types.NamespacedName) map[string]check.PeerVerdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, found := p.rounds[federation]; found {
		return r.known()
	}
	return nil
}

// Forget ends the watch for a Federation.
func (p *Patrol) Forget(federation types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, found := p.rounds[federation]; found {
		r.stop()
		delete(p.rounds, federation)
	}
}
