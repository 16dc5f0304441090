// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/observe"
)

// noon is when something happened to the pods of these tests.
var noon = time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)

// has gives a pod conditions that became so at noon.
func has(status corev1.ConditionStatus, reason string, types ...corev1.PodConditionType) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, conditionType := range types {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
				Type: conditionType, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(noon),
			})
		}
	}
}

// taken is a pod that its kubelet has acknowledged.
func taken(p *corev1.Pod) { p.Status.StartTime = ptr.To(metav1.NewTime(noon)) }

// deleted is a pod whose deletion began at noon, with 45 seconds to end.
func deleted(p *corev1.Pod) {
	p.DeletionTimestamp = ptr.To(metav1.NewTime(noon.Add(45 * time.Second)))
	p.DeletionGracePeriodSeconds = ptr.To[int64](45)
}

// gated is a pod that is ready only when something else than its containers says so as well.
func gated(p *corev1.Pod) {
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "lb.example/registered"}}
}

// since gives a pod conditions that became so some time after noon.
func since(passed time.Duration, conditions func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		before := len(p.Status.Conditions)
		conditions(p)
		for i := before; i < len(p.Status.Conditions); i++ {
			p.Status.Conditions[i].LastTransitionTime = metav1.NewTime(noon.Add(passed))
		}
	}
}

func ended(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
}

var (
	scheduled = has(corev1.ConditionTrue, "", corev1.PodScheduled)
	// silent is how Kubernetes leaves a pod whose node does not answer.
	silent = has(corev1.ConditionTrue, "", corev1.ContainersReady)
	down   = has(corev1.ConditionFalse, "", corev1.PodReady)
	// evicted is a pod that is deleted because of a taint of its node: an administrator's own, or that of a node that does not answer.
	evicted = has(corev1.ConditionTrue, "DeletionByTaintManager", corev1.DisruptionTarget)
)

func TestNodeTrouble_TellsNodesThatDoNotAnswerAndPodsThatDoNotEnd(t *testing.T) {
	notReady := has(corev1.ConditionFalse, "ContainersNotReady", corev1.PodReady, corev1.ContainersReady)
	unsaid := "pod cup-0 was deleted at 2026-11-30T12:00:00Z, and node node does not say that its containers have ended; the cluster's " +
		"administrator has to see whether the node answers"
	silence := "node node of pod cup-0 does not answer since 2026-11-30T12:00:00Z, and Kubernetes starts no other pod"
	for name, test := range map[string]struct {
		pod             corev1.Pod
		reason, message string
	}{
		"it runs": {pod("cup-0", taken, restarted(0, true, ""), scheduled,
			has(corev1.ConditionTrue, "", corev1.PodReady, corev1.ContainersReady)), "", ""},
		"its server is not ready": {pod("cup-0", taken, restarted(0, false, ""), scheduled, notReady), "", ""},
		"its node does not answer": {pod("cup-0", taken, restarted(0, true, ""), scheduled, silent, down),
			v1alpha1.ReasonNodeLost, silence},
		"it has readiness gates of which one is closed": {pod("cup-0", taken, gated, silent,
			has(corev1.ConditionFalse, "ReadinessGatesNotReady", corev1.PodReady)), "", ""},
		"it has readiness gates and its node does not answer": {pod("cup-0", taken, gated, silent, down), v1alpha1.ReasonNodeLost, silence},
		"Kubernetes calls the node lost": {pod("cup-0", taken, notReady, func(p *corev1.Pod) { p.Status.Reason = "NodeLost" }),
			v1alpha1.ReasonNodeLost, silence},
		"its node does not answer and it is deleted": {pod("cup-0", taken, restarted(0, true, ""), silent, down, deleted, evicted),
			v1alpha1.ReasonNodeLost, silence},
		"a taint has it deleted and it crashed before": {pod("cup-0", taken, restarted(2, false, ""), notReady, deleted, evicted),
			v1alpha1.ReasonPodTerminating, unsaid},
		"a taint has it deleted and its container hangs": {pod("cup-0", taken, restarted(0, true, ""), deleted, evicted,
			since(70*time.Second, notReady)), v1alpha1.ReasonPodTerminating, unsaid},
		"a taint has it deleted and the clock of its node is behind": {pod("cup-0", taken, restarted(0, true, ""), deleted, evicted,
			since(-time.Hour, notReady)), v1alpha1.ReasonPodTerminating, unsaid},
		"no kubelet takes it": {pod("cup-0", scheduled), v1alpha1.ReasonNodeLost,
			"node node of pod cup-0 has not begun to start the pod, which it was given at 2026-11-30T12:00:00Z, and Kubernetes"},
		"no kubelet takes it and it is deleted": {pod("cup-0", scheduled, deleted), v1alpha1.ReasonNodeLost, "has not begun to start"},
		"it has no node yet":                    {pod("cup-0", unschedulable("full"), deleted), "", ""},
		"its node does not say that it ended": {pod("cup-0", taken, restarted(0, true, ""), deleted), v1alpha1.ReasonPodTerminating,
			unsaid},
		"a volume keeps it": {pod("cup-0", taken, ended, deleted), v1alpha1.ReasonPodTerminating,
			"its containers have ended, but node node keeps it, most often because a volume can't be unmounted"},
		"a taint has it deleted and a volume keeps it": {pod("cup-0", taken, ended, deleted, evicted), v1alpha1.ReasonPodTerminating,
			"a volume can't be unmounted"},
		"finalizers keep it": {pod("cup-0", taken, ended, deleted, func(p *corev1.Pod) {
			p.Finalizers, p.DeletionGracePeriodSeconds = []string{"a.example/x", "b.example/y"}, ptr.To[int64](0)
			p.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
		}), v1alpha1.ReasonPodTerminating,
			"pod cup-0 was deleted at 2026-11-30T12:00:00Z, and its finalizers (a.example/x, b.example/y) keep it; whoever set them"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, passed := range []time.Duration{75 * time.Second, time.Hour} {
				trouble, again := observe.NodeTrouble([]corev1.Pod{test.pod}, noon.Add(passed))
				expect(t, trouble, test.reason, test.message)
				if again != 0 {
					t.Errorf("looks again in %s, %s after it began", again, passed)
				}
			}
		})
	}
}

