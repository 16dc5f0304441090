// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/limits"
)

const (
	// minQuiet is the shortest time without refusals after which the condition goes.
	minQuiet = 10 * time.Minute
	// maxBounds and maxBound limit what a server may have the operator remember: the number of bounds, and the bytes of a name.
	maxBounds = 64
	maxBound  = 64
)

// quiet returns the time without refusals after which the condition goes: the operator has looked at the servers three times at least.
func quiet(fed *v1alpha1.Federation) time.Duration {
	return max(minQuiet, 3*fed.Spec.Verification.Interval.Duration)
}

// readings remember what the servers of each Federation have counted.
type readings struct {
	mu    sync.Mutex
	byFed map[types.UID]*limits.Growth
}

// of returns what is remembered of a Federation. Only one reconcile of it runs at a time.
func (r *readings) of(uid types.UID) *limits.Growth {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFed == nil {
		r.byFed = map[types.UID]*limits.Growth{}
	}
	if r.byFed[uid] == nil {
		r.byFed[uid] = &limits.Growth{}
	}
	return r.byFed[uid]
}

func (r *readings) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byFed, uid)
}

// liveServer is the server in a pod.
type liveServer struct {
	pod *corev1.Pod
	// status is what it said of itself; nil if it was not asked, or did not answer.
	status *engine.LiveStatus
}

// unasked returns the servers in pods before any of them was asked for its status.
func unasked(pods []corev1.Pod) []liveServer {
	servers := make([]liveServer, len(pods))
	for i := range pods {
		servers[i].pod = &pods[i]
	}
	return servers
}

// counters returns for each server the counters that get picks from its status. They are nil for a server that did not answer, and
// for all servers if the pods could not be listed.
func (s *scope) counters(get func(*engine.LiveStatus) limits.Counters) map[string]limits.Counters {
	if s.live == nil {
		return nil
	}
	all := map[string]limits.Counters{}
	for _, server := range s.live {
		counters := limits.Counters(nil)
		if server.status != nil {
			counters = get(server.status)
		}
		all[string(server.pod.UID)] = counters
	}
	return all
}

// refusals returns what a server has refused, as far as that may be remembered and shown to people.
func refusals(live *engine.LiveStatus) limits.Counters {
	all, kept := live.Refusals(), limits.Counters{}
	for _, bound := range slices.Sorted(maps.Keys(all)) {
		if len(kept) == maxBounds {
			break
		}
		kept[phrase.Clean(bound, maxBound)] = all[bound]
	}
	return kept
}

// delays returns for how many seconds a server has delayed each of the peers that a Federation lists.
func delays(fed *v1alpha1.Federation, live *engine.LiveStatus) limits.Counters {
	all, kept := live.Delays(), limits.Counters{}
	for _, peer := range fed.Spec.Peers {
		if seconds, found := all[string(peer.Domain)]; found {
			kept[string(peer.Domain)] = seconds
		}
	}
	return kept
}

// watchLimits says what the servers refuse at present. As long as nothing is known of that, what was said before stands.
func (r *FederationReconciler) watchLimits(_ context.Context, s *scope) (finding, error) {
	growing, known := r.refusals.of(s.fed.UID).Read(s.counters(refusals), r.Now(), quiet(s.fed))
	standing := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionLimitsReached)
	if len(growing) == 0 && !known && standing != nil {
		return finding{reason: standing.Reason, message: standing.Message}, nil
	}
	return judgeLimits(slices.Sorted(maps.Keys(growing)), quiet(s.fed)), nil
}

// noteDelays says in status.peers which peers send more than their rate at present. As long as nothing is known of that, what was said
// before stands.
func (r *FederationReconciler) noteDelays(s *scope) {
	listed := func(live *engine.LiveStatus) limits.Counters { return delays(s.fed, live) }
	growing, known := r.delays.of(s.fed.UID).Read(s.counters(listed), r.Now(), quiet(s.fed))
	before := map[string]*metav1.Time{}
	for _, peer := range s.before.Status.Peers {
		before[peer.Domain] = peer.DelayedSince
	}
	for i := range s.fed.Status.Peers {
		peer := &s.fed.Status.Peers[i]
		since, delayed := growing[peer.Domain]
		switch peer.DelayedSince = before[peer.Domain]; {
		case delayed && peer.DelayedSince == nil:
			peer.DelayedSince = ptr.To(metav1.NewTime(since))
		case !delayed && known:
			peer.DelayedSince = nil
		}
	}
}
