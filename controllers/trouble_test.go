// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
)

func TestTroubleWithTheAPIServerIsToldAndTriedAgain(t *testing.T) {
	for write, condition := range map[string]string{
		"apply Service":     v1alpha1.ConditionAddressAssigned,
		"apply ConfigMap":   v1alpha1.ConditionServerReady,
		"apply StatefulSet": v1alpha1.ConditionServerReady,
		"create Secret":     v1alpha1.ConditionCertificateReady,
	} {
		t.Run(write, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.create("cup")
			w.fail(write, errors.New("etcd\n  is  slow"), 0)
			_, err := w.tryReconcile(w.key("cup"))
			w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("is  slow")), "the queue tries again")
			w.expectCondition(w.get("cup"), condition, metav1.ConditionFalse, v1alpha1.ReasonReconcileFailed, "etcd is slow")
			w.reconcile("cup")
			w.Expect(namesOf(w.get("cup").Status.Conditions)).To(gomega.ContainElement(v1alpha1.ConditionReconciling))
			w.Expect(readyReason(w.get("cup"))).To(gomega.Equal(v1alpha1.ReasonRollingOut), "and all is well then")
		})
	}
}

func TestAnObjectThatKubernetesRefusesStallsWithItsWords(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{PriorityClassName: "No Such Class!"}
	})
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionServerReady, v1alpha1.ReasonObjectRefused,
		"correct the field of the spec", "priorityClassName")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

// What is known of the address is published, whatever becomes of the Service that leads there.
func TestAServiceThatCannotBeWrittenHoldsNoKnownAddressBack(t *testing.T) {
	broken := errors.New("the API server is overloaded")
	t.Run("which the spec gives", func(t *testing.T) {
		w := newWorldWithZone(t)
		w.create("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.PublicAddresses = []string{publicAddress} })
		w.fail("apply Service", broken, 0)
		_, err := w.tryReconcile(w.key("cup"))
		w.Expect(err).To(gomega.MatchError(broken))
		w.expectCondition(w.get("cup"), v1alpha1.ConditionAddressAssigned, metav1.ConditionFalse, v1alpha1.ReasonReconcileFailed)
		w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
	})
	t.Run("which the load balancer gave", func(t *testing.T) {
		w := newWorldWithZone(t)
		w.createReady("cup")
		w.change("cup", func(fed *v1alpha1.Federation) {
			fed.Spec.Exposure.LoadBalancer.SourceRanges = []string{"198.51.100.0/24"}
		})
		w.assignAddress("cup", "203.0.113.131")
		w.fail("apply Service", broken, 0)
		_, err := w.tryReconcile(w.key("cup"))
		w.Expect(err).To(gomega.MatchError(broken))
		w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.131"))

		w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 5299 })
		w.fail("apply Service", broken, 0)
		_, err = w.tryReconcile(w.key("cup"))
		w.Expect(err).To(gomega.MatchError(broken))
		w.Expect(strings.Join(w.records(), "\n")).NotTo(gomega.ContainSubstring(" 5299 "), "a port that the load balancer lacks")
	})
}

func TestAConflictIsNoErrorButAnotherLookSoon(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "federations"}, "cup", errors.New("it changed meanwhile"))
	w.fail("patch status of Federation", conflict, 0)
	result, err := w.tryReconcileWithoutContract(w.key("cup"))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", time.Second)))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}

// What a Federation is allowed to write is noted in its status first; that note must not be lost to an older copy.
func TestNoRecordIsWrittenBeforeItsZoneIsNoted(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.fail("patch status of Federation", errors.New("the API server is gone"), 0)
	_, err := w.tryReconcile(w.key("cup"))
	w.Expect(err).To(gomega.HaveOccurred())
	w.Expect(w.records()).To(gomega.BeEmpty())
	w.Expect(strings.Join(w.journal, "\n")).NotTo(gomega.ContainSubstring("dns"))
}

func TestARestartedOperatorThatHasNotProbedTheZoneYetTakesNothingBack(t *testing.T) {
	w := newWorldWithZone(t)
	ready := w.createReady("cup")
	w.restartOperator()
	w.feds.Zones = controllers.NewZones(func() time.Time { return w.now })
	w.zones.Zones = w.feds.Zones
	result := w.reconcile("cup")
	w.Expect(w.get("cup").Status).To(gomega.Equal(ready.Status), "what was known stands until something else is known")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 5*time.Second))
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	w.Expect(w.get("cup").Status).To(gomega.Equal(ready.Status))
}

func TestPodsThatCannotBeListedDoNotPassForReady(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	pod := read[corev1.Pod](w, "cup-0")
	w.Expect(w.api.Delete(t.Context(), pod, client.GracePeriodSeconds(0))).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut)
}
