// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/pki"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(kubetest.Run(m))
}

// The controllers' own tests call Reconcile by hand, without cache. Here the whole operator runs: caches, indexes and
// watches bring each change to the Federation that it concerns.
func TestTheOperatorFollowsWhatHappensInTheCluster(t *testing.T) {
	g := gomega.NewWithT(t)
	own := kubetest.Operator(t)
	scheme, err := Scheme()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	api, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "chat"}})).To(gomega.Succeed())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, own, Options{
			Namespace: operatorNamespace, MetricsAddress: "0", ProbeAddress: "0", LeaderElect: true, Identity: "test",
			ProsodyImage: "registry.example/prosody:13.0",
		})
	}()
	defer func() {
		stop()
		g.Eventually(ended, "30s").Should(gomega.Receive(gomega.BeNil()), "the operator ends when it is told to")
	}()

	// reaches waits until a condition says something.
	reaches := func(condition string, status metav1.ConditionStatus, reason string) {
		t.Helper()
		g.Eventually(func() string {
			fed := &v1alpha1.Federation{}
			if err := api.Get(t.Context(), client.ObjectKey{Namespace: "chat", Name: "cup"}, fed); err != nil {
				return err.Error()
			}
			found := meta.FindStatusCondition(fed.Status.Conditions, condition)
			if found == nil {
				return "nothing"
			}
			return string(found.Status) + " " + found.Reason
		}, "15s", "20ms").Should(gomega.Equal(string(status)+" "+reason), condition)
	}

	g.Expect(api.Create(t.Context(), &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup"},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{"cupdomain.com"},
			TLS:     &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "cup-tls"}},
		},
	})).To(gomega.Succeed())
	reaches(v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonZoneNotFound)

	t.Log("somebody deletes the key that signs ownership records, which takes a while to come back")
	signing, lost := client.ObjectKey{Namespace: operatorNamespace, Name: ownershipSecret}, &corev1.Secret{}
	g.Expect(api.Get(t.Context(), signing, lost)).To(gomega.Succeed())
	g.Expect(api.Delete(t.Context(), lost)).To(gomega.Succeed())
	defer func() {
		back := &corev1.Secret{}
		g.Eventually(func() error { return api.Get(t.Context(), signing, back) }, 2*keepInterval, "100ms").Should(gomega.Succeed())
		g.Expect(back.Data).To(gomega.Equal(lost.Data))
	}()

	t.Log("a DNSZone comes: nobody answers at its server")
	g.Expect(api.Create(t.Context(), tsigKey())).To(gomega.Succeed())
	g.Expect(api.Create(t.Context(), deadZone(t))).To(gomega.Succeed())
	reaches(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	reaches(v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	reaches(v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonWaitingForAddress)

	t.Log("the certificate comes")
	g.Expect(api.Create(t.Context(), certificate(t))).To(gomega.Succeed())
	reaches(v1alpha1.ConditionCertificateReady, metav1.ConditionTrue, v1alpha1.ReasonValid)

	t.Log("Kubernetes tells why there are no pods")
	set := &appsv1.StatefulSet{}
	g.Eventually(func() error {
		return api.Get(t.Context(), client.ObjectKey{Namespace: "chat", Name: "cup"}, set)
	}, "4s", "20ms").Should(gomega.Succeed())
	g.Expect(api.Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "chat", Name: "no-quota"},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: "chat", Name: set.Name, UID: set.UID},
		Type:           corev1.EventTypeWarning, Reason: "FailedCreate", Message: "exceeded quota",
	})).To(gomega.Succeed())
	reaches(v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonPodsRejected)

	t.Log("the address comes")
	service := &corev1.Service{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: "chat", Name: "cup-s2s"}, service)).To(gomega.Succeed())
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.130"}}
	g.Expect(api.Status().Update(t.Context(), service)).To(gomega.Succeed())
	reaches(v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	reaches(v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable)

	t.Log("somebody deletes the server's configuration")
	config1 := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup-server"}}
	g.Expect(api.Delete(t.Context(), config1)).To(gomega.Succeed())
	g.Eventually(func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(config1), config1) }, "4s", "20ms").Should(
		gomega.Succeed())

	t.Log("the namespace is not allowed any more")
	zone := &v1alpha1.DNSZone{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Name: "cupdomain-com"}, zone)).To(gomega.Succeed())
	zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"xmpp": "yes"}},
	}
	g.Expect(api.Update(t.Context(), zone)).To(gomega.Succeed())
	reaches(v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainNotAllowed)

	t.Log("the namespace gets the label")
	namespace := &corev1.Namespace{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Name: "chat"}, namespace)).To(gomega.Succeed())
	namespace.Labels["xmpp"] = "yes"
	g.Expect(api.Update(t.Context(), namespace)).To(gomega.Succeed())
	reaches(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}

func tsigKey() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "fed-tsig"},
		StringData: map[string]string{"secret": "c2VjcmV0IG9mIGF0IGxlYXN0IDE2IGJ5dGVz"},
	}
}

// deadZone is a DNSZone at whose server nothing listens.
func deadZone(t *testing.T) *v1alpha1.DNSZone {
	server := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	return &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: "cupdomain-com"},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: "cupdomain.com",
			Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				Servers: []v1alpha1.ServerAddress{v1alpha1.ServerAddress(server)},
				TSIG: v1alpha1.TSIGKey{KeyName: "fed-key", SecretRef: v1alpha1.SecretKey{
					SecretName: v1alpha1.SecretName{Name: "fed-tsig"}, Key: "secret",
				}},
			}},
			Namespaces: &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll},
		},
	}
}

func certificate(t *testing.T) *corev1.Secret {
	t.Helper()
	caCert, caKey, err := pki.NewCA("public CA", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.Issue(caCert, caKey, []string{"cupdomain.com"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup-tls"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": cert, "tls.key": key},
	}
}
