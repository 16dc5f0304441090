// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"testing"

	"github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns/dnsendpoint"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// patches tries changes of an object that exists, each by itself, with the operator's token. Without words they have to succeed.
func (i *intruder) patches(words string, object client.Object, changes map[string]func(client.Object)) {
	i.t.Helper()
	for name, change := range changes {
		changed := object.DeepCopyObject().(client.Object)
		change(changed)
		err := i.stolen.Patch(i.t.Context(), changed, client.MergeFrom(object), client.DryRunAll)
		if words == "" {
			i.Expect(err).NotTo(gomega.HaveOccurred(), name)
			continue
		}
		i.t.Log(name)
		i.refused(err, words)
	}
}

func annotate(key string) func(client.Object) {
	return func(object client.Object) { object.SetAnnotations(map[string]string{key: "changed"}) }
}

func TestRights_OfAPodOneAnnotationIsChanged(t *testing.T) {
	i := newIntruder(t)
	server, other := i.pod("cup-0", desired.SelectorLabels(i.fed)), i.pod("shop", otherPods)
	i.create(server)
	i.create(other)
	generation := annotate(desired.AnnotationGeneration)
	i.patches("", server, map[string]func(client.Object){"the generation": generation})
	i.patches("the operator writes to servers' pods only", other, map[string]func(client.Object){"another's": generation})
	i.patches("changes neither spec nor labels nor owners", server, map[string]func(client.Object){
		"the image": func(object client.Object) { object.(*corev1.Pod).Spec.Containers[0].Image = "registry.example/evil:1" },
		"a label":   func(object client.Object) { object.SetLabels(otherPods) },
		"an owner":  func(object client.Object) { object.SetOwnerReferences(desired.Secret(i.fed, nil).OwnerReferences) },
	})
	i.patches("changes no annotations of others", server, map[string]func(client.Object){"another": annotate("other")})
	i.patches("changes no finalizer but its own", server, map[string]func(client.Object){
		"a finalizer": func(object client.Object) { object.SetFinalizers([]string{controllers.Finalizer}) },
	})
	i.refused(i.stolen.Delete(t.Context(), server), byRBAC)
	i.refused(i.stolen.Create(t.Context(), i.pod("new", nil)), byRBAC)
}

func TestRights_OfAFederationTheFinalizerIsChanged(t *testing.T) {
	i := newIntruder(t)
	fed := i.fed.DeepCopy()
	before := fed.DeepCopy()
	fed.Finalizers, fed.Annotations = []string{"example.org/other"}, map[string]string{"other": "stands"}
	i.Expect(i.api.Patch(t.Context(), fed, client.MergeFrom(before))).To(gomega.Succeed())
	defer func() {
		i.Expect(i.api.Patch(t.Context(), before, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))).
			To(gomega.Succeed())
	}()
	i.patches("", fed, map[string]func(client.Object){
		"its own finalizer": func(object client.Object) { object.SetFinalizers([]string{"example.org/other", controllers.Finalizer}) },
	})
	i.patches("changes no finalizer but its own", fed, map[string]func(client.Object){
		"another's goes":  func(object client.Object) { object.SetFinalizers(nil) },
		"another's comes": func(object client.Object) { object.SetFinalizers([]string{"example.org/other", "example.org/new"}) },
	})
	i.patches("changes neither spec nor labels nor owners", fed, map[string]func(client.Object){
		"the spec": func(object client.Object) {
			object.(*v1alpha1.Federation).Spec.Domains = []v1alpha1.DomainName{"evil.example"}
		},
		"a label": func(object client.Object) { object.SetLabels(nil) },
	})
	i.patches("changes no annotations of others", fed, map[string]func(client.Object){
		"one comes": func(object client.Object) { object.SetAnnotations(map[string]string{"other": "stands", "new": "x"}) },
		"one goes":  func(object client.Object) { object.SetAnnotations(nil) },
	})
	i.refused(i.stolen.Delete(t.Context(), fed), byRBAC)
}

func TestRights_OfItsDefinitionOneAnnotationIsChanged(t *testing.T) {
	i := newIntruder(t)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	i.Expect(i.api.Get(t.Context(), client.ObjectKey{Name: crdName}, crd)).To(gomega.Succeed())
	with := func(key string) func(client.Object) {
		return func(object client.Object) {
			metav1.SetMetaDataAnnotation(&object.(*apiextensionsv1.CustomResourceDefinition).ObjectMeta, key, "[]")
		}
	}
	i.patches("", crd, map[string]func(client.Object){"who works": with(v1alpha1.AnnotationInstallations)})
	i.patches("changes no annotations of others", crd, map[string]func(client.Object){"another": with("other")})
	i.patches("changes neither spec nor labels nor owners", crd, map[string]func(client.Object){
		"the schema": func(object client.Object) {
			object.(*apiextensionsv1.CustomResourceDefinition).Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "evil"
		},
	})
}

// event is about the Federation, and says that somebody reports it.
func (i *intruder) event(name, reporter string) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta: i.foreign(name), EventTime: metav1.NowMicro(), Type: corev1.EventTypeWarning, Reason: "Stolen", Action: "Work",
		ReportingController: reporter, ReportingInstance: "operator-0",
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: i.fed.Namespace, Name: "cup-0"},
	}
}

