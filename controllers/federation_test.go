// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestTheFinalizerComesBeforeAnythingElse(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.Expect(w.journal).NotTo(gomega.BeEmpty())
	w.Expect(w.journal[0]).To(gomega.Equal("patch Federation cup"))
	w.Expect(w.get("cup").Finalizers).To(gomega.ConsistOf("xmppfed.io/federation"))
}

func TestAFederationBecomesReady(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	for name, obj := range map[string]interface {
		metav1.Object
	}{
		"StatefulSet":         read[appsv1.StatefulSet](w, "cup"),
		"NetworkPolicy":       read[networkingv1.NetworkPolicy](w, "cup"),
		"PodDisruptionBudget": read[policyv1.PodDisruptionBudget](w, "cup"),
		"ConfigMap":           read[corev1.ConfigMap](w, "cup-server"),
		"Secret":              read[corev1.Secret](w, "cup-server"),
		"headless Service":    read[corev1.Service](w, "cup-pods"),
		"public Service":      read[corev1.Service](w, "cup-s2s"),
		"client Service":      read[corev1.Service](w, "cup-clients"),
		"CA":                  read[corev1.Secret](w, "cup-ca"),
	} {
		w.Expect(metav1.IsControlledBy(obj, w.get("cup"))).To(gomega.BeTrue(), "%s belongs to the Federation", name)
	}
	fed := w.get("cup")
	w.expectNotReady(fed, v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut, "0 of 1 pods")
	w.expectCondition(fed, v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonWaitingForAddress)
	w.expectCondition(fed, v1alpha1.ConditionInboundReachable, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked)
	w.Expect(w.records()).To(gomega.BeEmpty())

	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.records()).To(gomega.Equal([]string{
		"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
		"cup1.cupdomain.com. 300 A " + publicAddress,
	}))

	w.runServer("cup")
	w.reconcile("cup")
	fed = w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "cupdomain.com federates")
	w.Expect(fed.Status.Hostname).To(gomega.Equal("cup1.cupdomain.com"))
	w.Expect(fed.Status.Addresses).To(gomega.Equal([]string{publicAddress}))
	w.Expect(fed.Status.Zones).To(gomega.Equal([]string{"cupdomain.com"}))
	w.Expect(fed.Status.Server).To(gomega.Equal(&v1alpha1.ServerStatus{
		Engine: v1alpha1.EngineProsody, Version: "13.0.1", ReadyReplicas: 1,
	}))
	w.Expect(fed.Status.Certificate.Names).To(gomega.ConsistOf("cupdomain.com", "conference.cupdomain.com"))
	w.Expect(fed.Status.Records).To(gomega.HaveLen(3))
	for _, record := range fed.Status.Records {
		w.Expect(record.State).To(gomega.Equal(v1alpha1.RecordPublished), record.Name)
	}
	target := w.checks[len(w.checks)-1]
	w.Expect(target.Domains).To(gomega.Equal([]string{"cupdomain.com", "conference.cupdomain.com"}))
	w.Expect(target.Hostname).To(gomega.Equal("cup1.cupdomain.com"))
	w.Expect(target.Port).To(gomega.Equal(uint16(5269)))
	w.Expect(target.Serial).To(gomega.Equal(fed.Status.Certificate.Serial))
}

func TestNothingIsWrittenWhileNothingChanges(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	checks := len(w.checks)
	for range 3 {
		w.reconcile("cup")
		w.Expect(w.journal).To(gomega.BeEmpty())
	}
	w.Expect(w.checks).To(gomega.HaveLen(checks), "nor is the way in checked before it is due")
	w.reconcileZone("cupdomain-com") // counts the records
	for range 3 {
		w.reconcileZone("cupdomain-com")
		w.Expect(w.journal).To(gomega.BeEmpty())
	}
}

func TestNothingIsWrittenWhileNothingChangesInTrouble(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.TLS = &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "cup-tls"}}
	})
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}

// A new operator process knows nothing of what was applied; what it applies again must change nothing.
func TestARestartedOperatorChangesNothing(t *testing.T) {
	w := newWorldWithZone(t)
	fed := w.createReady("cup")
	versions := w.versions()
	w.restartOperator()
	w.reconcile("cup")
	w.Expect(w.versions()).To(gomega.Equal(versions))
	w.Expect(w.get("cup").Status).To(gomega.Equal(fed.Status))
	w.Expect(slices.ContainsFunc(w.journal, func(line string) bool { return strings.HasPrefix(line, "dns") })).To(gomega.BeFalse())
}

func TestWhatSomebodyElseChangesIsPutBack(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	service := read[corev1.Service](w, "cup-s2s")
	service.Spec.Ports[0].Port = 15269
	service.Annotations = map[string]string{"example.com/note": "not ours"}
	w.Expect(w.api.Update(t.Context(), service)).To(gomega.Succeed())
	config := read[corev1.ConfigMap](w, "cup-server")
	w.Expect(w.api.Delete(t.Context(), config)).To(gomega.Succeed())

	w.reconcile("cup")
	service = read[corev1.Service](w, "cup-s2s")
	w.Expect(service.Spec.Ports[0].Port).To(gomega.Equal(int32(5269)))
	w.Expect(service.Annotations).To(gomega.HaveKey("example.com/note"), "what others add stays")
	w.Expect(read[corev1.ConfigMap](w, "cup-server").Data).To(gomega.Equal(config.Data))
}

func TestRecordsThatSomebodyElseRemovesArePublishedAgain(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.records()
	w.zone.Edit(dropping("SRV _xmpp-server._tcp.cupdomain.com"))
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(records))
}

func TestAServiceThatIsNotOursIsLeftAlone(t *testing.T) {
	w := newWorldWithZone(t)
	foreign := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cup-s2s"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
	w.Expect(w.api.Create(t.Context(), foreign)).To(gomega.Succeed())
	w.create("cup")
	w.reconcile("cup")
	fed := w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionAddressAssigned, metav1.ConditionFalse, v1alpha1.ReasonNameTaken,
		"Service "+w.namespace+"/cup-s2s exists but does not belong to this Federation", "remove or rename")
	w.Expect(read[corev1.Service](w, "cup-s2s").ResourceVersion).To(gomega.Equal(foreign.ResourceVersion))

	w.Expect(w.api.Delete(t.Context(), fed)).To(gomega.Succeed())
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue(), "deletion leaves it alone too")
}

func TestEachChangeOfAReasonIsOneEvent(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.takeEvents()
	w.reconcile("cup")
	w.Expect(w.takeEvents()).To(gomega.BeEmpty())

	w.assignAddress("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Normal AddressPending Service cup-s2s")))
}
