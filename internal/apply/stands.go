// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// emptyOf returns an empty object of the same kind if the cache holds such objects in full, else nil.
func emptyOf(obj client.Object) client.Object {
	switch obj.(type) {
	case *corev1.Service:
		return &corev1.Service{}
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{}
	}
	return nil
}

// stands tells that the content, which was the last to be applied, is still there as a whole, although the object has
// changed: mostly because somebody wrote its status, such as the address of a load balancer, after which time counts.
func (a *Applier) stands(ctx context.Context, id identity, now applied, content *unstructured.Unstructured, obj client.Object) bool {
	live := emptyOf(obj)
	if live == nil || !a.sameContent(id, now) || a.client.Get(ctx, id.ObjectKey, live) != nil || !sameController(live, obj) {
		return false
	}
	found, err := toUnstructured(live, a.client.Scheme())
	if err != nil || !covers(found.Object, content.Object) {
		return false
	}
	now.resourceVersion = live.GetResourceVersion()
	a.remember(id, now)
	return true
}

// covers tells that all that is wanted is there. Lists must have no other elements, objects may have other fields.
func covers(found, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		found, ok := found.(map[string]any)
		for key, value := range wanted {
			ok = ok && covers(found[key], value)
		}
		return ok
	case []any:
		found, ok := found.([]any)
		ok = ok && len(found) == len(wanted)
		for i := range wanted {
			ok = ok && covers(found[i], wanted[i])
		}
		return ok
	default:
		return reflect.DeepEqual(found, wanted)
	}
}
