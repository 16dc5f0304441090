// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/observe"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// pod is a pod with what the test changes.
func pod(name string, edits ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: name},
		Spec:       corev1.PodSpec{NodeName: "node"},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func unschedulable(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message},
		}
	}
}

func waiting(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Image: "registry.example/prosody:13.0",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}
	}
}

// restarted is a container that ended some times and last said something.
func restarted(times int32, ready bool, lastWords string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Ready: ready, RestartCount: times, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
		if times > 0 {
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Message: lastWords}
		}
	}
}

func TestPodTroubleTellsWhatKubernetesReports(t *testing.T) {
	for name, test := range map[string]struct {
		pods            []corev1.Pod
		reason, message string
	}{
		"no pods":               {nil, "", ""},
		"a pod that just began": {[]corev1.Pod{pod("cup-0")}, "", ""},
		"a pod that creates its container": {[]corev1.Pod{pod("cup-0", waiting("ContainerCreating", ""))},
			"", ""},
		"no node can take it": {[]corev1.Pod{pod("cup-0", unschedulable("0/1 nodes are available:\n 1 Insufficient memory."))},
			v1alpha1.ReasonUnschedulable, "no node can take pod cup-0: 0/1 nodes are available: 1 Insufficient memory.; the cluster's"},
		"the image does not exist": {[]corev1.Pod{pod("cup-0", waiting("ErrImagePull", "not found"))},
			v1alpha1.ReasonImagePullFailed, "pod cup-0 can't get image registry.example/prosody:13.0; correct spec.server.image"},
		"the image is waited for": {[]corev1.Pod{pod("cup-0", waiting("ImagePullBackOff", "Back-off 5m0s"))},
			v1alpha1.ReasonImagePullFailed, "can't get image"},
		"the image's name is wrong": {[]corev1.Pod{pod("cup-0", waiting("InvalidImageName", ""))},
			v1alpha1.ReasonImagePullFailed, "can't get image"},
		"the image may not be pulled": {[]corev1.Pod{pod("cup-0", waiting("ErrImageNeverPull", ""))},
			v1alpha1.ReasonImagePullFailed, "can't get image"},
		"the container can't be made": {[]corev1.Pod{pod("cup-0", waiting("CreateContainerConfigError", "runAsNonRoot"))},
			v1alpha1.ReasonContainerCrashing, "can't be started (CreateContainerConfigError: runAsNonRoot)"},
		"the server ended and runs again": {[]corev1.Pod{pod("cup-0", restarted(2, false, "starting\n\nport in use\n"))},
			v1alpha1.ReasonContainerCrashing, "the server in pod cup-0 does not stay up: port in use; see `kubectl -n chat logs cup-0 --previous`"},
		"the server ended without a word": {[]corev1.Pod{pod("cup-0", restarted(1, false, " \n"))},
			v1alpha1.ReasonContainerCrashing, "does not stay up; see"},
		"the server ended once and is ready since": {[]corev1.Pod{pod("cup-0", restarted(1, true, "killed"))}, "", ""},
		"the server starts for the first time":     {[]corev1.Pod{pod("cup-0", restarted(0, false, ""))}, "", ""},
		"of two troubled pods the first by name speaks": {
			[]corev1.Pod{pod("cup-1", waiting("ErrImagePull", "")), pod("cup-0", unschedulable("full"))},
			v1alpha1.ReasonUnschedulable, "cup-0"},
		"a healthy pod does not hide a troubled one": {
			[]corev1.Pod{pod("cup-0", restarted(0, true, "")), pod("cup-1", waiting("ErrImagePull", ""))},
			v1alpha1.ReasonImagePullFailed, "cup-1"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, observe.PodTrouble(test.pods), test.reason, test.message)
		})
	}
}

func TestCrashesReadTheSameWhileTheContainerWaitsAndWhileItTriesAgain(t *testing.T) {
	tries := pod("cup-0", restarted(3, false, "port in use"))
	waits := pod("cup-0", restarted(3, false, "port in use"))
	waits.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	a, b := observe.PodTrouble([]corev1.Pod{tries}), observe.PodTrouble([]corev1.Pod{waits})
	if a == nil || b == nil || a.Message != b.Message {
		t.Errorf("the status would flap between %v and %v", a, b)
	}
}

