// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// at is when an event happened last.
func at(e *corev1.Event) time.Time {
	times := []time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time}
	if e.Series != nil {
		times = append(times, e.Series.LastObservedTime.Time)
	}
	return slices.MaxFunc(times, time.Time.Compare)
}

// PodTrouble is what keeps one of the pods from running, as Kubernetes reports it; nil when nothing does. Of several
// troubled pods the first by name speaks.
func PodTrouble(pods []corev1.Pod) *outcome.Error {
	pods = slices.SortedFunc(slices.Values(pods), func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	for i := range pods {
		if trouble := podTrouble(&pods[i]); trouble != nil {
			return trouble
		}
	}
	return nil
}

func podTrouble(pod *corev1.Pod) *outcome.Error {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse &&
			condition.Reason == corev1.PodReasonUnschedulable {
			return outcome.Waiting(v1alpha1.ReasonUnschedulable, 0,
				"no node can take pod %s: %s; the cluster's administrator has to make room, or change spec.server.podTemplate",
				pod.Name, oneLine(condition.Message))
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if crashing(&status) {
			return outcome.Waiting(v1alpha1.ReasonContainerCrashing, 0,
				"the server in pod %s does not stay up%s; see `kubectl -n %s logs %s --previous`",
				pod.Name, lastWords(&status), pod.Namespace, pod.Name)
		}
		if waiting := status.State.Waiting; waiting != nil {
			if trouble := waitingTrouble(pod, &status, waiting); trouble != nil {
				return trouble
			}
		}
	}
	return nil
}

func waitingTrouble(pod *corev1.Pod, status *corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) *outcome.Error {
	switch waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
		return outcome.Waiting(v1alpha1.ReasonImagePullFailed, 0,
			"pod %s can't get image %s; correct spec.server.image, or give the pods access with "+
				"spec.server.podTemplate.imagePullSecrets", pod.Name, status.Image)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return outcome.Waiting(v1alpha1.ReasonContainerCrashing, 0,
			"the server in pod %s can't be started (%s: %s); the cluster's administrator, or whoever chose "+
				"spec.server.podTemplate, has to mend that", pod.Name, waiting.Reason, oneLine(waiting.Message))
	}
	return nil
}

// crashing tells that the container ended with an error and has not become ready since. It does not matter whether it
// just waits or tries again, for that changes from second to second.
func crashing(status *corev1.ContainerStatus) bool {
	return !status.Ready && status.RestartCount > 0 && status.LastTerminationState.Terminated != nil
}

// lastWords of a container that ended: the last line that it wrote.
func lastWords(status *corev1.ContainerStatus) string {
	ended := status.LastTerminationState.Terminated
	if ended == nil || strings.TrimSpace(ended.Message) == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(ended.Message), "\n")
	return ": " + oneLine(lines[len(lines)-1])
}

// StartTrouble tells what keeps the kubelet from starting the pod, given the newest warning event about it. Events of
// others than the kubelet, such as of the scheduler before there was a node, are over by then.
func StartTrouble(pod *corev1.Pod, warning Event) *outcome.Error {
	if pod.Status.Phase != corev1.PodPending || pod.Spec.NodeName == "" || prepared(pod) || passing(warning) {
		return nil
	}
	switch warning.Reason {
	case "FailedMount", "FailedAttachVolume", "FailedMapVolume":
		return outcome.Waiting(v1alpha1.ReasonVolumePending, 0,
			"pod %s waits for its volumes: %s; the cluster's administrator provides storage", pod.Name, warning.Message)
	case "FailedCreatePodSandBox", "NetworkNotReady":
		return outcome.Waiting(v1alpha1.ReasonContainerCrashing, 0,
			"pod %s can't be started: %s; the cluster's administrator has to mend that", pod.Name, warning.Message)
	}
	return nil
}

// prepared reports whether the kubelet has mounted the volumes and made the sandbox, so that what it said of them before is over.
func prepared(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReadyToStartContainers && condition.Status == corev1.ConditionTrue
	})
}

// passing reports whether a warning says only that the kubelet's own copies of ConfigMaps and Secrets had not arrived when the pod
// was a moment old. It tries again by itself.
func passing(warning Event) bool {
	return warning.Reason == "FailedMount" && slices.ContainsFunc(
		[]string{"failed to sync configmap cache", "failed to sync secret cache", " not registered"},
		func(text string) bool { return strings.Contains(warning.Message, text) })
}

// Rejected tells that Kubernetes refuses to create pods, given the newest warning event about their StatefulSet.
func Rejected(statefulSet string, warning Event) *outcome.Error {
	if warning.Message == "" {
		return nil
	}
	return outcome.Waiting(v1alpha1.ReasonPodsRejected, 0,
		"StatefulSet %s has no pod: %s; the cluster's administrator has to allow it", statefulSet, warning.Message)
}
