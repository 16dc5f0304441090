// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(kubetest.Run(m))
}

// world is a real API server with a namespace of its own, and an Applier whose requests are counted.
type world struct {
	*gomega.WithT
	t         *testing.T
	api       client.WithWatch
	applier   *apply.Applier
	namespace string
	// sent are the requests that write; fail is what the next of them fails with.
	sent []string
	fail error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: gomega.NewWithT(t), t: t}
	api, err := client.NewWithWatch(kubetest.Config(t), client.Options{Scheme: scheme.Scheme})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.api = api
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "apply-"}}
	w.Expect(api.Create(t.Context(), namespace)).To(gomega.Succeed())
	w.namespace = namespace.Name
	w.applier = w.newApplier()
	return w
}

func (w *world) newApplier() *apply.Applier {
	note := func(verb string) error {
		w.sent = append(w.sent, verb)
		failure := w.fail
		w.fail = nil
		return failure
	}
	return apply.New(interceptor.NewClient(w.api, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if err := note("apply"); err != nil {
				return err
			}
			return c.Apply(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := note("patch"); err != nil {
				return err
			}
			return c.Patch(ctx, obj, p, opts...)
		},
	}), w.api)
}

// apply applies and returns the requests that it took.
func (w *world) apply(obj client.Object) []string {
	w.t.Helper()
	w.sent = nil
	w.Expect(w.applier.Apply(w.t.Context(), obj)).To(gomega.Succeed())
	return w.sent
}

// service is a Service that belongs to the owner of these tests.
func (w *world) service(port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: w.meta(),
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "cup"},
			Ports: []corev1.ServicePort{{Name: "s2s", Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromString("s2s")}},
		},
	}
}

func (w *world) configMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: w.meta(), Data: data}
}

func (w *world) meta() metav1.ObjectMeta {
	controls := true
	return metav1.ObjectMeta{
		Namespace: w.namespace, Name: "cup", Labels: map[string]string{"app": "cup"},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "v1", Kind: "ConfigMap", Name: "cup", UID: "uid-of-cup", Controller: &controls,
		}},
	}
}

// read reads the object of the same kind and name.
func (w *world) read(obj client.Object) {
	w.t.Helper()
	w.Expect(w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "cup"}, obj)).To(gomega.Succeed())
}

func (w *world) readService() *corev1.Service {
	w.t.Helper()
	service := &corev1.Service{}
	w.read(service)
	return service
}

func TestWhatIsAsItShouldBeTakesNoRequest(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.apply(w.service(5269))).To(gomega.Equal([]string{"apply"}))
	for range 3 {
		w.Expect(w.apply(w.service(5269))).To(gomega.BeEmpty())
	}
	w.Expect(w.apply(w.service(15269))).To(gomega.Equal([]string{"apply"}), "a change is applied")
	w.Expect(w.apply(w.service(15269))).To(gomega.BeEmpty())
	ports := w.readService().Spec.Ports
	w.Expect(ports).To(gomega.HaveLen(1), "the old port is gone")
	w.Expect(ports[0].Port).To(gomega.Equal(int32(15269)))
}

// The address of a load balancer is in the status, and nothing may be in the way of publishing it.
func TestAStatusThatOthersWriteTakesNoRequest(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	service := w.readService()
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.130"}}
	w.Expect(w.api.Status().Update(t.Context(), service)).To(gomega.Succeed())
	w.Expect(w.apply(w.service(5269))).To(gomega.BeEmpty())
	w.Expect(w.apply(w.service(15269))).To(gomega.Equal([]string{"apply"}), "a change is applied")
}