// Force may let two servers write to one volume, so every message that names it says first that the node has to be off.
func TestNodeTrouble_SaysWhatToDo(t *testing.T) {
	ifOff := "; only if the node is certainly off, run `kubectl taint nodes node node.kubernetes.io/out-of-service=nodeshutdown:NoExecute` " +
		"or, without the right to do that, `kubectl -n chat delete pod cup-0 --force`: otherwise two servers could write to one volume"
	see := "the cluster's administrator has to see whether the node answers, and what its kubelet's log says" + ifOff
	for name, test := range map[string]struct {
		pod             corev1.Pod
		reason, message string
	}{
		"its node does not answer": {pod("cup-0", taken, silent, down), v1alpha1.ReasonNodeLost,
			"the cluster's administrator has to bring the node back" + ifOff},
		"no kubelet takes it":                 {pod("cup-0", scheduled), v1alpha1.ReasonNodeLost, see},
		"its node does not say that it ended": {pod("cup-0", taken, deleted), v1alpha1.ReasonPodTerminating, see},
	} {
		t.Run(name, func(t *testing.T) {
			trouble, _ := observe.NodeTrouble([]corev1.Pod{test.pod}, noon.Add(time.Hour))
			expect(t, trouble, test.reason, test.message)
		})
	}
}

// What has its time is no trouble, and is looked at when the time is over, also where the clock that it was written by is ahead.
func TestNodeTrouble_WaitsForWhatHasItsTime(t *testing.T) {
	starting, going := pod("cup-0", scheduled), pod("cup-1", taken, deleted)
	marked := pod("cup-2", taken, silent, down)
	for name, test := range map[string]struct {
		pods []corev1.Pod
		at   time.Duration
		want time.Duration
	}{
		"a kubelet takes a minute at most":           {[]corev1.Pod{starting}, 10 * time.Second, 50 * time.Second},
		"a pod has its grace period and 30 seconds":  {[]corev1.Pod{going}, 10 * time.Second, 65 * time.Second},
		"a kubelet that answers corrects a pod":      {[]corev1.Pod{marked}, 10 * time.Second, 20 * time.Second},
		"of two pods the sooner one counts":          {[]corev1.Pod{going, starting}, 10 * time.Second, 50 * time.Second},
		"a pod that was deleted in the future waits": {[]corev1.Pod{going}, -time.Hour, 75 * time.Second},
		"nothing is on its way":                      {[]corev1.Pod{pod("cup-0", taken)}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			trouble, again := observe.NodeTrouble(test.pods, noon.Add(test.at))
			expect(t, trouble, "", "")
			if again != test.want {
				t.Errorf("looks again in %s, want %s", again, test.want)
			}
		})
	}
}

func TestNodeTrouble_OfTwoPodsTheFirstByNameSpeaks(t *testing.T) {
	lost := pod("cup-1", taken, silent, down)
	trouble, _ := observe.NodeTrouble([]corev1.Pod{lost, pod("cup-0", taken, restarted(0, true, ""))}, noon.Add(time.Minute))
	expect(t, trouble, v1alpha1.ReasonNodeLost, "pod cup-1 does")
	trouble, _ = observe.NodeTrouble([]corev1.Pod{lost, pod("cup-0", taken, silent, down)}, noon.Add(time.Minute))
	expect(t, trouble, v1alpha1.ReasonNodeLost, "pod cup-0 does")
}
