// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

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
	for _, conditionType := range append(slices.Clone(readiness), v1alpha1.ConditionPeersReachable) {
		switch found, ran := s.findings[conditionType]; {
		case ran && found.absent:
			meta.RemoveStatusCondition(&status.Conditions, conditionType)
		case ran && !found.keeps(status.Conditions, conditionType, s.fed.Generation):
			set(found.condition(conditionType))
		}
	}
	ready, policy := summarize(s)
	set(ready)
	for _, abnormal := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		stalled := abnormal == v1alpha1.ConditionStalled
		if ready.Status == metav1.ConditionTrue || stalled != (policy == outcome.Stall) {
			meta.RemoveStatusCondition(&status.Conditions, abnormal)
			continue
		}
		set(metav1.Condition{Type: abnormal, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message})
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
	if meta.FindStatusCondition(*conditions, v1alpha1.ConditionReady) == nil {
		set(v1alpha1.ConditionReady, metav1.ConditionUnknown)
	}
}

// keeps tells that nothing was learnt and what stands speaks of the same generation.
func (f finding) keeps(standing []metav1.Condition, conditionType string, generation int64) bool {
	was := meta.FindStatusCondition(standing, conditionType)
	return f.err != nil && f.err.Keep && was != nil && was.ObservedGeneration == generation
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

// summarize is the Ready condition, and what has to happen while it is not true.
func summarize(s *scope) (metav1.Condition, outcome.Policy) {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady}
	if !s.fed.DeletionTimestamp.IsZero() {
		ready = s.findings[v1alpha1.ConditionReady].condition(v1alpha1.ConditionReady)
		ready.Status, ready.Message = metav1.ConditionFalse, "deleting: "+ready.Message
		return ready, policyOf(s.findings[v1alpha1.ConditionReady])
	}
	for _, conditionType := range readiness {
		condition := meta.FindStatusCondition(s.fed.Status.Conditions, conditionType)
		if condition == nil {
			ready.Status, ready.Reason = metav1.ConditionUnknown, v1alpha1.ReasonNotChecked
			ready.Message = "nothing is known yet about " + conditionType + "; the operator looks as soon as spec.suspend is false"
			return ready, outcome.Wait
		}
		if condition.Status != metav1.ConditionTrue {
			ready.Status, ready.Reason, ready.Message = condition.Status, condition.Reason, condition.Message
			return ready, policyOf(s.findings[conditionType])
		}
	}
	ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
	ready.Message = string(s.fed.Spec.Domains[0]) + " federates"
	return ready, outcome.Wait
}

func policyOf(f finding) outcome.Policy {
	if f.err == nil {
		return outcome.Wait
	}
	return f.err.Policy
}

func equalStatus(a, b *v1alpha1.FederationStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// underway are the reasons that a Federation passes through while it starts, or moves; they are no cause for alarm.
var underway = []string{
	v1alpha1.ReasonRollingOut, v1alpha1.ReasonAddressPending, v1alpha1.ReasonPropagationPending, v1alpha1.ReasonVolumePending,
	v1alpha1.ReasonTransferred,
}

// maxNote is the longest note an event may have, in bytes.
const maxNote = 1000

// recordEvents tells of each condition whose status or reason changed, except those that only repeat another.
func recordEvents(recorder events.EventRecorder, about runtime.Object, before, after []metav1.Condition) {
	for _, now := range after {
		was := meta.FindStatusCondition(before, now.Type)
		if repeats(now, after) || was != nil && was.Status == now.Status && was.Reason == now.Reason {
			continue
		}
		kind := corev1.EventTypeNormal
		if now.Status == metav1.ConditionFalse && !slices.Contains(underway, now.Reason) {
			kind = corev1.EventTypeWarning
		}
		note := strings.ToValidUTF8(now.Message[:min(len(now.Message), maxNote)], "")
		recorder.Eventf(about, nil, kind, now.Reason, now.Type, "%s", note)
	}
}

// repeats tells that a condition sums up others and says nothing that one of them does not say.
func repeats(condition metav1.Condition, all []metav1.Condition) bool {
	summaries := []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}
	if condition.Type != v1alpha1.ConditionReady {
		return slices.Contains(summaries, condition.Type)
	}
	return slices.ContainsFunc(all, func(other metav1.Condition) bool {
		return !slices.Contains(summaries, other.Type) && other.Reason == condition.Reason
	})
}
