// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

const (
	operatorNamespace = "xmppfed-system"
	image             = "registry.example/prosody:13.0"
)

// minimal is a Federation that says no more than it has to, with the defaults that admission fills in.
func minimal() *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Name: "cup", Namespace: "chat", UID: "11111111-2222-3333-4444-555555555555"},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{"cupdomain.com"},
			Server: v1alpha1.ServerSpec{
				Engine: v1alpha1.EngineProsody, Replicas: 1, Storage: v1alpha1.StorageSpec{Size: resource.MustParse("1Gi")},
			},
			Exposure: v1alpha1.ExposureSpec{Port: 5269, LoadBalancer: v1alpha1.LoadBalancerSpec{
				ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyCluster,
			}},
			DNS:          v1alpha1.DNSSpec{TTL: 300, DeletionPolicy: v1alpha1.DeletionPolicyDelete},
			Verification: v1alpha1.VerificationSpec{Interval: metav1.Duration{Duration: 5 * time.Minute}},
		},
	}
}

// full is a Federation that says everything that shapes objects.
func full() *v1alpha1.Federation {
	fed := minimal()
	fed.Spec.Domains = []v1alpha1.DomainName{"cupdomain.com", "cup.example"}
	fed.Spec.Server.Storage = v1alpha1.StorageSpec{Size: resource.MustParse("10Gi"), StorageClassName: ptr.To("fast")}
	fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{
		Labels:      map[string]string{"team": "chat"},
		Annotations: map[string]string{"example.com/note": "any: text"},
		Resources: v1alpha1.ResourcesSpec{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		NodeSelector: map[string]string{"kubernetes.io/arch": "amd64"},
		Tolerations:  []corev1.Toleration{{Key: "dedicated", Value: "chat", Effect: corev1.TaintEffectNoSchedule}},
		Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}},
			}}},
		}}},
		PriorityClassName: "high",
		ImagePullSecrets:  []corev1.LocalObjectReference{{Name: "registry"}},
	}
	fed.Spec.Exposure = v1alpha1.ExposureSpec{Port: 15269, DirectTLS: &v1alpha1.DirectTLSSpec{Port: 443}, Clients: &v1alpha1.ClientExposureSpec{
		Port: 15222, DirectTLS: &v1alpha1.ClientDirectTLSSpec{Port: 5223},
	}, LoadBalancer: v1alpha1.LoadBalancerSpec{
		Class:                 ptr.To("service.k8s.aws/nlb"),
		IPFamilyPolicy:        ptr.To(corev1.IPFamilyPolicyPreferDualStack),
		Annotations:           map[string]string{"service.beta.kubernetes.io/aws-load-balancer-type": "external"},
		SourceRanges:          []string{"198.51.100.0/24", "2001:db8::/32"},
		ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
	}}
	return fed
}

// objects are all that belong to a Federation. What the configuration holds is the engine's affair.
func objects(fed *v1alpha1.Federation) []client.Object {
	return []client.Object{
		desired.ConfigMap(fed, engine.Config{Files: map[string]string{"prosody.cfg.lua": "-- configuration\n"}, Generation: "c1"}),
		desired.Secret(fed, map[string][]byte{"tls.key": []byte("key")}),
		desired.CASecret(fed, []byte("certificate"), []byte("key")),
		desired.HeadlessService(fed),
		desired.ClientService(fed),
		desired.PublicService(fed),
		desired.NetworkPolicy(fed, operatorNamespace),
		desired.PodDisruptionBudget(fed),
		desired.StatefulSet(fed, prosody.Engine{}, image),
	}
}

func TestObjectsAreThoseOfTheGoldenFiles(t *testing.T) {
	for name, fed := range map[string]*v1alpha1.Federation{"minimal": minimal(), "full": full()} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".golden.yaml")
			got := manifest(t, objects(fed))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s is out of date (-want +got); if the change is meant, run this test with -update:\n%s", file, diff)
			}
		})
	}
}

// manifest is the objects in YAML, without the empty fields that say nothing.
func manifest(t *testing.T, objects []client.Object) string {
	t.Helper()
	documents := make([]string, 0, len(objects))
	for _, obj := range objects {
		kind, err := apiutil.GVKForObject(obj, scheme.Scheme)
		if err != nil {
			t.Fatal(err)
		}
		obj.GetObjectKind().SetGroupVersionKind(kind)
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			t.Fatal(err)
		}
		delete(content, "status")
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(text))
	}
	return strings.Join(documents, "---\n")
}

func TestObjectsDoNotShareAnythingWithTheFederation(t *testing.T) {
	fed := full()
	before := fed.DeepCopy()
	for _, obj := range objects(fed) {
		for _, labels := range []map[string]string{obj.GetLabels(), obj.GetAnnotations()} {
			for key := range labels {
				labels[key] = "changed"
			}
		}
	}
	if diff := cmp.Diff(before.Spec, fed.Spec); diff != "" {
		t.Errorf("changing an object changed the Federation (-before +after):\n%s", diff)
	}
}

func TestEveryObjectBelongsToItsFederation(t *testing.T) {
	fed := full()
	names := map[string]bool{}
	for _, name := range append(desired.Names(fed), desired.CASecretName(fed)) {
		names[name] = true
	}
	for _, obj := range objects(fed) {
		if !metav1.IsControlledBy(obj, fed) {
			t.Errorf("%T %s has no owner, so it would stay when the Federation goes", obj, obj.GetName())
		}
		if obj.GetLabels()[desired.LabelManagedBy] != desired.ManagedBy || obj.GetLabels()[desired.LabelFederation] != fed.Name {
			t.Errorf("%T %s lacks the labels by which the operator's caches select", obj, obj.GetName())
		}
		if obj.GetNamespace() != fed.Namespace || !names[obj.GetName()] {
			t.Errorf("%T %s/%s is not among the names of the Federation", obj, obj.GetNamespace(), obj.GetName())
		}
	}
}