func TestAStatefulSetWhosePodsComeUpTakesNoRequest(t *testing.T) {
	w := newWorld(t)
	wanted := func() *appsv1.StatefulSet {
		replicas, nonRoot := int32(1), true
		return &appsv1.StatefulSet{ObjectMeta: w.meta(), Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: "cup", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cup"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "cup"}},
				Spec: corev1.PodSpec{
					SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &nonRoot},
					Containers: []corev1.Container{{
						Name: "server", Image: "server:1", Ports: []corev1.ContainerPort{{Name: "s2s", ContainerPort: 5269}},
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
							corev1.ResourceCPU: resource.MustParse("0.5"), corev1.ResourceMemory: resource.MustParse("1024Mi"),
						}},
						VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
					}},
					Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
				},
			},
		}}
	}
	w.Expect(w.apply(wanted())).To(gomega.Equal([]string{"apply"}))
	live := &appsv1.StatefulSet{}
	w.read(live)
	live.Status.ObservedGeneration, live.Status.Replicas, live.Status.ReadyReplicas = live.Generation, 1, 1
	w.Expect(w.api.Status().Update(t.Context(), live)).To(gomega.Succeed())
	w.Expect(w.apply(wanted())).To(gomega.BeEmpty())
	w.read(live)
	live.Spec.Template.Spec.Containers[0].Image = "other:1"
	w.Expect(w.api.Update(t.Context(), live)).To(gomega.Succeed())
	w.Expect(w.apply(wanted())).To(gomega.Equal([]string{"apply"}), "what somebody changed is put back")
}

func TestARestartedOperatorAppliesOnceAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	version := w.readService().ResourceVersion
	w.applier = w.newApplier()
	w.Expect(w.apply(w.service(5269))).To(gomega.Equal([]string{"apply"}))
	w.Expect(w.readService().ResourceVersion).To(gomega.Equal(version))
	w.Expect(w.apply(w.service(5269))).To(gomega.BeEmpty())
}

func TestDriftIsPutBack(t *testing.T) {
	for name, drift := range map[string]func(*corev1.Service){
		"a port that was edited": func(s *corev1.Service) { s.Spec.Ports[0].Port = 80 },
		"a port that was added": func(s *corev1.Service) {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "s2s-2", Port: 80})
		},
		"a selector that changed":   func(s *corev1.Service) { s.Spec.Selector["app"] = "other" },
		"a label that changed":      func(s *corev1.Service) { s.Labels["app"] = "other" },
		"a label that was taken":    func(s *corev1.Service) { delete(s.Labels, "app") },
		"a type that changed":       func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP },
		"a selector that was taken": func(s *corev1.Service) { s.Spec.Selector = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(w.service(5269))
			service := w.readService()
			drift(service)
			w.Expect(w.api.Update(t.Context(), service)).To(gomega.Succeed())
			w.apply(w.service(5269))
			service = w.readService()
			w.Expect(service.Spec.Ports).To(gomega.ContainElement(gomega.HaveField("Port", int32(5269))))
			w.Expect(service.Spec.Selector).To(gomega.Equal(map[string]string{"app": "cup"}))
			w.Expect(service.Labels).To(gomega.HaveKeyWithValue("app", "cup"))
			w.Expect(service.Spec.Type).To(gomega.Equal(corev1.ServiceTypeLoadBalancer))
			for _, port := range service.Spec.Ports {
				w.Expect(port.Name != "s2s" || port.Port == 5269).To(gomega.BeTrue(), "no second port of the name")
			}
			w.Expect(w.apply(w.service(5269))).To(gomega.BeEmpty())

			w.apply(w.service(15269))
			w.Expect(w.readService().Spec.Ports).NotTo(gomega.ContainElement(gomega.HaveField("Port", int32(5269))), "nothing old sticks")
		})
	}
}

func TestWhatOthersAddStays(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	service := w.readService()
	service.Annotations = map[string]string{"cloud.example/id": "lb-1"}
	service.Labels["cost-centre"] = "7"
	service.Finalizers = []string{"service.kubernetes.io/load-balancer-cleanup"}
	w.Expect(w.api.Update(t.Context(), service)).To(gomega.Succeed())
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.130"}}
	w.Expect(w.api.Status().Update(t.Context(), service)).To(gomega.Succeed())

	w.apply(w.service(15269))
	after := w.readService()
	w.Expect(after.Annotations).To(gomega.HaveKeyWithValue("cloud.example/id", "lb-1"))
	w.Expect(after.Labels).To(gomega.HaveKeyWithValue("cost-centre", "7"))
	w.Expect(after.Finalizers).To(gomega.Equal(service.Finalizers))
	w.Expect(after.Status).To(gomega.Equal(service.Status))
	w.Expect(after.Spec.ClusterIP).To(gomega.Equal(service.Spec.ClusterIP))
}

