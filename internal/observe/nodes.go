// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// What Kubernetes writes into a pod itself when the kubelet of its node does not. No right to read nodes is needed to see it.
// reasonNodeLost is status.reason of a pod that is deleted because its node does not answer. That a taint had a pod deleted proves
// nothing of the kind: administrators have taints of their own.
const reasonNodeLost = "NodeLost"

const (
	// maxUncorrected is how long the kubelet may take to correct a status that another wrote in its place: it compares every ten
	// seconds.
	maxUncorrected = 30 * time.Second
	// maxUntaken is how long the kubelet may take to acknowledge a pod that the scheduler gave to its node.
	maxUntaken = time.Minute
	// maxOverdue is how much longer than its grace period a pod may take to be gone: its volumes are unmounted after its
	// containers have ended.
	maxOverdue = 30 * time.Second
)

// NodeTrouble returns which pod has a node that does not answer, or does not end though it was deleted; nil when none. Of
// several pods the first by name speaks. The delay says when a pod will have had its time, for nothing happens in the cluster
// then; it is zero when no pod is on its way.
func NodeTrouble(pods []corev1.Pod, now time.Time) (trouble *outcome.Error, again time.Duration) {
	pods = slices.SortedFunc(slices.Values(pods), func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for i := range pods {
		found, left := nodeTrouble(&pods[i], now)
		if found != nil {
			return found, 0
		}
		if left > 0 && (again == 0 || left < again) {
			again = left
		}
	}
	return nil, again
}

func nodeTrouble(pod *corev1.Pod, now time.Time) (*outcome.Error, time.Duration) {
	if pod.Spec.NodeName == "" {
		return nil, 0
	}
	if since, marked := markedSince(pod); marked {
		if left := clock.Left(since, now, maxUncorrected); left > 0 {
			return nil, left
		}
		return nodeLost(pod, "does not answer since", since, "bring the node back"), 0
	}
	scheduled := condition(pod, corev1.PodScheduled)
	if pod.Status.StartTime == nil && scheduled.Status == corev1.ConditionTrue {
		given := scheduled.LastTransitionTime.Time
		if left := clock.Left(given, now, maxUntaken); left > 0 {
			return nil, left
		}
		return nodeLost(pod, "has not begun to start the pod, which it was given at", given, seeWhetherItAnswers), 0
	}
	overdue, left := overdueIn(pod, now)
	if overdue {
		return stuck(pod), 0
	}
	return nil, left
}

// condition returns the condition of a type; the zero value when the pod has none.
func condition(pod *corev1.Pod, conditionType corev1.PodConditionType) corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == conditionType })
	if i < 0 {
		return corev1.PodCondition{}
	}
	return pod.Status.Conditions[i]
}

// markedSince returns when Kubernetes marked a pod because its node is not ready. It then sets condition Ready to False and changes
// nothing else: ContainersReady is as the kubelet wrote it last, and there is no reason, which the kubelet gives whenever it writes
// False. A kubelet that answers puts Ready right again.
func markedSince(pod *corev1.Pod) (time.Time, bool) {
	ready := condition(pod, corev1.PodReady)
	marked := condition(pod, corev1.ContainersReady).Status == corev1.ConditionTrue && ready.Reason == ""
	if ready.Status == corev1.ConditionFalse && (marked || pod.Status.Reason == reasonNodeLost) {
		return ready.LastTransitionTime.Time, true
	}
	return time.Time{}, false
}

// deletedAt returns when the deletion of a pod began. Kubernetes writes down when the grace period ends, and corrects both when
// the period is shortened.
func deletedAt(pod *corev1.Pod) time.Time {
	return pod.DeletionTimestamp.Add(-grace(pod))
}

// grace returns how long the pod may take to end.
func grace(pod *corev1.Pod) time.Duration {
	return time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
}

// overdueIn reports whether a pod that was deleted should be gone by now, and otherwise how long that takes.
func overdueIn(pod *corev1.Pod, now time.Time) (bool, time.Duration) {
	if pod.DeletionTimestamp == nil {
		return false, 0
	}
	left := clock.Left(deletedAt(pod), now, grace(pod)+maxOverdue)
	return left == 0, left
}

// hasEnded reports whether the kubelet said of every container that it has ended.
func hasEnded(pod *corev1.Pod) bool {
	return len(pod.Status.ContainerStatuses) > 0 &&
		!slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.State.Terminated == nil })
}

// onlyOnePod is why an outage of one pod does not end by itself.
const onlyOnePod = "Kubernetes starts no other pod in its place as long as this one may still run and write to its volume"

// seeWhetherItAnswers is what the cluster's administrator has to do where nothing proves that a node is silent.
const seeWhetherItAnswers = "see whether the node answers, and what its kubelet's log says"

func nodeLost(pod *corev1.Pod, what string, since time.Time, toDo string) *outcome.Error {
	return outcome.Waiting(v1alpha1.ReasonNodeLost, 0, "node %s of pod %s %s %s, and %s; the cluster's administrator has to %s; %s",
		pod.Spec.NodeName, pod.Name, what, since.UTC().Format(time.RFC3339), onlyOnePod, toDo, ifOff(pod))
}

// ifOff says how to do without a node that is off.
func ifOff(pod *corev1.Pod) string {
	return fmt.Sprintf("only if the node is certainly off, run "+
		"`kubectl taint nodes %s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute` "+
		"or, without the right to do that, `kubectl -n %s delete pod %s --force`: otherwise two servers could write to one volume",
		pod.Spec.NodeName, pod.Namespace, pod.Name)
}

// stuck says what keeps a pod whose time is over.
func stuck(pod *corev1.Pod) *outcome.Error {
	deleted := fmt.Sprintf("pod %s was deleted at %s", pod.Name, deletedAt(pod).UTC().Format(time.RFC3339))
	var cause string
	switch {
	case len(pod.Finalizers) > 0:
		cause = fmt.Sprintf("its finalizers (%s) keep it; whoever set them has to let it go", oneLine(strings.Join(pod.Finalizers, ", ")))
	case hasEnded(pod):
		cause = fmt.Sprintf("its containers have ended, but node %s keeps it, most often because a volume can't be unmounted; the "+
			"cluster's administrator finds the cause in the log of that node's kubelet", pod.Spec.NodeName)
	default:
		cause = fmt.Sprintf("node %s does not say that its containers have ended; the cluster's administrator has to %s; %s",
			pod.Spec.NodeName, seeWhetherItAnswers, ifOff(pod))
	}
	return outcome.Waiting(v1alpha1.ReasonPodTerminating, 0, "%s, and %s; until it is gone %s", deleted, cause, onlyOnePod)
}