func TestForeignTextIsBounded(t *testing.T) {
	trouble := observe.PodTrouble([]corev1.Pod{pod("cup-0", unschedulable(strings.Repeat("ü", 5000)+"\xff"))})
	if trouble == nil || len(trouble.Message) > 1000 {
		t.Fatalf("a message of %d bytes", len(trouble.Message))
	}
	if strings.ToValidUTF8(trouble.Message, "") != trouble.Message {
		t.Error("the message is no valid UTF-8")
	}
}

func TestStartTroubleNeedsAPodThatHasANodeAndAWarning(t *testing.T) {
	warning := observe.Event{Reason: "FailedMount", Message: `MountVolume.SetUp failed for volume "data"`}
	for name, test := range map[string]struct {
		pod     corev1.Pod
		warning observe.Event
		want    string
	}{
		"a pod with a node and a warning": {pod("cup-0"), warning, v1alpha1.ReasonVolumePending},
		"no warning":                      {pod("cup-0"), observe.Event{}, ""},
		"no node yet":                     {pod("cup-0", func(p *corev1.Pod) { p.Spec.NodeName = "" }), warning, ""},
		"it runs by now":                  {pod("cup-0", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }), warning, ""},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, observe.StartTrouble(&test.pod, test.warning), test.want, "pod cup-0 waits for its volumes: "+warning.Message)
		})
	}
}

// The newest warning may be of the first second of the pod. The kubelet mounts volumes before it makes the sandbox.
func TestStartTroubleThatIsOverIsNotTold(t *testing.T) {
	prepared := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}}
	}
	for name, test := range map[string]struct {
		pod     corev1.Pod
		warning observe.Event
	}{
		"its volumes are mounted by now": {pod("cup-0", prepared), observe.Event{Reason: "FailedMount", Message: "no such volume"}},
		"its sandbox is there by now":    {pod("cup-0", prepared), observe.Event{Reason: "FailedCreatePodSandBox", Message: "no address left"}},
		"the kubelet's copy of a ConfigMap was not there yet": {pod("cup-0"), observe.Event{Reason: "FailedMount",
			Message: `MountVolume.SetUp failed for volume "config" : failed to sync configmap cache: timed out waiting for the condition`}},
		"the kubelet's copy of a Secret was not there yet": {pod("cup-0"), observe.Event{Reason: "FailedMount",
			Message: `MountVolume.SetUp failed for volume "secret" : failed to sync secret cache: timed out waiting for the condition`}},
		"the kubelet had not heard of the pod's objects yet": {pod("cup-0"), observe.Event{Reason: "FailedMount",
			Message: `MountVolume.SetUp failed for volume "config" : object "chat"/"cup-config" not registered`}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, observe.StartTrouble(&test.pod, test.warning), "", "") })
	}
}

func TestStartTroubleThatIsNotOfVolumesIsNotBlamedOnStorage(t *testing.T) {
	cup := pod("cup-0")
	trouble := observe.StartTrouble(&cup, observe.Event{Reason: "FailedCreatePodSandBox", Message: "no address left"})
	expect(t, trouble, v1alpha1.ReasonContainerCrashing, "pod cup-0 can't be started: no address left")
}

func TestWhatTheSchedulerSaidIsOverOnceThereIsANode(t *testing.T) {
	cup := pod("cup-0")
	trouble := observe.StartTrouble(&cup, observe.Event{Reason: "FailedScheduling", Message: "unbound PersistentVolumeClaims"})
	expect(t, trouble, "", "")
}

func TestRejectedNeedsAWarning(t *testing.T) {
	expect(t, observe.Rejected("cup", observe.Event{}), "", "")
	expect(t, observe.Rejected("cup", observe.Event{Reason: "FailedCreate", Message: "exceeded quota: small"}), v1alpha1.ReasonPodsRejected,
		"StatefulSet cup has no pod: exceeded quota: small; the cluster's administrator has to allow it")
}

// expect checks reason and message; an empty reason stands for no trouble.
func expect(t *testing.T, got *outcome.Error, reason, message string) {
	t.Helper()
	switch {
	case reason == "" && got != nil:
		t.Errorf("trouble where there is none: %v", got)
	case reason != "" && got == nil:
		t.Errorf("no trouble, want %s", reason)
	case got != nil:
		if got.Reason != reason || !strings.Contains(got.Message, message) {
			t.Errorf("got %s: %s", got.Reason, got.Message)
		}
		if got.After != 0 || got.Retry {
			t.Errorf("got %+v, want that it waits for pods and events, which are watched", got)
		}
	}
}