func TestWhatIsNotWantedAnyMoreGoes(t *testing.T) {
	w := newWorld(t)
	w.apply(w.configMap(map[string]string{"a": "1", "b": "2"}))
	w.apply(w.configMap(map[string]string{"a": "1"}))
	config := &corev1.ConfigMap{}
	w.read(config)
	w.Expect(config.Data).To(gomega.Equal(map[string]string{"a": "1"}))
}

func TestObjectsOfOthersAreLeftAlone(t *testing.T) {
	controls := true
	for name, owners := range map[string][]metav1.OwnerReference{
		"nobody controls it":        nil,
		"somebody else controls it": {{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: &controls}},
		"we own but do not control": {{APIVersion: "v1", Kind: "ConfigMap", Name: "cup", UID: "uid-of-cup"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			foreign := w.configMap(map[string]string{"theirs": "yes"})
			foreign.OwnerReferences, foreign.Labels = owners, nil
			w.Expect(w.api.Create(t.Context(), foreign)).To(gomega.Succeed())

			err := w.applier.Apply(t.Context(), w.configMap(map[string]string{"ours": "yes"}))
			var taken *apply.NotOursError
			w.Expect(errors.As(err, &taken)).To(gomega.BeTrue(), "%v", err)
			w.Expect(taken.Error()).To(gomega.Equal("ConfigMap " + w.namespace + "/cup exists and does not belong to this Federation"))
			w.Expect(w.sent).To(gomega.BeEmpty())

			w.Expect(w.api.Delete(t.Context(), foreign)).To(gomega.Succeed())
			w.Expect(w.apply(w.configMap(map[string]string{"ours": "yes"}))).To(gomega.Equal([]string{"apply"}), "once it is gone")
		})
	}
}

func TestWhatIsDeletedIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	w.Expect(w.api.Delete(t.Context(), w.readService())).To(gomega.Succeed())
	w.Expect(w.apply(w.service(5269))).To(gomega.Equal([]string{"apply"}))
	w.readService()
}

func TestAFailedApplyIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	w.fail = errors.New("the API server is gone")
	w.Expect(w.applier.Apply(t.Context(), w.service(15269))).To(
		gomega.MatchError(fmt.Sprintf("applying Service %s/cup: the API server is gone", w.namespace)))
	w.Expect(w.apply(w.service(15269))).To(gomega.Equal([]string{"apply"}))
	w.Expect(w.readService().Spec.Ports[0].Port).To(gomega.Equal(int32(15269)))
}

func TestForgottenObjectsAreAppliedAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	w.applier.Forget(w.namespace, "other")
	w.Expect(w.apply(w.service(5269))).To(gomega.BeEmpty())
	w.applier.Forget(w.namespace, "cup")
	w.Expect(w.apply(w.service(5269))).To(gomega.Equal([]string{"apply"}))
}

func TestSpecsThatKubernetesRefusesStayRefused(t *testing.T) {
	w := newWorld(t)
	w.apply(w.service(5269))
	bad := w.service(5269)
	bad.Spec.LoadBalancerSourceRanges = []string{"no network"}
	err := w.applier.Apply(t.Context(), bad)
	w.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring("is invalid"), gomega.ContainSubstring("LoadBalancerSourceRanges[0]"))))
	w.Expect(w.readService().Spec.LoadBalancerSourceRanges).To(gomega.BeEmpty())
}

// An empty selector of a NetworkPolicy selects everything; left out it would select nothing.
func TestEmptyFieldsThatMeanSomethingAreKept(t *testing.T) {
	w := newWorld(t)
	policy := &networkingv1.NetworkPolicy{
		ObjectMeta: w.meta(),
		Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}},
		}}},
	}
	w.apply(policy)
	live := &networkingv1.NetworkPolicy{}
	w.read(live)
	w.Expect(live.Spec.Ingress[0].From[0].NamespaceSelector).To(gomega.Equal(&metav1.LabelSelector{}))
}
