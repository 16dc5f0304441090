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
	"github.com/xmppfed/xmppfed/internal/pki"
)

// Fault: one further name that can't be had, and the certificate of all others expired.
func TestAFederationThatIsNotAcceptedHasItsCertificateRenewed(t *testing.T) {
	const later = 80 * 24 * time.Hour
	for name, test := range map[string]struct {
		edits []func(*v1alpha1.Federation)
		// renew is what an issuer does.
		renew func(a authority)
	}{
		"by the operator's own CA": {renew: func(authority) {}},
		"by an issuer": {edits: []func(*v1alpha1.Federation){withSecret}, renew: func(a authority) {
			a.writeSecret(a.world.now, "cupdomain.com", "conference.cupdomain.com")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			issuer := w.newAuthority()
			issuer.writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
			w.createReady("cup", test.edits...)
			before := read[corev1.Secret](w, "cup-server").Data
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "example.org") })
			w.reconcile("cup")
			w.Expect(read[corev1.Secret](w, "cup-server").Data).To(gomega.Equal(before), "nothing is to be renewed yet")
			w.now = w.now.Add(later)
			test.renew(issuer)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonZoneNotFound, "example.org")
			after := read[corev1.Secret](w, "cup-server").Data
			verdict := pki.Judge(after["tls.crt"], after["tls.key"], []string{"cupdomain.com", "conference.cupdomain.com"}, w.now.Add(later))
			w.Expect(verdict.Status).To(gomega.Equal(metav1.ConditionTrue), verdict.Message)
			w.Expect(after["accounts.json"]).To(gomega.Equal(before["accounts.json"]))
			w.Expect(w.get("cup").Status.Certificate.Serial).To(gomega.Equal(verdict.Certificate.Serial))
			w.reconcile("cup")
			w.Expect(w.journal).To(gomega.BeEmpty(), "it is renewed once")
		})
	}
}
