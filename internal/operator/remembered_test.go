// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

const large = 1300 << 10

// bloat makes everything in the metadata of an object as large as whoever creates it may make it.
func bloat(name string, own map[string]string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: "chat", Name: name, UID: "uid", ResourceVersion: "7", Generation: 2, DeletionTimestamp: ptr.To(metav1.Now()),
		Labels: map[string]string{}, Annotations: map[string]string{"note": strings.Repeat("a", large)},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: strings.Repeat("o", large), UID: "o"}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: strings.Repeat("m", large)}},
	}
	for i := range 10500 {
		m.Labels[fmt.Sprintf("k%d", i)] = strings.Repeat("v", 60)
		m.Finalizers = append(m.Finalizers, fmt.Sprintf("example.com/%060d", i))
	}
	for key, value := range own {
		m.Labels[key] = value
	}
	return m
}

// remember returns an object as the caches of the operator have it.
func remember[T client.Object](t *testing.T, object T, watch ...string) T {
	t.Helper()
	options, err := cacheOptions(watch, operatorNamespace)
	if err != nil {
		t.Fatal(err)
	}
	like := client.Object(object)
	if partial, ok := like.(*metav1.PartialObjectMetadata); ok {
		like = metadataOnly[partial.Kind]
	}
	transform := options.DefaultTransform
	for kind, by := range options.ByObject {
		if reflect.TypeOf(kind) == reflect.TypeOf(like) {
			transform = by.Transform
		}
	}
	if transform == nil {
		return object
	}
	for range 2 { // the informer does so as well, at times
		got, err := transform(object)
		if err != nil {
			t.Fatal(err)
		}
		object = got.(T)
	}
	return object
}

var metadataOnly = map[string]client.Object{
	"Secret": &corev1.Secret{}, "ConfigMap": &corev1.ConfigMap{}, "Service": &corev1.Service{}, "StatefulSet": &appsv1.StatefulSet{},
	"PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "NetworkPolicy": &networkingv1.NetworkPolicy{},
}

var (
	ourLabels = map[string]string{desired.LabelManagedBy: desired.ManagedBy, desired.LabelFederation: "cup"}
	ofCup     = metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Federation", Name: "cup", UID: "cup-uid", Controller: ptr.To(true),
	}
)

func expectSmall(t *testing.T, object client.Object, atMost int) {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) > atMost {
		t.Errorf("%T takes %d bytes in memory, want %d at most", object, len(encoded), atMost)
	}
}

func TestCaches_OfMetadataRememberOnlyWhichObjectItIsAndWhose(t *testing.T) {
	for kind := range metadataOnly {
		t.Run(kind, func(t *testing.T) {
			object := &metav1.PartialObjectMetadata{ObjectMeta: bloat("cup", nil)}
			object.Kind = kind
			object.OwnerReferences = append(object.OwnerReferences, ofCup)
			got := remember(t, object)
			expectSmall(t, got, 1<<10)
			if got.Name != "cup" || got.UID != "uid" || got.ResourceVersion != "7" || got.Generation != 2 ||
				!reflect.DeepEqual(got.OwnerReferences, []metav1.OwnerReference{ofCup}) {
				t.Errorf("got %+v", got.ObjectMeta)
			}
			object.OwnerReferences[0].Name = strings.Repeat("o", large)
			expectSmall(t, remember(t, object), 1<<10)
		})
	}
}

