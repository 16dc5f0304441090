// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Caches remember of objects what controllers read, and nothing else: whoever may create objects of a kind anywhere decides how large
// their labels, annotations, finalizers and owners are, and all of them at once would use up the operator's memory.

const (
	// maxText is how much is remembered of a text that others write, in bytes.
	maxText = 1024
	// maxFinalizers is how many finalizers of a pod are remembered, to be named in a message.
	maxFinalizers = 4
	// maxForeignMeta is how many bytes of labels and annotations of others are remembered of an object of the operator.
	maxForeignMeta = 16 << 10
)

// only returns what a cache does to each object of a kind that it is given.
func only[T any](shrink func(T)) func(any) (any, error) {
	return func(obj any) (any, error) {
		if partial, ok := obj.(*metav1.PartialObjectMetadata); ok {
			keepIdentity(&partial.ObjectMeta)
			return partial, nil
		}
		object, ok := obj.(T)
		if !ok {
			return nil, fmt.Errorf("a cache of %T was given %T", object, obj)
		}
		shrink(object)
		return object, nil
	}
}

// onlyIdentity is for kinds of which the cache has metadata only.
func onlyIdentity(obj any) (any, error) {
	return only(func(*metav1.PartialObjectMetadata) {})(obj)
}

// onlyLabels is for namespaces, which DNSZones select by any label.
func onlyLabels(obj any) (any, error) {
	object, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	object.SetAnnotations(nil)
	object.SetManagedFields(nil)
	object.SetFinalizers(nil)
	object.SetOwnerReferences(nil)
	return obj, nil
}

// keepIdentity keeps of metadata which object it is, in which version, and which Federation it belongs to.
func keepIdentity(m *metav1.ObjectMeta) {
	*m = metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		DeletionGracePeriodSeconds: m.DeletionGracePeriodSeconds, OwnerReferences: controllerOf(m),
	}
}

// keepOurs is keepIdentity with the labels by which the operator finds its objects.
func keepOurs(m *metav1.ObjectMeta) {
	labels := m.Labels
	keepIdentity(m)
	m.Labels = pick(labels, desired.LabelManagedBy, desired.LabelFederation)
}

// controllerOf returns the reference to the controller of an object, if there is one, and it is no longer than those that Kubernetes
// and the operator write.
func controllerOf(m *metav1.ObjectMeta) []metav1.OwnerReference {
	found := metav1.GetControllerOf(m)
	if found == nil || len(found.APIVersion)+len(found.Kind)+len(found.Name)+len(found.UID) > maxText {
		return nil
	}
	return []metav1.OwnerReference{*found}
}

// pick returns what a map has under some keys; nil if nothing.
func pick(from map[string]string, keys ...string) map[string]string {
	var picked map[string]string
	for _, key := range keys {
		if value, found := from[key]; found {
			if picked == nil {
				picked = map[string]string{}
			}
			picked[key] = value
		}
	}
	return picked
}

// cut returns the beginning of a text, without keeping the rest in memory.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.Clone(text[:maxText])
}

// shrinkFederation keeps all finalizers, since taking one away writes the list of those that stay.
func shrinkFederation(fed *v1alpha1.Federation) {
	annotations, finalizers := fed.Annotations, fed.Finalizers
	keepIdentity(&fed.ObjectMeta)
	fed.OwnerReferences = nil
	fed.Annotations, fed.Finalizers = pick(annotations, v1alpha1.AnnotationAbandonRecordsIn), finalizers
}

func shrinkPod(pod *corev1.Pod) {
	annotations, finalizers := pod.Annotations, pod.Finalizers
	keepOurs(&pod.ObjectMeta)
	pod.Annotations = pick(annotations, desired.AnnotationGeneration)
	pod.Finalizers = slices.Clone(finalizers[:min(len(finalizers), maxFinalizers)])
	data := slices.DeleteFunc(slices.Clone(pod.Spec.Volumes), func(v corev1.Volume) bool {
		return v.Name != engine.VolumeData || v.PersistentVolumeClaim == nil || len(v.PersistentVolumeClaim.ClaimName) > maxText
	})
	gates := pod.Spec.ReadinessGates
	pod.Spec = corev1.PodSpec{
		NodeName: pod.Spec.NodeName, Volumes: slices.Clip(data), ReadinessGates: slices.Clone(gates[:min(len(gates), 1)]),
	}
}

func shrinkService(service *corev1.Service) {
	if !isOurs(&service.ObjectMeta) {
		service.Spec, service.Status = corev1.ServiceSpec{}, corev1.ServiceStatus{}
	}
}

func shrinkStatefulSet(set *appsv1.StatefulSet) {
	if !isOurs(&set.ObjectMeta) {
		set.Spec, set.Status = appsv1.StatefulSetSpec{}, appsv1.StatefulSetStatus{}
	}
}

// isOurs reports whether an object has the name and the controller of one that the operator writes, and so has to be remembered in
// full; if not, it leaves nothing in its metadata but what tells so. Labels and annotations of others go where they are large, after
// which the operator writes the object more often than it has to.
func isOurs(m *metav1.ObjectMeta) bool {
	owner := metav1.GetControllerOf(m)
	if owner == nil || owner.Kind != "Federation" || groupOf(owner) != v1alpha1.GroupVersion.Group ||
		!slices.Contains(desired.Names(&v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Name: owner.Name}}), m.Name) {
		keepOurs(m)
		return false
	}
	labels, annotations := m.Labels, m.Annotations
	keepOurs(m)
	if size(labels)+size(annotations) <= maxForeignMeta {
		m.Labels, m.Annotations = labels, annotations
	}
	return true
}

func groupOf(owner *metav1.OwnerReference) string {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return ""
	}
	return version.Group
}

func size(m map[string]string) (bytes int) {
	for key, value := range m {
		bytes += len(key) + len(value)
	}
	return bytes
}

// shrinkEvent keeps what is said, and of which object.
func shrinkEvent(event *corev1.Event) {
	keepIdentity(&event.ObjectMeta)
	about := event.InvolvedObject
	*event = corev1.Event{
		ObjectMeta: event.ObjectMeta, Type: event.Type, Reason: cut(event.Reason), Message: cut(event.Message),
		FirstTimestamp: event.FirstTimestamp, LastTimestamp: event.LastTimestamp, EventTime: event.EventTime,
		Series: event.Series,
	}
	switch about.Kind {
	case "Pod", "StatefulSet", "Service":
		event.InvolvedObject = corev1.ObjectReference{
			Kind: about.Kind, Namespace: cut(about.Namespace), Name: cut(about.Name), UID: types.UID(cut(string(about.UID))),
		}
	default: // no controller asks about others
		event.Reason, event.Message = "", ""
	}
}
