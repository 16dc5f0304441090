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

// authority is a CA that is not the operator's.
type authority struct {
	world     *world
	cert, key []byte
}

func (w *world) newAuthority() authority {
	w.t.Helper()
	cert, key, err := pki.NewCA("public CA", w.now)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return authority{w, cert, key}
}

// writeSecret issues a certificate that begins at the given time and puts it into Secret cup-tls.
func (a authority) writeSecret(begin time.Time, names ...string) {
	a.world.t.Helper()
	cert, key, err := pki.Issue(a.cert, a.key, names, begin)
	a.world.Expect(err).NotTo(gomega.HaveOccurred())
	a.world.writeKeyPair(cert, key)
}

func (w *world) writeKeyPair(cert, key []byte) {
	w.t.Helper()
	w.put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cup-tls"},
		Type:       corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": cert, "tls.key": key},
	})
}

func withSecret(fed *v1alpha1.Federation) {
	fed.Spec.TLS = &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "cup-tls"}}
}

func withTrustedCAs(fed *v1alpha1.Federation) {
	fed.Spec.TLS = &v1alpha1.TLSSpec{TrustedCAs: []v1alpha1.TrustedCA{{ConfigMapRef: v1alpha1.ConfigMapKey{Name: "lab-roots"}}}}
}

func TestACertificateOfASecretIsServed(t *testing.T) {
	w := newWorldWithZone(t)
	w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	fed := w.createReady("cup", withSecret)
	w.expectCondition(fed, v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonValid,
		"Secret "+w.namespace+"/cup-tls: the certificate names cupdomain.com")
	w.Expect(read[corev1.Secret](w, "cup-server").Data["tls.crt"]).To(gomega.Equal(read[corev1.Secret](w, "cup-tls").Data["tls.crt"]))
	w.Expect(fed.Status.Certificate.Issuer).To(gomega.ContainSubstring("public CA"))
	w.Expect(w.exists(&corev1.Secret{}, "cup-ca")).To(gomega.BeFalse(), "no CA of its own is made")
}

func TestAMissingCertificateHoldsBackTheServerAndNothingElse(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", withSecret)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	fed := w.get("cup")
	w.expectNotReady(fed, v1alpha1.ConditionReconciling, v1alpha1.ConditionCertificateReady, v1alpha1.ReasonSecretNotFound,
		"Secret "+w.namespace+"/cup-tls, named by spec.tls.secretRef, does not exist", "create it with type kubernetes.io/tls")
	w.expectCondition(fed, v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonRollingOut, "CertificateReady")
	w.expectCondition(fed, v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	w.expectCondition(fed, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)

	w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonValid)
}

func TestABadCertificateNeverReplacesAGoodOne(t *testing.T) {
	for name, bad := range map[string]struct {
		write           func(*world, authority)
		reason, message string
	}{
		"without the group chat's name": {func(_ *world, a authority) { a.writeSecret(a.world.now, "cupdomain.com") },
			v1alpha1.ReasonNameMismatch, "does not name conference.cupdomain.com"},
		"expired": {func(w *world, a authority) {
			a.writeSecret(w.now.AddDate(-2, 0, 0), "cupdomain.com", "conference.cupdomain.com")
		}, v1alpha1.ReasonExpired, "expired at"},
		"of the future": {func(w *world, a authority) {
			a.writeSecret(w.now.AddDate(0, 0, 2), "cupdomain.com", "conference.cupdomain.com")
		}, v1alpha1.ReasonNotYetValid, "valid from"},
		"with a key that is not its own": {func(w *world, a authority) {
			good := read[corev1.Secret](w, "cup-tls").Data["tls.crt"]
			_, other, _ := pki.Issue(a.cert, a.key, []string{"a.example"}, w.now)
			w.writeKeyPair(good, other)
		}, v1alpha1.ReasonKeyPairInvalid, "can't be used together"},
		"that is no PEM": {func(w *world, _ authority) { w.writeKeyPair([]byte("certificate"), []byte("key")) },
			v1alpha1.ReasonKeyPairInvalid, "can't be read"},
		"whose Secret is deleted": {func(w *world, _ authority) {
			w.Expect(w.api.Delete(w.t.Context(), read[corev1.Secret](w, "cup-tls"))).To(gomega.Succeed())
		}, v1alpha1.ReasonSecretNotFound, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			ca := w.newAuthority()
			ca.writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
			w.createReady("cup", withSecret)
			served := read[corev1.Secret](w, "cup-server").Data

			bad.write(w, ca)
			w.reconcile("cup")
			w.expectNotReady(w.get("cup"), abnormalOf(bad.reason), v1alpha1.ConditionCertificateReady, bad.reason, bad.message)
			w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
			w.Expect(read[corev1.Secret](w, "cup-server").Data).To(gomega.Equal(served), "the last good pair stays")
			w.restartOperator()
			w.reconcile("cup")
			w.Expect(read[corev1.Secret](w, "cup-server").Data).To(gomega.Equal(served), "after a restart as well")
		})
	}
}

