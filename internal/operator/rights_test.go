// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// intruder has the token of the operator, in a cluster with a Federation and with objects of others.
type intruder struct {
	*gomega.WithT
	t *testing.T
	// api is the administrator's client, stolen the one with the operator's rights.
	api, stolen client.Client
	fed         *v1alpha1.Federation
}

func newIntruder(t *testing.T) *intruder {
	t.Helper()
	i := &intruder{WithT: gomega.NewWithT(t), t: t}
	scheme, err := Scheme()
	i.Expect(err).NotTo(gomega.HaveOccurred())
	i.Expect(apiextensionsv1.AddToScheme(scheme)).To(gomega.Succeed())
	i.api, err = client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	i.Expect(err).NotTo(gomega.HaveOccurred())
	i.stolen, err = client.New(kubetest.Operator(t), client.Options{Scheme: scheme})
	i.Expect(err).NotTo(gomega.HaveOccurred())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "victim-"}}
	i.create(namespace)
	i.fed = &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "cup", Labels: map[string]string{"team": "voice"}},
		Spec:       v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{"cupdomain.com"}},
	}
	i.create(i.fed)
	t.Cleanup(func() {
		i.Expect(client.IgnoreNotFound(i.api.Delete(context.Background(), i.fed))).To(gomega.Succeed())
	})
	return i
}

// create makes an object as the administrator.
func (i *intruder) create(object client.Object) {
	i.t.Helper()
	i.Expect(i.api.Create(i.t.Context(), object)).To(gomega.Succeed())
}

// foreign is the metadata of an object of others.
func (i *intruder) foreign(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: i.fed.Namespace, Name: name}
}

// ours are the objects of the Federation, as the operator writes them.
func (i *intruder) ours() []client.Object {
	var objects []client.Object
	for _, object := range append(desired.ServerObjects(i.fed, desired.Runtime{
		Engine: prosody.Engine{}, Image: "registry.example/prosody:13.0", OperatorNamespace: operatorNamespace,
	}), desired.PublicService(i.fed), desired.CASecret(i.fed, []byte("certificate"), []byte("key"))) {
		objects = append(objects, object.(client.Object))
	}
	return objects
}

// own is the object of the Federation that has a type and a name.
func own[T client.Object](i *intruder, name string) T {
	i.t.Helper()
	for _, object := range i.ours() {
		if found, ok := object.(T); ok && object.GetName() == name {
			return found
		}
	}
	i.t.Fatalf("the operator makes no %T %s", *new(T), name)
	return *new(T)
}

// pod is one that somebody runs, with the labels given.
func (i *intruder) pod(name string, labels map[string]string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: i.foreign(name), Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:1"}},
	}}
	pod.Labels = labels
	return pod
}

// refused expects that what the operator does not need to do can't be done with its token, and that the answer says why.
func (i *intruder) refused(err error, words string) {
	i.t.Helper()
	i.Expect(apierrors.IsForbidden(err)).To(gomega.BeTrue(), "got %v, want it to be forbidden", err)
	i.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(words)))
}

const (
	notOfAFederation = "the operator writes only what belongs to a Federation"
	notBefore        = "the operator changes and deletes only what belonged to a Federation before"
	byRBAC           = "cannot"
)

func TestRights_ForeignObjectsAreNeitherMadeNorChangedNorDeleted(t *testing.T) {
	i := newIntruder(t)
	port := []corev1.ServicePort{{Port: 80}}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector.MatchLabels}, Spec: i.pod("", nil).Spec}
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: i.foreign("shop")},
		&corev1.ConfigMap{ObjectMeta: i.foreign("shop")},
		&corev1.Service{ObjectMeta: i.foreign("shop"), Spec: corev1.ServiceSpec{Selector: selector.MatchLabels, Ports: port}},
		&appsv1.StatefulSet{ObjectMeta: i.foreign("shop"), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template}},
		&policyv1.PodDisruptionBudget{ObjectMeta: i.foreign("shop"), Spec: policyv1.PodDisruptionBudgetSpec{Selector: selector}},
		&networkingv1.NetworkPolicy{ObjectMeta: i.foreign("shop")},
	} {
		ctx := t.Context()
		i.refused(i.stolen.Create(ctx, object.DeepCopyObject().(client.Object)), notOfAFederation)
		i.create(object)

		changed := object.DeepCopyObject().(client.Object)
		changed.SetAnnotations(map[string]string{"stolen": "yes"})
		i.refused(i.stolen.Patch(ctx, changed, client.MergeFrom(object)), notOfAFederation)

		claimed := object.DeepCopyObject().(client.Object)
		ours := desired.Secret(i.fed, nil)
		claimed.SetLabels(ours.Labels)
		claimed.SetOwnerReferences(ours.OwnerReferences)
		i.refused(i.stolen.Patch(ctx, claimed, client.MergeFrom(object)), notBefore)

		why := byRBAC
		if _, service := object.(*corev1.Service); service {
			why = notBefore
		}
		i.refused(i.stolen.Delete(ctx, object), why)
	}
}

// otherPods are labels of pods that are nobody's servers.
var otherPods = map[string]string{"app": "shop"}

