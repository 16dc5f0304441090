// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"encoding/json"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func withAccounts(fed *v1alpha1.Federation) {
	fed.Spec.Server.Accounts = &v1alpha1.AccountsSpec{SecretRef: v1alpha1.SecretName{Name: "cup-accounts"}}
}

func (w *world) writeAccounts(accounts map[string]string) {
	w.t.Helper()
	w.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cup-accounts"}, StringData: accounts})
}

// accounts that the server is given.
func (w *world) accounts() map[string]string {
	w.t.Helper()
	accounts := map[string]string{}
	w.Expect(json.Unmarshal(read[corev1.Secret](w, "cup-server").Data["accounts.json"], &accounts)).To(gomega.Succeed())
	return accounts
}

func TestAccountsReachTheServer(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(map[string]string{"cupuser1": "secret"})
	w.createReady("cup", withAccounts)
	w.Expect(w.accounts()).To(gomega.Equal(map[string]string{"cupuser1": "secret"}))
	template := read[appsv1.StatefulSet](w, "cup").Spec.Template

	w.put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cup-accounts"}, StringData: map[string]string{"cupuser2": "other"},
	})
	w.reconcile("cup")
	w.Expect(w.accounts()).To(gomega.Equal(map[string]string{"cupuser2": "other"}))
	w.Expect(read[appsv1.StatefulSet](w, "cup").Spec.Template).To(gomega.Equal(template), "nothing restarts")
}

func TestMissingAccountsAreReportedAndTheServerRunsWithout(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", withAccounts)
	w.reconcile("cup")
	w.runServer("cup")
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonSecretNotFound,
		"Secret "+w.namespace+"/cup-accounts, named by spec.server.accounts.secretRef, does not exist")
	w.writeAccounts(map[string]string{"cupuser1": "secret"})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning, "1 of 1 pods run Prosody 13.0.1")
}

func TestABadAccountIsNamedAndTheOthersWork(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(map[string]string{"cupuser1": "secret", "CupUser2": "secret", "newline": "secret\n"})
	w.create("cup", withAccounts)
	w.reconcile("cup")
	w.runServer("cup")
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionServerReady, v1alpha1.ReasonAccountsInvalid,
		"CupUser2, newline")
	w.Expect(w.accounts()).To(gomega.Equal(map[string]string{"cupuser1": "secret", "newline": ""}), "newline was not removed")
}

func TestAccountsThatVanishDoNotLockUsersOut(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(map[string]string{"cupuser1": "secret"})
	w.createReady("cup", withAccounts)
	w.Expect(w.api.Delete(t.Context(), read[corev1.Secret](w, "cup-accounts"))).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonSecretNotFound)
	w.Expect(w.accounts()).To(gomega.HaveKey("cupuser1"))
}

func TestAChangedConfigurationNudgesThePods(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before := read[corev1.Pod](w, "cup-0").Annotations["xmppfed.io/generation"]
	w.Expect(before).NotTo(gomega.BeEmpty())
	w.server.lagging = true
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat.Subdomain = "rooms" })
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut,
		"pod cup-0 has not taken up the newest configuration yet")
	w.Expect(result.RequeueAfter.Seconds()).To(gomega.BeNumerically("<=", 1), "pods can't tell by themselves")
	w.Expect(read[corev1.Pod](w, "cup-0").Annotations["xmppfed.io/generation"]).NotTo(gomega.Equal(before))

	w.server.lagging = false
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestAServerThatRefusesItsConfigurationIsQuoted(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.server.rejected = "prosody.cfg.lua:7: unexpected symbol"
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionServerReady, v1alpha1.ReasonConfigRejected,
		"goes on with its previous configuration", "prosody.cfg.lua:7: unexpected symbol")
}

func TestAServerThatDoesNotAnswerTheOperatorIsNotReady(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.server.silent = true
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut,
		"network policies between the operator and port 5280")
	w.Expect(result.RequeueAfter.Seconds()).To(gomega.BeNumerically(">", 0))
}

