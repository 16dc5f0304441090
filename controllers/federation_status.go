// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// readiness lists the conditions that make up Ready, in the order in which a failure hides those behind it.
var readiness = []string{
	v1alpha1.ConditionAccepted,
	v1alpha1.ConditionCertificateReady,
	v1alpha1.ConditionServerReady,
	v1alpha1.ConditionAddressAssigned,
	v1alpha1.ConditionDNSPublished,
	v1alpha1.ConditionInboundReachable,
}

// statusOrder are the conditions that steps set, in the order in which status lists them. Those that are there whether or not a
// Federation is accepted come first.
var statusOrder = slices.Concat(
	[]string{v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable}, readiness[1:],
	[]string{v1alpha1.ConditionPeersReachable, v1alpha1.ConditionLimitsReached},
)

// updateStatus derives the conditions from what the steps found.
func updateStatus(s *scope, now time.Time) {
	status := &s.fed.Status
	if s.fed.Spec.Suspend && s.fed.DeletionTimestamp.IsZero() {
		suspendStatus(s.fed, now)
		return
	}
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSuspended)
	status.ObservedGeneration = s.fed.Generation
	set := func(condition metav1.Condition) {
		condition.ObservedGeneration = s.fed.Generation
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	if !s.fed.DeletionTimestamp.IsZero() {
		s.lapseInDeletion()
	}
	for _, conditionType := range statusOrder {
		switch found, ran := s.findings[conditionType]; {
		case ran && found.absent:
			meta.RemoveStatusCondition(&status.Conditions, conditionType)
		case ran && !found.keeps(status.Conditions, conditionType, s.fed.Generation):
			set(found.condition(conditionType))
		}
	}
	sum := sumUp(summarize(s), status.Conditions, s.fed.Generation, now)
	sum.ready = stillWorks(sum.ready, s.fed)
	sum.write(&status.Conditions, s.fed.Generation, now)
	s.deadline = sum.left
}

// lapseInDeletion says of the conditions that tell what partners find that this is not looked at any more. Which records are left, and
// what deletion waits for, Ready tells. That somebody else has a name stands, as deletion goes by it (see mayHave).
func (s *scope) lapseInDeletion() {
	lapsed := func(what string) finding {
		return finding{err: outcome.Unknown(v1alpha1.ReasonDeleting, "%s, as this Federation is being deleted; see condition %s",
			what, v1alpha1.ConditionReady)}
	}
	s.findings[v1alpha1.ConditionAvailable] = lapsed("whether partners reach it is not checked any more")
	for condition, what := range map[string]string{
		v1alpha1.ConditionDNSPublished:     "records are not kept up any more, but taken back or left behind",
		v1alpha1.ConditionInboundReachable: "the way in is not checked any more",
		v1alpha1.ConditionPeersReachable:   "partners are not tried any more",
	} {
		if was := meta.FindStatusCondition(s.fed.Status.Conditions, condition); was != nil && !slices.Contains(conflicts, was.Reason) {
			s.findings[condition] = lapsed(what)
		}
	}
}

// suspendStatus says that nothing is looked at. What was said before stands, about the generation that it was said of.
func suspendStatus(fed *v1alpha1.Federation, now time.Time) {
	const message = "spec.suspend is true: nothing is changed or checked until it is false again"
	conditions := &fed.Status.Conditions
	set := func(conditionType string, status metav1.ConditionStatus) {
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: v1alpha1.ReasonSuspended, Message: message,
			ObservedGeneration: fed.Generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	set(v1alpha1.ConditionSuspended, metav1.ConditionTrue)
	meta.RemoveStatusCondition(conditions, v1alpha1.ConditionReconciling)
	meta.RemoveStatusCondition(conditions, v1alpha1.ConditionStalled)
	set(v1alpha1.ConditionAvailable, metav1.ConditionUnknown)
	if meta.FindStatusCondition(*conditions, v1alpha1.ConditionReady) == nil {
		set(v1alpha1.ConditionReady, metav1.ConditionUnknown)
	}
}

// keeps reports whether nothing was learnt and what stands speaks of the same generation. What was seen from the wire speaks of none.
func (f finding) keeps(standing []metav1.Condition, conditionType string, generation int64) bool {
	was := meta.FindStatusCondition(standing, conditionType)
	return f.err != nil && f.err.Keep && was != nil &&
		(was.ObservedGeneration == generation || conditionType == v1alpha1.ConditionAvailable)
}

// maxMessage bounds a condition's message, in bytes: status can't be written beyond 32 KiB, and nobody reads that much.
const maxMessage = 2000

func (f finding) condition(conditionType string) metav1.Condition {
	if f.err == nil {
		return metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: f.reason, Message: f.message}
	}
	status := metav1.ConditionFalse
	if f.err.Unknown {
		status = metav1.ConditionUnknown
	}
	message := strings.ToValidUTF8(f.err.Message[:min(len(f.err.Message), maxMessage)], "")
	return metav1.Condition{Type: conditionType, Status: status, Reason: f.err.Reason, Message: message}
}

// summarize is the Ready condition that follows from the others.
func summarize(s *scope) metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady}
	if !s.fed.DeletionTimestamp.IsZero() {
		ready = s.findings[v1alpha1.ConditionReady].condition(v1alpha1.ConditionReady)
		ready.Status, ready.Message = metav1.ConditionFalse, "deleting: "+ready.Message
		return ready
	}
	for _, conditionType := range readiness {
		condition := meta.FindStatusCondition(s.fed.Status.Conditions, conditionType)
		if condition == nil {
			ready.Status, ready.Reason = metav1.ConditionUnknown, v1alpha1.ReasonNotChecked
			ready.Message = "nothing is known yet about " + conditionType + "; the operator looks as soon as spec.suspend is false"
			return ready
		}
		if condition.Status != metav1.ConditionTrue {
			ready.Status, ready.Reason, ready.Message = condition.Status, condition.Reason, condition.Message
			return ready
		}
	}
	ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
	ready.Message = string(s.fed.Spec.Domains[0]) + " federates"
	return ready
}

// stillWorks has the message of a Federation that is not Ready say who gets through nevertheless.
func stillWorks(ready metav1.Condition, fed *v1alpha1.Federation) metav1.Condition {
	available := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionAvailable)
	if ready.Status != metav1.ConditionTrue && available != nil && available.Status == metav1.ConditionTrue {
		ready.Message += "; " + strings.Replace(available.Message, "partners reach", "partners still reach", 1)
	}
	return ready
}

func equalStatus(a, b *v1alpha1.FederationStatus) bool { return equality.Semantic.DeepEqual(a, b) }
