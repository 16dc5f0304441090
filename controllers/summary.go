// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// summaries are the conditions that sum up others. No two of Reconciling, Stalled and Ready=True stand together (kstatus).
var summaries = []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}

// summary is how an object does altogether: its Ready condition, and that of Reconciling and Stalled which goes with it.
type summary struct {
	ready metav1.Condition
	// abnormal is the type of the condition to set; empty while Ready is True.
	abnormal string
	// began is when the object began to be on its way for the reason of Ready.
	began time.Time
	// left is how long it may go on like that before it counts as Failed; zero when there is nothing to wait for.
	left time.Duration
}

// sumUp decides whether an object with this Ready condition is on its way or has failed, given the conditions that stand.
func sumUp(ready metav1.Condition, standing []metav1.Condition, generation int64, now time.Time) summary {
	if ready.Status == metav1.ConditionTrue {
		return summary{ready: ready}
	}
	result := summary{ready: ready, abnormal: v1alpha1.ConditionReconciling, began: now}
	allowed, limited := outcome.ClassOf(ready.Reason).Deadline()
	same := func(c *metav1.Condition) bool {
		return c != nil && c.Reason == ready.Reason && c.ObservedGeneration == generation
	}
	failed := same(meta.FindStatusCondition(standing, v1alpha1.ConditionStalled))
	if was := meta.FindStatusCondition(standing, v1alpha1.ConditionReconciling); same(was) && was.LastTransitionTime.Time.Before(now) {
		result.began = was.LastTransitionTime.Time // a time from the future counts as now
	}
	if !limited {
		return result
	}
	if result.left = allowed - now.Sub(result.began); result.left > 0 && !failed {
		return result
	}
	result.abnormal, result.left = v1alpha1.ConditionStalled, 0
	if allowed > 0 {
		result.ready.Message += fmt.Sprintf(" (this has lasted for more than %s)", allowed)
	}
	return result
}

// write sets Ready, and Reconciling or Stalled, and takes away what does not hold any more.
func (s summary) write(conditions *[]metav1.Condition, generation int64, now time.Time) {
	set := func(condition metav1.Condition) {
		condition.ObservedGeneration = generation
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(conditions, condition)
	}
	set(s.ready)
	for _, conditionType := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if conditionType != s.abnormal {
			meta.RemoveStatusCondition(conditions, conditionType)
			continue
		}
		set(metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: s.ready.Reason, Message: s.ready.Message})
	}
	if s.abnormal == v1alpha1.ConditionReconciling {
		meta.FindStatusCondition(*conditions, s.abnormal).LastTransitionTime = metav1.NewTime(s.began)
	}
}

// isSummary reports whether a condition sums up others.
func isSummary(condition metav1.Condition) bool { return slices.Contains(summaries, condition.Type) }