func TestTroubleOfPodsIsSurfaced(t *testing.T) {
	container := func(waiting corev1.ContainerStateWaiting, restarts int32, last string) func(*corev1.PodStatus) {
		return func(status *corev1.PodStatus) {
			status.Phase = corev1.PodPending
			status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "prosody", RestartCount: restarts, Image: "registry.example/prosody:13.0", State: corev1.ContainerState{Waiting: &waiting},
			}}
			if restarts > 0 {
				status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Message: last}
			}
		}
	}
	for name, trouble := range map[string]struct {
		status          func(*corev1.PodStatus)
		event           string
		reason, message string
	}{
		"no node can take it": {status: func(status *corev1.PodStatus) {
			status.Phase = corev1.PodPending
			status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
				Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes are available: 1 Insufficient memory."}}
		}, reason: v1alpha1.ReasonUnschedulable, message: "0/1 nodes are available: 1 Insufficient memory."},
		"its image can't be pulled": {status: container(corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}, 0, ""),
			reason: v1alpha1.ReasonImagePullFailed, message: "can't get image registry.example/prosody:13.0; correct spec.server.image"},
		"it crashes": {status: container(corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}, 3, "starting\nno space left on device\n"),
			reason: v1alpha1.ReasonContainerCrashing, message: "does not stay up: no space left on device; see `kubectl"},
		"it can't be started": {
			status: container(corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: "no user"}, 0, ""),
			reason: v1alpha1.ReasonContainerCrashing, message: "can't be started (CreateContainerConfigError: no user)"},
		"its volume is late": {status: func(status *corev1.PodStatus) { status.Phase = corev1.PodPending },
			event:  "MountVolume.SetUp failed for volume \"data\" :\n\n rpc error",
			reason: v1alpha1.ReasonVolumePending, message: `waits for its volumes: MountVolume.SetUp failed for volume "data" : rpc error`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.create("cup")
			w.reconcile("cup")
			pod := w.createPod("cup", trouble.status)
			if trouble.event != "" {
				w.warn(pod, "Pod", "FailedMount", trouble.event)
			}
			result := w.reconcile("cup")
			w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, trouble.reason, trouble.message)
			w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">=", outcome.HiccupDeadline),
				"pods and their events are watched, so that nothing changes before it counts as failed")
		})
	}
}

func TestPodsThatOnlyLookLikeTheServersAreNotAsked(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.runServer("cup")
	pod := read[corev1.Pod](w, "cup-0")
	pod.OwnerReferences = nil
	w.Expect(w.api.Update(t.Context(), pod)).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonRollingOut)
	w.Expect(read[corev1.Pod](w, "cup-0").Annotations).NotTo(gomega.HaveKey("xmppfed.io/generation"))
}

func TestAQuotaThatForbidsPodsIsSurfaced(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.warn(read[appsv1.StatefulSet](w, "cup"), "StatefulSet", "FailedCreate",
		`create Pod cup-0 in StatefulSet cup failed error: pods "cup-0" is forbidden: exceeded quota: small`)
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonPodsRejected,
		"StatefulSet cup has no pod", "exceeded quota: small", "the cluster's administrator has to allow it")
}

func TestSecretsOfTheServerNeverChangeByThemselves(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before := read[corev1.Secret](w, "cup-server").Data
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 60 })
	w.restartOperator()
	w.reconcile("cup")
	after := read[corev1.Secret](w, "cup-server").Data
	for _, key := range []string{"dialback-secret", "token"} {
		w.Expect(before[key]).NotTo(gomega.BeEmpty())
		w.Expect(after[key]).To(gomega.Equal(before[key]), key)
	}
}

func TestThePodTemplateIsMerged(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Server.Image = "registry.example/prosody:0.12"
		fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{
			Labels: map[string]string{"team": "chat"}, NodeSelector: map[string]string{"disk": "fast"},
		}
	})
	w.reconcile("cup")
	template := read[appsv1.StatefulSet](w, "cup").Spec.Template
	w.Expect(template.Spec.Containers[0].Image).To(gomega.Equal("registry.example/prosody:0.12"))
	w.Expect(template.Labels).To(gomega.And(gomega.HaveKeyWithValue("team", "chat"), gomega.HaveKey("xmppfed.io/federation")))
	w.Expect(template.Spec.NodeSelector).To(gomega.HaveKeyWithValue("disk", "fast"))

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.PodTemplate = nil })
	w.reconcile("cup")
	template = read[appsv1.StatefulSet](w, "cup").Spec.Template
	w.Expect(template.Labels).NotTo(gomega.HaveKey("team"), "what is taken out goes")
	w.Expect(template.Spec.NodeSelector).To(gomega.BeEmpty())
}