func TestACertificateThatExpiresInPlaceIsReported(t *testing.T) {
	w := newWorldWithZone(t)
	w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	fed := w.createReady("cup", withSecret)
	w.now = fed.Status.Certificate.NotAfter.Add(time.Second)
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionCertificateReady, v1alpha1.ReasonExpired)
}

func TestWithoutSecretTheOperatorsOwnCAIssues(t *testing.T) {
	w := newWorldWithZone(t)
	fed := w.createReady("cup")
	w.expectCondition(fed, v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonSelfSigned,
		"the operator's own CA", "spec.tls.secretRef")
	ca := read[corev1.Secret](w, "cup-ca").Data
	first := fed.Status.Certificate

	w.now = first.NotAfter.Add(-24 * time.Hour)
	w.reconcile("cup")
	w.reconcile("cup")
	renewed := w.get("cup").Status.Certificate
	w.Expect(renewed.Serial).NotTo(gomega.Equal(first.Serial))
	w.Expect(renewed.NotAfter.Time).To(gomega.BeTemporally(">", first.NotAfter.Time))
	w.Expect(read[corev1.Secret](w, "cup-ca").Data).To(gomega.Equal(ca), "the CA stays, so that those who trust it still do")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonSelfSigned)

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "team.cupdomain.com") })
	w.reconcile("cup")
	w.Expect(w.get("cup").Status.Certificate.Names).To(gomega.ContainElement("conference.team.cupdomain.com"))
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}

func TestTrustedCAsReachTheServer(t *testing.T) {
	w := newWorldWithZone(t)
	ca := string(w.newAuthority().cert)
	w.put(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "lab-roots"}, Data: map[string]string{"ca.crt": ca}})
	w.createReady("cup", withTrustedCAs)
	w.Expect(read[corev1.ConfigMap](w, "cup-server").Data["ca.crt"]).To(gomega.Equal(ca))
}

func TestTrustedCAsThatAreWrongLeaveThoseInPlace(t *testing.T) {
	for name, bad := range map[string]struct {
		change          func(*corev1.ConfigMap)
		reason, message string
	}{
		"the key is missing":       {func(c *corev1.ConfigMap) { c.Data = nil }, v1alpha1.ReasonConfigMapNotFound, "has no key ca.crt; put the CA certificates there in PEM form"},
		"the text is no PEM":       {func(c *corev1.ConfigMap) { c.Data["ca.crt"] = "trust me" }, v1alpha1.ReasonTrustedCAsInvalid, "is no bundle of CA certificates"},
		"the ConfigMap is deleted": {nil, v1alpha1.ReasonConfigMapNotFound, "does not exist; create it with the CA certificates in key ca.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			ca := string(w.newAuthority().cert)
			roots := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "lab-roots"}, Data: map[string]string{"ca.crt": ca},
			}
			w.put(roots)
			w.createReady("cup", withTrustedCAs)
			if bad.change == nil {
				w.Expect(w.api.Delete(t.Context(), roots)).To(gomega.Succeed())
			} else {
				bad.change(roots)
				w.Expect(w.api.Update(t.Context(), roots)).To(gomega.Succeed())
			}
			w.reconcile("cup")
			w.expectNotReady(w.get("cup"), abnormalOf(bad.reason), v1alpha1.ConditionCertificateReady,
				bad.reason, w.namespace+"/lab-roots", "spec.tls.trustedCAs[0]", bad.message)
			w.Expect(read[corev1.ConfigMap](w, "cup-server").Data["ca.crt"]).To(gomega.Equal(ca))
		})
	}
}
