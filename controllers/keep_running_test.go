// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"errors"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

var anna = map[string]string{"anna": "secret"}

func TestNoAccountIsLostWhenBothSecretsAre(t *testing.T) {
	for name, lose := range map[string]func(*world, *corev1.Secret){
		"the mounted Secret is deleted": func(w *world, mounted *corev1.Secret) {
			w.Expect(w.api.Delete(w.t.Context(), mounted)).To(gomega.Succeed())
		},
		"the mounted Secret is emptied": func(w *world, mounted *corev1.Secret) {
			delete(mounted.Data, engine.KeyAccounts)
			w.Expect(w.api.Update(w.t.Context(), mounted)).To(gomega.Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.writeAccounts(anna)
			w.createReady("cup", withAccounts)
			w.Expect(w.api.Delete(t.Context(), read[corev1.Secret](w, "cup-accounts"))).To(gomega.Succeed())
			lose(w, read[corev1.Secret](w, "cup-server"))
			for range 2 {
				w.reconcile("cup")
				w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound,
					"/cup-server, which the server mounts, was deleted or emptied", "pods that run go on with what they have",
					"/cup-accounts, named by spec.server.accounts.secretRef, does not exist; create it")
				w.restartOperator()
			}
			mounted := &corev1.Secret{}
			if w.exists(mounted, "cup-server") {
				w.Expect(mounted.Data).NotTo(gomega.HaveKey(engine.KeyAccounts), "nobody says that there are no accounts")
			}

			w.writeAccounts(anna)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
			w.Expect(w.accounts()).To(gomega.Equal(anna))
		})
	}
}

func TestNoAccountIsLostWhenTheirSecretCannotBeRead(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(anna)
	w.createReady("cup", withAccounts)
	w.Expect(w.api.Delete(t.Context(), read[corev1.Secret](w, "cup-server"))).To(gomega.Succeed())
	w.feds.Reader = unreadable{w.feds.Reader, "cup-accounts"}
	_, err := w.tryReconcileWithoutContract(w.key("cup"))
	w.Expect(err).To(gomega.MatchError(errUnreadable))
	w.Expect(w.exists(&corev1.Secret{}, "cup-server")).To(gomega.BeFalse())
}

var errUnreadable = errors.New("the API server is overwhelmed")

// unreadable is a reader that can't read one object.
type unreadable struct {
	client.Reader
	name string
}

func (u unreadable) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if key.Name == u.name {
		return errUnreadable
	}
	return u.Reader.Get(ctx, key, obj, opts...)
}

func TestTrustedCAsAreNotLostWhenBothConfigMapsAre(t *testing.T) {
	w := newWorldWithZone(t)
	authority, _, err := pki.NewCA("a partner's", w.now)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	bundle := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "partners"}, Data: map[string]string{"ca.crt": string(authority)},
	}
	w.put(bundle)
	w.createReady("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.TLS = &v1alpha1.TLSSpec{TrustedCAs: []v1alpha1.TrustedCA{
			{ConfigMapRef: v1alpha1.ConfigMapKey{Name: "partners", Key: "ca.crt"}},
		}}
	})
	w.Expect(w.api.Delete(t.Context(), bundle)).To(gomega.Succeed())
	w.Expect(w.api.Delete(t.Context(), read[corev1.ConfigMap](w, "cup-server"))).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonConfigMapNotFound,
		"ConfigMap "+w.namespace+"/cup-server, which the server mounts, was deleted or emptied")
	w.Expect(w.exists(&corev1.ConfigMap{}, "cup-server")).To(gomega.BeFalse())

	bundle.ResourceVersion = ""
	w.put(bundle)
	w.reconcile("cup")
	w.Expect(read[corev1.ConfigMap](w, "cup-server").Data[engine.FileTrustedCAs]).To(gomega.ContainSubstring("BEGIN CERTIFICATE"))
}
