// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

const year = 365 * 24 * time.Hour

func TestAClockThatWasAheadDuringDeletionMakesItNoLonger(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.startDeletion("cup")
	right := w.now
	w.now = right.Add(year)
	w.reconcile("cup")
	w.now = right
	result := w.reconcile("cup")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 5*time.Minute))
	w.Expect(w.get("cup").Status.ServiceRecordsWithdrawn.Time).To(gomega.BeTemporally("==", right), "status is put right")
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestAClockThatWasAheadKeepsNoFormerHostForLonger(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	right := w.now
	w.now = right.Add(year)
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.now = right
	w.reconcile("cup")
	w.Expect(w.get("cup").Status.FormerHosts).To(gomega.HaveLen(1))
	w.Expect(w.get("cup").Status.FormerHosts[0].Until.Time).To(gomega.BeTemporally("==", right.Add(5*time.Minute)))
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.Expect(w.formerHosts()).To(gomega.BeEmpty())
}

func TestACAThatIsOfTheFutureIsMadeValidWithoutAnotherKey(t *testing.T) {
	w := newWorldWithZone(t)
	right := w.now
	w.now = right.Add(year)
	w.create("cup")
	w.reconcile("cup")
	ahead := read[corev1.Secret](w, "cup-ca")
	w.now = right
	w.reconcile("cup")
	authority, served := read[corev1.Secret](w, "cup-ca"), read[corev1.Secret](w, "cup-server")
	w.Expect(pki.NotYetValid(ahead.Data[corev1.TLSCertKey], w.now)).To(gomega.BeTrue())
	w.Expect(pki.NotYetValid(authority.Data[corev1.TLSCertKey], w.now)).To(gomega.BeFalse())
	w.Expect(pki.NotYetValid(served.Data[engine.KeyTLSCert], w.now)).To(gomega.BeFalse())
	w.Expect(pki.IssuedBy(served.Data[engine.KeyTLSCert], authority.Data[corev1.TLSCertKey])).To(gomega.BeTrue())
	w.Expect(authority.Data[corev1.TLSPrivateKeyKey]).To(gomega.Equal(ahead.Data[corev1.TLSPrivateKeyKey]))
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}

func TestAClockThatWasAheadIsPutRightInConditionsOfASuspendedFederationToo(t *testing.T) {
	w := newWorldWithZone(t)
	right := w.now
	w.now = right.Add(year)
	w.create("cup", func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
	w.reconcile("cup")
	w.now = right
	w.reconcile("cup")
	for _, condition := range w.get("cup").Status.Conditions {
		w.Expect(condition.LastTransitionTime.Time).To(gomega.BeTemporally("==", right), condition.Type)
	}
	w.expectCondition(w.get("cup"), v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}
