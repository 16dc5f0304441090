// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"errors"
	"testing"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Without its finalizer the operator begins nothing and ends nothing, so that it is refused has to be seen in the status.
func TestFinalizer_ThatIsRefusedIsToldInTheStatus(t *testing.T) {
	w := newWorldWithZone(t)
	refused := apierrors.NewForbidden(schema.GroupResource{Group: "xmppfed.io", Resource: "federations"}, "cup", errors.New("policy says no"))
	w.create("cup")
	key := client.ObjectKey{Namespace: w.namespace, Name: "cup"}
	w.fail("patch Federation", refused, 0)
	_, err := w.tryReconcileWithoutContract(key)
	w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("adding the finalizer")))
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionAccepted, v1alpha1.ReasonReconcileFailed,
		"can't change its finalizer xmppfed.io/federation of this Federation", "policy says no")
	w.Expect(w.get("cup").Finalizers).To(gomega.BeEmpty())
	said := w.get("cup").ResourceVersion
	w.fail("patch Federation", refused, 0)
	_, err = w.tryReconcileWithoutContract(key)
	w.Expect(err).To(gomega.HaveOccurred())
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(said), "the same text on every try")

	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)

	w.Expect(w.api.Delete(t.Context(), w.get("cup"))).To(gomega.Succeed())
	for range 10 { // until the records are gone
		w.fail("patch Federation", refused, 0)
		if _, err = w.tryReconcile(key); err != nil {
			break
		}
		w.pass(w.get("cup").Spec.Verification.Interval.Duration)
	}
	w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("removing the finalizer")))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReconcileFailed,
		"deleting: the operator can't change its finalizer", "policy says no")
}

// What changed meanwhile is looked at again at once, and nothing is said of it.
func TestFinalizer_AConflictIsNoTrouble(t *testing.T) {
	w := newWorldWithZone(t)
	before := w.create("cup").ResourceVersion
	w.fail("patch Federation", apierrors.NewConflict(schema.GroupResource{Group: "xmppfed.io", Resource: "federations"}, "cup", errors.New("stale")), 0)
	result, err := w.tryReconcileWithoutContract(client.ObjectKey{Namespace: w.namespace, Name: "cup"})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(result.RequeueAfter).NotTo(gomega.BeZero())
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(before))
}