func TestRights_OwnObjectsAreWrittenAndGiveNoFurtherRights(t *testing.T) {
	i := newIntruder(t)
	for _, object := range i.ours() {
		i.Expect(i.stolen.Create(t.Context(), object, client.DryRunAll)).To(gomega.Succeed(), "%T %s", object, object.GetName())
	}
	service := func(edit func(*corev1.Service)) client.Object {
		s := own[*corev1.Service](i, "cup-clients")
		edit(s)
		return s
	}
	for name, test := range map[string]struct {
		object client.Object
		words  string
	}{
		"a Service that takes the traffic of other pods": {
			service(func(s *corev1.Service) { s.Spec.Selector = otherPods }), "concerns servers' pods only",
		},
		"a Service that takes the traffic of an address": {
			service(func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"203.0.113.7"} }), "externalIPs",
		},
		"a Service that is another name": {
			service(func(s *corev1.Service) {
				s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "evil.example"
			}), "externalName",
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := &intruder{gomega.NewWithT(t), t, i.api, i.stolen, i.fed}
			i.refused(i.stolen.Create(t.Context(), test.object, client.DryRunAll), test.words)
		})
	}
	secret := own[*corev1.Secret](i, "cup-ca")
	secret.Type, secret.Annotations = corev1.SecretTypeServiceAccountToken, map[string]string{corev1.ServiceAccountNameKey: "default"}
	i.create(&corev1.ServiceAccount{ObjectMeta: i.foreign("default")})
	i.refused(i.stolen.Create(t.Context(), secret, client.DryRunAll), "types Opaque and kubernetes.io/tls only")
	network := own[*networkingv1.NetworkPolicy](i, "cup")
	network.Spec.PodSelector = metav1.LabelSelector{}
	i.refused(i.stolen.Create(t.Context(), network, client.DryRunAll), "concerns servers' pods only")
	budget := own[*policyv1.PodDisruptionBudget](i, "cup")
	budget.Spec.Selector.MatchLabels = otherPods
	i.refused(i.stolen.Create(t.Context(), budget, client.DryRunAll), "concerns servers' pods only")
}

func TestRights_ServersPodsHaveNoRights(t *testing.T) {
	i := newIntruder(t)
	const words = "the pods that the operator runs have no token of a ServiceAccount"
	for name, edit := range map[string]func(*corev1.PodSpec){
		"the token of a ServiceAccount": func(pod *corev1.PodSpec) {
			pod.ServiceAccountName, pod.AutomountServiceAccountToken = "admin", ptr.To(true)
		},
		"a token by default": func(pod *corev1.PodSpec) { pod.AutomountServiceAccountToken = nil },
		"a token in a volume": func(pod *corev1.PodSpec) {
			token := corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}
			pod.Volumes[0].VolumeSource = corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{token},
			}}
		},
		"a directory of the node": func(pod *corev1.PodSpec) {
			pod.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}
		},
		"the network of the node":   func(pod *corev1.PodSpec) { pod.HostNetwork = true },
		"the processes of the node": func(pod *corev1.PodSpec) { pod.HostPID = true },
		"the IPC of the node":       func(pod *corev1.PodSpec) { pod.HostIPC = true },
		"root":                      func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsNonRoot = ptr.To(false) },
		"root in a container":       func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.RunAsNonRoot = ptr.To(false) },
		"a capability": func(pod *corev1.PodSpec) {
			pod.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"SYS_ADMIN"}
		},
		"privileges": func(pod *corev1.PodSpec) {
			pod.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)}
		},
		"privileges before the start": func(pod *corev1.PodSpec) {
			pod.InitContainers = []corev1.Container{{
				Name: "init", Image: "x", SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(true)},
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := &intruder{gomega.NewWithT(t), t, i.api, i.stolen, i.fed}
			set := own[*appsv1.StatefulSet](i, "cup")
			edit(&set.Spec.Template.Spec)
			i.refused(i.stolen.Create(t.Context(), set, client.DryRunAll), words)
		})
	}
	set := own[*appsv1.StatefulSet](i, "cup")
	set.Spec.Selector.MatchLabels, set.Spec.Template.Labels = otherPods, otherPods
	i.refused(i.stolen.Create(t.Context(), set, client.DryRunAll), "concerns servers' pods only")

	t.Log("what somebody else put into the template stays, as long as the operator doesn't change the template")
	set = own[*appsv1.StatefulSet](i, "cup")
	set.Spec.Template.Spec.HostNetwork = true
	i.create(set)
	before := set.DeepCopy()
	set.Spec.Replicas = ptr.To[int32](2)
	i.Expect(i.stolen.Patch(t.Context(), set, client.MergeFrom(before))).To(gomega.Succeed())
	before = set.DeepCopy()
	set.Spec.Template.Spec.Containers[0].Image = "registry.example/evil:1"
	i.refused(i.stolen.Patch(t.Context(), set, client.MergeFrom(before)), words)
}

func TestRights_ALabelThatSomebodyRemovedComesBack(t *testing.T) {
	i := newIntruder(t)
	config := own[*corev1.ConfigMap](i, "cup-server")
	wanted := config.Labels
	config.Labels = nil
	i.create(config)
	before := config.DeepCopy()
	config.Labels = wanted
	i.Expect(i.stolen.Patch(t.Context(), config, client.MergeFrom(before))).To(gomega.Succeed())
}