func TestCaches_OfOthersObjectsRememberWhatIsRead(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: bloat("cup-0", ourLabels), Spec: corev1.PodSpec{
		NodeName:   "node",
		Containers: []corev1.Container{{Name: "app", Env: []corev1.EnvVar{{Name: "A", Value: strings.Repeat("e", large)}}}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-cup-0"},
		}}, {Name: strings.Repeat("v", large)}},
		ReadinessGates: []corev1.PodReadinessGate{{ConditionType: "a"}, {ConditionType: "b"}},
	}, Status: corev1.PodStatus{PodIP: "10.0.0.1"}}
	pod.Annotations[desired.AnnotationGeneration] = "3"
	pod = remember(t, pod)
	expectSmall(t, pod, 4<<10)
	if !reflect.DeepEqual(pod.Labels, ourLabels) || pod.Annotations[desired.AnnotationGeneration] != "3" || pod.Spec.NodeName != "node" ||
		pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data-cup-0" || len(pod.Spec.ReadinessGates) == 0 ||
		len(pod.Finalizers) == 0 || pod.DeletionTimestamp == nil || pod.Status.PodIP != "10.0.0.1" {
		t.Errorf("got %+v", pod)
	}

	event := &corev1.Event{
		ObjectMeta: bloat("cup-0.1", nil), Type: corev1.EventTypeWarning, Reason: "FailedMount", Message: strings.Repeat("é", large),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "chat", Name: "cup-0", UID: "pod", FieldPath: strings.Repeat("f", large)},
		Related:        &corev1.ObjectReference{Name: strings.Repeat("r", large)}, Count: 3,
	}
	event = remember(t, event)
	expectSmall(t, event, 4<<10)
	if event.Reason != "FailedMount" || len(event.Message) != maxText || event.Type != corev1.EventTypeWarning ||
		event.InvolvedObject != (corev1.ObjectReference{Kind: "Pod", Namespace: "chat", Name: "cup-0", UID: "pod"}) {
		t.Errorf("got %+v", event)
	}

	for _, watch := range [][]string{nil, {"chat"}} {
		namespace := &corev1.Namespace{ObjectMeta: bloat("chat", nil)}
		namespace.Labels = map[string]string{"team": "voice"}
		namespace = remember(t, namespace, watch...)
		expectSmall(t, namespace, 1<<10)
		if namespace.Labels["team"] != "voice" {
			t.Errorf("got %+v", namespace)
		}
	}
}

func TestCaches_OfFederationsDropWhatIsNotRead(t *testing.T) {
	fed := &v1alpha1.Federation{ObjectMeta: bloat("cup", nil), Spec: v1alpha1.FederationSpec{Suspend: true}}
	fed.Annotations[v1alpha1.AnnotationAbandonRecordsIn] = "cupdomain.com"
	finalizers := fed.Finalizers
	fed = remember(t, fed)
	if !reflect.DeepEqual(fed.Finalizers, finalizers) {
		t.Error("finalizers of others are lost, and taking the operator's away would take them away as well")
	}
	fed.Finalizers = nil
	expectSmall(t, fed, 4<<10)
	if fed.Annotations[v1alpha1.AnnotationAbandonRecordsIn] != "cupdomain.com" || !fed.Spec.Suspend {
		t.Errorf("got %+v", fed)
	}
}

func TestCaches_RememberOnlyTheOperatorsOwnServicesAndStatefulSets(t *testing.T) {
	spec := corev1.ServiceSpec{ExternalName: strings.Repeat("x", large)}
	for name, test := range map[string]struct {
		name  string
		owner []metav1.OwnerReference
		full  bool
	}{
		"the operator's own":              {"cup-s2s", []metav1.OwnerReference{ofCup}, true},
		"of nobody":                       {"cup-s2s", nil, false},
		"of a name that it does not give": {"cup-other", []metav1.OwnerReference{ofCup}, false},
	} {
		t.Run(name, func(t *testing.T) {
			service := &corev1.Service{ObjectMeta: bloat(test.name, ourLabels), Spec: *spec.DeepCopy()}
			set := &appsv1.StatefulSet{ObjectMeta: bloat(test.name, ourLabels), Spec: appsv1.StatefulSetSpec{ServiceName: spec.ExternalName}}
			service.OwnerReferences, set.OwnerReferences = test.owner, test.owner
			service, set = remember(t, service), remember(t, set)
			if got := service.Spec.ExternalName != ""; got != test.full {
				t.Errorf("the spec of the Service is remembered: %v", got)
			}
			service.Spec.ExternalName = ""
			expectSmall(t, service, 2<<10)
			if !test.full {
				expectSmall(t, set, 2<<10)
			}
			if service.Labels[desired.LabelFederation] != "cup" {
				t.Errorf("got labels %v", service.Labels)
			}
		})
	}
	small := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Name: "cup-s2s", OwnerReferences: []metav1.OwnerReference{ofCup}, Annotations: map[string]string{"lb": "internal"},
	}}
	if got := remember(t, small); got.Annotations["lb"] != "internal" {
		t.Errorf("got %+v, and each change would be taken for one of the annotation", got)
	}
}
