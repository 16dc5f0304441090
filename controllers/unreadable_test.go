// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// spoil changes the spec of a stored object past admission.
func (w *world) spoil(kind string, object client.Object, spec string) {
	w.t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":`+spec+`}`))
	kubetest.WithoutRules(w.t, kind, func(client.Client) error { return w.api.Patch(w.t.Context(), object, patch) })
}

// correct changes the spec of a Federation, which stands for the correction that its manager makes.
func (w *world) correct(name, spec string) {
	w.t.Helper()
	w.Expect(w.api.Patch(w.t.Context(), w.get(name), client.RawPatch(types.MergePatchType, []byte(`{"spec":`+spec+`}`)))).To(gomega.Succeed())
}

func TestASpecThatCannotBeReadLeavesAllAsItIsUntilItIsCorrected(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before := w.zone.Dump()
	w.spoil("Federation", w.get("cup"), `{"server":{"storage":{"size":"abc"}},"domains":["cupdomain.com","new.cupdomain.com"]}`)
	w.assignAddress("cup", "203.0.113.77")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.Equal([]string{"patch status of Federation cup"}))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonSpecUnreadable,
		"spec.server.storage.size: quantities must match")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSpecUnreadable)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked)
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "it is told once")
	w.Expect(w.zone.Dump()).To(gomega.Equal(before), "what is published stays")

	w.correct("cup", `{"server":{"storage":{"size":"1Gi"}},"domains":["cupdomain.com"]}`)
	w.reconcile("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.77"))
}

func TestASpecThatCannotBeReadKeepsNobodyFromDeletion(t *testing.T) {
	w := newWorldWithZone(t)
	empty := w.zone.Dump()
	w.createReady("cup")
	w.spoil("Federation", w.get("cup"), `{"server":{"storage":{"size":"abc"}}}`)
	w.reconcile("cup")
	w.deleteCompletely("cup")
	w.Expect(w.zone.Dump()).To(gomega.Equal(empty))
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeFalse())
}

func TestDeletionWaitsUntilItCanBeReadWhatBecomesOfRecords(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	before := w.zone.Dump()
	w.spoil("Federation", w.get("cup"), `{"dns":{"maxCacheWait":"soon"}}`)
	w.startDeletion("cup")
	w.reconcile("cup")
	w.pass(time.Hour)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSpecUnreadable,
		"spec.dns.maxCacheWait: time: invalid duration")
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())

	w.correct("cup", `{"dns":{"maxCacheWait":null}}`)
	for range 3 {
		w.reconcile("cup")
	}
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.zone.Dump()).To(gomega.Equal(before), "the records are retained")
}

func TestAZoneThatCannotBeReadIsNotWrittenToAndSaysSo(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before := w.zone.Dump()
	w.spoil("DNSZone", &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: "cupdomain-com"}}, `{"brake":{"percent":"half"}}`)
	w.reconcileZone("cupdomain-com")
	zone := w.getZone("cupdomain-com")
	w.Expect(zone.Status.Conditions).To(gomega.ContainElement(gomega.And(
		gomega.HaveField("Type", v1alpha1.ConditionReady), gomega.HaveField("Reason", v1alpha1.ReasonSpecUnreadable),
		gomega.HaveField("Message", gomega.ContainSubstring("spec.brake.percent: a string can't stand here")))))
	w.assignAddress("cup", "203.0.113.77")
	w.reconcile("cup")
	w.Expect(w.zone.Dump()).To(gomega.Equal(before))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonSpecUnreadable,
		"spec.brake.percent")

	w.Expect(w.api.Patch(t.Context(), zone, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"brake":{"percent":50}}}`)))).To(
		gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.77"))
}
