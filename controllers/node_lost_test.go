// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// podConditions sets the conditions of the first pod of a Federation, as the kubelet or the controller of nodes writes them.
func (w *world) podConditions(fed string, conditions ...corev1.PodCondition) {
	w.t.Helper()
	pod := read[corev1.Pod](w, fed+"-0")
	for i := range conditions {
		conditions[i].LastTransitionTime = metav1.NewTime(w.now)
	}
	pod.Status.StartTime, pod.Status.Conditions = &metav1.Time{Time: w.now}, conditions
	w.Expect(w.api.Status().Update(w.t.Context(), pod)).To(gomega.Succeed())
}

// loseNode plays the death of the first pod's node, as the controllers of nodes and StatefulSets notice it.
func (w *world) loseNode(fed string) {
	w.t.Helper()
	w.podConditions(fed,
		corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse},
		corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue})
	w.ready(fed, 0)
}

// deletePod deletes the first pod of a Federation, which has no kubelet that would let it go. The API server writes down the time of
// its own clock, and the world's clock, which may be behind it, is set to the same.
func (w *world) deletePod(fed string) {
	w.t.Helper()
	w.Expect(w.api.Delete(w.t.Context(), read[corev1.Pod](w, fed+"-0"))).To(gomega.Succeed())
	pod := read[corev1.Pod](w, fed+"-0")
	began := pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
	w.pass(max(0, began.Sub(w.now)))
}

func TestNodeLost_IsSaidFromTheBeginningToTheEnd(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	since := w.now.UTC().Format(time.RFC3339)
	w.loseNode("cup")
	good := w.verdict
	w.verdict = unavailable
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut)
	w.pass(30 * time.Second) // in which a kubelet that answers would have corrected the pod
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonNodeLost,
		"node node of pod cup-0 does not answer since "+since, "the cluster's administrator has to bring the node back")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonUnreachable)
	said := condition(w.get("cup"), v1alpha1.ConditionServerReady).Message

	w.pass(outcome.HiccupDeadline)
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionServerReady, v1alpha1.ReasonNodeLost)
	before := w.get("cup").ResourceVersion
	w.deletePod("cup") // after five minutes, because of the node's taint
	w.pass(time.Hour)
	w.reconcile("cup")
	w.Expect(condition(w.get("cup"), v1alpha1.ConditionServerReady).Message).To(gomega.Equal(said), "the same text on every try")
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(before), "nothing new is to be written down")

	w.Expect(w.api.Delete(t.Context(), read[corev1.Pod](w, "cup-0"), client.GracePeriodSeconds(0))).To(gomega.Succeed())
	w.verdict = good
	w.runServer("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestAPodThatDoesNotEndIsToldWhenItsTimeIsOver(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.podConditions("cup",
		corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue})
	w.deletePod("cup")
	w.ready("cup", 0)
	const allowed = 75 * time.Second // 45 s of grace, and 30 s
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut)
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", allowed))
	w.pass(allowed + time.Second)
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonPodTerminating,
		"pod cup-0 was deleted at ", "node node does not say that its containers have ended")
}