func TestRights_EventsAreReportedUnderItsOwnName(t *testing.T) {
	i := newIntruder(t)
	const words = "the operator writes events under its own name only"
	i.Expect(i.stolen.Create(t.Context(), i.event("own", "xmppfed"))).To(gomega.Succeed())
	i.refused(i.stolen.Create(t.Context(), i.event("kubelet", "kubelet")), words)
	kubelet := i.event("kubelet", "kubelet")
	i.create(kubelet)
	i.patches(words, kubelet, map[string]func(client.Object){"another's": annotate("other")})
}

// defineDNSEndpoints plays the installation of ExternalDNS.
func (i *intruder) defineDNSEndpoints() {
	i.t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{
			Name: "dnsendpoints." + dnsendpoint.Kind.Group, Annotations: map[string]string{"api-approved.kubernetes.io": "unapproved, for tests"},
		},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: dnsendpoint.Kind.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "dnsendpoints", Kind: dnsendpoint.Kind.Kind},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: dnsendpoint.Kind.Version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
			}},
		},
	}
	options := envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}}
	_, err := envtest.InstallCRDs(kubetest.Config(i.t), options)
	i.Expect(err).NotTo(gomega.HaveOccurred())
	i.t.Cleanup(func() { i.Expect(envtest.UninstallCRDs(kubetest.Config(i.t), options)).To(gomega.Succeed()) })
}

func TestRights_DNSEndpointsOfOthersStayAsTheyAre(t *testing.T) {
	i := newIntruder(t)
	i.defineDNSEndpoints()
	endpoint := func(name string, labels map[string]string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(dnsendpoint.Kind)
		object.SetNamespace(operatorNamespace)
		object.SetName(name)
		object.SetLabels(labels)
		return object
	}
	const words = "the operator writes only DNSEndpoints that have"
	ours := map[string]string{desired.LabelManagedBy: desired.ManagedBy}
	own, other := endpoint("own", ours), endpoint("other", nil)
	i.Expect(i.stolen.Create(t.Context(), own)).To(gomega.Succeed())
	i.patches("", own, map[string]func(client.Object){"an annotation": annotate("other")})
	i.patches(words, own, map[string]func(client.Object){"its label goes": func(object client.Object) { object.SetLabels(nil) }})
	i.refused(i.stolen.Create(t.Context(), other), words)
	i.create(other)
	i.patches(words, other, map[string]func(client.Object){
		"another's":         annotate("other"),
		"another's, as own": func(object client.Object) { object.SetLabels(ours) },
	})
	i.refused(i.stolen.Delete(t.Context(), other), words)
	i.Expect(i.api.Delete(t.Context(), other)).To(gomega.Succeed())
	i.Expect(i.stolen.Delete(t.Context(), own)).To(gomega.Succeed())
}

func TestRights_InItsNamespaceItHasItsKeyAndItsLease(t *testing.T) {
	i := newIntruder(t)
	key := newOwnershipSecret(client.ObjectKey{Namespace: operatorNamespace, Name: ownershipSecret}, nil)
	key.Labels = nil // as somebody makes it who puts it back
	i.Expect(i.stolen.Create(t.Context(), key.DeepCopy(), client.DryRunAll)).To(gomega.Succeed())
	i.create(key)
	t.Cleanup(func() { i.Expect(i.api.Delete(context.Background(), key)).To(gomega.Succeed()) })
	i.patches("", key, map[string]func(client.Object){
		"its content": func(object client.Object) {
			object.(*corev1.Secret).Data = map[string][]byte{ownershipKey: []byte("x")}
		},
	})
	elsewhere := newOwnershipSecret(client.ObjectKey{Namespace: i.fed.Namespace, Name: ownershipSecret}, nil)
	i.refused(i.stolen.Create(t.Context(), elsewhere), notOfAFederation)
	other := newOwnershipSecret(client.ObjectKey{Namespace: operatorNamespace, Name: "fed-tsig-of-others"}, nil)
	i.refused(i.stolen.Create(t.Context(), other), notOfAFederation)

	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "of-another-program"}}
	i.create(lease)
	t.Cleanup(func() { i.Expect(i.api.Delete(context.Background(), lease)).To(gomega.Succeed()) })
	i.refused(i.stolen.Update(t.Context(), lease.DeepCopy()), byRBAC)
	elsewhereLease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: i.fed.Namespace, Name: leaseName}}
	i.refused(i.stolen.Create(t.Context(), elsewhereLease), byRBAC)
}

func TestRights_NobodyGetsMoreRights(t *testing.T) {
	i := newIntruder(t)
	account := &corev1.ServiceAccount{ObjectMeta: i.foreign("admin")}
	i.create(account)
	i.refused(i.stolen.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: i.foreign("admin"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
	}), byRBAC)
	i.refused(i.stolen.SubResource("token").Create(t.Context(), account, &authenticationv1.TokenRequest{}), byRBAC)
	i.refused(i.stolen.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: i.foreign("new")}), byRBAC)
}
