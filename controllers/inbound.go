// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

const (
	// checkTimeout bounds one check of the way in.
	checkTimeout = 15 * time.Second
	// firstRecheck is how soon a failed check is repeated; each further failure doubles it, up to the interval.
	firstRecheck = 2 * time.Second
)

// verdicts remembers the checks of each Federation, so that one is made only when what it looks at changed or when it
// is due. After a restart every Federation is checked again.
type verdicts struct {
	mu    sync.Mutex
	byFed map[types.UID]checked
}

type checked struct {
	check.Verdict
	// inputs that the verdict speaks of.
	inputs   string
	at       time.Time
	failures int
}

func (v *verdicts) get(uid types.UID) (checked, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, found := v.byFed[uid]
	return last, found
}

func (v *verdicts) set(uid types.UID, last checked) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byFed == nil {
		v.byFed = map[types.UID]checked{}
	}
	v.byFed[uid] = last
}

func (v *verdicts) forget(uid types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.byFed, uid)
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

// checkInbound takes the way that partners take.
func (r *FederationReconciler) checkInbound(ctx context.Context, s *scope) (finding, error) {
	target := inboundTarget(s)
	inputs, err := json.Marshal([]any{target, s.ok(v1alpha1.ConditionServerReady)})
	if err != nil {
		return finding{}, fmt.Errorf("encoding what to check: %w", err)
	}
	interval := s.fed.Spec.Verification.Interval.Duration
	last, found := r.verdicts.get(s.fed.UID)
	stale := !found || last.inputs != string(inputs) || r.Now().Sub(last.at) >= last.due(interval)
	if stale && s.ok(v1alpha1.ConditionDNSPublished) {
		last = r.runCheck(ctx, target, string(inputs), last)
		r.verdicts.set(s.fed.UID, last)
	} else if !found {
		return finding{}, outcome.Unknown(v1alpha1.ReasonNotChecked,
			"partners can't find the server before its records are published; see condition %s", v1alpha1.ConditionDNSPublished)
	}
	wait := max(last.due(interval)-r.Now().Sub(last.at), time.Second)
	if last.Status == metav1.ConditionTrue {
		s.recheck = wait
		return finding{reason: last.Reason, message: last.Message}, nil
	}
	return finding{}, &outcome.Error{
		Reason: last.Reason, Message: last.Message, Policy: outcome.Wait, After: wait,
		Unknown: last.Status == metav1.ConditionUnknown,
	}
}

func (r *FederationReconciler) runCheck(ctx context.Context, target check.InboundTarget, inputs string, last checked) checked {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	now := checked{Verdict: r.Inbound.Inbound(ctx, target), inputs: inputs, at: r.Now()}
	if now.Status != metav1.ConditionTrue {
		now.failures = 1
		if last.inputs == inputs {
			now.failures += last.failures
		}
	}
	return now
}

func inboundTarget(s *scope) check.InboundTarget {
	target := check.InboundTarget{
		Domains: addressableDomains(s.fed), Hostname: hostname(s.fed), Addresses: s.addresses,
		Port: uint16(s.fed.Spec.Exposure.Port), Priority: uint16(s.fed.Spec.DNS.Priority), Weight: uint16(s.fed.Spec.DNS.Weight),
	}
	for _, resolver := range s.fed.Spec.Verification.Resolvers {
		target.Resolvers = append(target.Resolvers, string(resolver))
	}
	if certificate := s.fed.Status.Certificate; certificate != nil {
		target.Serial = certificate.Serial
	}
	return target
}
