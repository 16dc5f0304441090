// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

const (
	// checkTimeout bounds one check of the way in.
	checkTimeout = 15 * time.Second
	// firstRecheck is how soon a failed check is repeated; each further failure doubles it, up to the interval.
	firstRecheck = 2 * time.Second
	// settling is how long a change of the DNS may take before the way in is checked without it.
	settling = time.Minute
)

// verdicts remembers the checks of each Federation, so that one is made only when what it looks at changed or when it
// is due. After a restart every Federation is checked again.
type verdicts struct {
	mu    sync.Mutex
	byFed map[types.UID]checked
}

// checked is the newest check of a Federation.
type checked struct {
	check.Verdict
	// inputs that the verdict speaks of; empty before the first verdict.
	inputs   string
	at       time.Time
	failures int
	// running is set while the next check is under way.
	running bool
}

// due is how long the verdict holds.
func (c checked) due(interval time.Duration) time.Duration {
	if c.Status == metav1.ConditionTrue {
		return interval
	}
	wait := firstRecheck
	for range c.failures - 1 {
		if wait *= 2; wait >= interval {
			return interval
		}
	}
	return wait
}

func (v *verdicts) get(uid types.UID) checked {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.byFed[uid]
}

func (v *verdicts) forget(uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.byFed, uid)
}

// begin tells whether a check may begin: none is under way.
func (v *verdicts) begin(uid types.UID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.byFed[uid]
	if last.running {
		return false
	}
	last.running = true
	if v.byFed == nil {
		v.byFed = map[types.UID]checked{}
	}
	v.byFed[uid] = last
	return true
}

// end notes the verdict of a check that began, unless the Federation is gone meanwhile.
func (v *verdicts) end(uid types.UID, verdict check.Verdict, inputs string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, found := v.byFed[uid]
	if !found {
		return
	}
	next := checked{Verdict: verdict, inputs: inputs, at: now}
	if verdict.Status != metav1.ConditionTrue {
		next.failures = 1
		if last.inputs == inputs {
			next.failures += last.failures
		}
	}
	v.byFed[uid] = next
}

// checkInbound takes the way that partners take. The check runs aside: a firewall that drops packets must not keep a
// change of the Federation waiting. Until it is over, the verdict before it stands.
func (r *FederationReconciler) checkInbound(_ context.Context, s *scope) (finding, error) {
	target := inboundTarget(s)
	encoded, err := json.Marshal([]any{target, s.ok(v1alpha1.ConditionServerReady)})
	if err != nil {
		return finding{}, fmt.Errorf("encoding what to check: %w", err)
	}
	inputs, interval := string(encoded), s.fed.Spec.Verification.Interval.Duration
	last := r.verdicts.get(s.fed.UID)
	stale := last.inputs != inputs || r.Now().Sub(last.at) >= last.due(interval)
	if stale && r.worthChecking(s, last) && r.verdicts.begin(s.fed.UID) {
		r.startCheck(s.fed, target, inputs)
		last = r.verdicts.get(s.fed.UID)
	}
	switch {
	case last.inputs == "" && last.running:
		return finding{}, outcome.Unlearnt(v1alpha1.ReasonNotChecked, 0, "the way in is being tried")
	case last.inputs != inputs && last.running:
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked, "the way in is being tried")
	case last.inputs == "":
		return finding{}, outcome.Unlearnt(v1alpha1.ReasonNotChecked, 0,
			"the way in is tried as soon as the records are published and the server runs; see conditions %s and %s",
			v1alpha1.ConditionDNSPublished, v1alpha1.ConditionServerReady)
	}
	// What is due but can't be tried now is tried when what it waits for changes.
	wait := max(last.due(interval)-r.Now().Sub(last.at), 0)
	if last.Status == metav1.ConditionTrue {
		s.recheck = wait
		return finding{reason: last.Reason, message: last.Message}, nil
	}
	return finding{}, &outcome.Error{
		Reason: last.Reason, Message: last.Message, Policy: outcome.Wait, After: wait,
		Unknown: last.Status == metav1.ConditionUnknown,
	}
}

// worthChecking tells whether a check would say something. The first one waits for the server; later ones tell what partners
// see while it is down. A change of the DNS takes moments to get everywhere, and would look like a fault until then; but
// what goes on being wrong there, maybe with one name server only, must not hide what becomes of the way in.
func (r *FederationReconciler) worthChecking(s *scope, last checked) bool {
	standing := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionInboundReachable)
	known := last.inputs != "" || standing != nil && standing.Status != metav1.ConditionUnknown
	findable := s.ok(v1alpha1.ConditionDNSPublished) ||
		known && r.lasting.amiss(s.fed.UID, v1alpha1.ConditionDNSPublished, r.Now()) >= settling
	return findable && (s.ok(v1alpha1.ConditionServerReady) || last.inputs != "")
}

// startCheck runs a check and has the Federation looked at again when it is over.
func (r *FederationReconciler) startCheck(fed *v1alpha1.Federation, target check.InboundTarget, inputs string) {
	run := func() {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		r.verdicts.end(fed.UID, r.Inbound.Inbound(ctx, target), inputs, r.Now())
	}
	if r.Checked == nil {
		run()
		return
	}
	about := event.TypedGenericEvent[*v1alpha1.Federation]{Object: fed.DeepCopy()}
	go func() {
		run()
		r.Checked <- about
	}()
}

func inboundTarget(s *scope) check.InboundTarget {
	target := check.TargetOf(s.fed, s.addresses)
	if len(s.fed.Spec.Exposure.LoadBalancer.SourceRanges) > 0 {
		target.Through = s.clusterAddresses
	}
	return target
}
