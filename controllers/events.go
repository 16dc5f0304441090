// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// maxNote is the longest note an event may have, in bytes.
const maxNote = 1000

// recordEvents records an event for each condition whose status or reason changed, except those that only repeat another.
func recordEvents(recorder events.EventRecorder, about runtime.Object, before, after []metav1.Condition) {
	for _, now := range after {
		was := meta.FindStatusCondition(before, now.Type)
		if repeats(now, after) || was != nil && was.Status == now.Status && was.Reason == now.Reason ||
			now.Reason == v1alpha1.ReasonRecordsChangedByOthers { // each repair is told when it is made
			continue
		}
		note := strings.ToValidUTF8(now.Message[:min(len(now.Message), maxNote)], "")
		recorder.Eventf(about, nil, kindOfEvent(now), now.Reason, now.Type, "%s", note)
	}
}

// kindOfEvent returns Warning where partners don't get through, and where somebody has to act. What may still come right by itself is
// Normal until its deadline is over, which Stalled says.
func kindOfEvent(condition metav1.Condition) string {
	switch {
	case condition.Reason == v1alpha1.ReasonTransferred: // as somebody wanted it
		return corev1.EventTypeNormal
	case condition.Type == v1alpha1.ConditionStalled, condition.Reason == v1alpha1.ReasonShortOfMemory:
		return corev1.EventTypeWarning
	case condition.Type == v1alpha1.ConditionAvailable && condition.Reason != v1alpha1.ReasonNotPublished:
		if condition.Status == metav1.ConditionFalse {
			return corev1.EventTypeWarning
		}
	case condition.Status == metav1.ConditionFalse && outcome.ClassOf(condition.Reason) == outcome.Blocked:
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

// repeats reports whether a condition sums up others and says nothing that one of them does not say.
func repeats(condition metav1.Condition, all []metav1.Condition) bool {
	switch condition.Type {
	case v1alpha1.ConditionReady:
		if condition.Reason == v1alpha1.ReasonDeleting { // it says what deletion does, the others that they lapse
			return false
		}
		return slices.ContainsFunc(all, func(other metav1.Condition) bool {
			return !isSummary(other) && other.Reason == condition.Reason
		})
	case v1alpha1.ConditionStalled: // what is Blocked was so from the beginning
		return outcome.ClassOf(condition.Reason) == outcome.Blocked
	}
	return isSummary(condition) || condition.Reason == v1alpha1.ReasonDeleting
}
