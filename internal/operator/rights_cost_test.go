// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// The API server gives up on a policy that takes too long, and refuses what it should decide on. How long that is follows from
// objects that users write, so the largest that Kubernetes accepts must not keep the operator from its work.

// names returns short names that differ, 238328 at most.
func names(number int) []string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	list := make([]string, number)
	for n := range list {
		list[n] = string([]byte{letters[n/62/62], letters[n/62%62], letters[n%62]})
	}
	return list
}

// bare maps names to nothing.
func bare(names []string) map[string]string {
	values := map[string]string{}
	for _, name := range names {
		values[name] = ""
	}
	return values
}

const (
	// mostAnnotations is about how many names there is room for in the 256 KiB that Kubernetes accepts.
	mostAnnotations = 80000
	// manyAnnotations are fewer, because the API server itself is slow with them where one changes.
	manyAnnotations = 50000
)

// owners are people's own, of which none is the controller.
func owners(number int) []metav1.OwnerReference {
	list := make([]metav1.OwnerReference, number)
	for n, name := range names(number) {
		list[n] = metav1.OwnerReference{APIVersion: "v1", Kind: "A", Name: name, UID: types.UID(name)}
	}
	return list
}

func TestRights_WhatUsersWriteDoesNotExhaustThePolicies(t *testing.T) {
	i := newIntruder(t)
	finalizer := func(object client.Object) {
		object.SetFinalizers(append(object.GetFinalizers(), controllers.Finalizer))
	}
	for name, burden := range map[string]func(client.Object){
		"annotations": func(object client.Object) { object.SetAnnotations(bare(names(mostAnnotations))) },
		"labels":      func(object client.Object) { object.SetLabels(bare(names(20000))) },
		"owners":      func(object client.Object) { object.SetOwnerReferences(owners(10000)) },
		"finalizers": func(object client.Object) {
			for _, name := range names(3000) {
				object.SetFinalizers(append(object.GetFinalizers(), "a.b/"+name))
			}
		},
	} {
		t.Run("the finalizer comes and goes beside many "+name, func(t *testing.T) {
			i := &intruder{gomega.NewWithT(t), t, i.api, i.stolen, i.fed.DeepCopy()}
			i.fed.ObjectMeta = i.foreign(name)
			burden(i.fed)
			i.create(i.fed)
			t.Cleanup(func() {
				none := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
				i.Expect(i.api.Patch(context.Background(), i.fed, none)).To(gomega.Succeed())
				i.Expect(i.api.Delete(context.Background(), i.fed)).To(gomega.Succeed())
			})
			i.patches("", i.fed, map[string]func(client.Object){"it comes": finalizer})
			before := i.fed.DeepCopy()
			finalizer(i.fed)
			i.Expect(i.api.Patch(t.Context(), i.fed, client.MergeFrom(before))).To(gomega.Succeed())
			i.patches("", i.fed, map[string]func(client.Object){
				"it goes": func(object client.Object) { object.SetFinalizers(before.Finalizers) },
			})
		})
	}
}

func TestRights_OfAPodWithManyAnnotationsOneIsChanged(t *testing.T) {
	i := newIntruder(t)
	server := i.pod("cup-0", desired.SelectorLabels(i.fed))
	server.Annotations = bare(names(manyAnnotations))
	i.create(server)
	set := func(key, value string) func(client.Object) {
		return func(object client.Object) { metav1.SetMetaDataAnnotation(&object.(*corev1.Pod).ObjectMeta, key, value) }
	}
	i.patches("", server, map[string]func(client.Object){"the generation": set(desired.AnnotationGeneration, "1")})
	i.patches("changes no annotations of others", server, map[string]func(client.Object){
		"another comes":   set("other", ""),
		"another changes": set("000", "changed"),
		"another goes":    func(object client.Object) { delete(object.GetAnnotations(), "000") },
		"the generation takes the place of another": func(object client.Object) {
			delete(object.GetAnnotations(), "000")
			set(desired.AnnotationGeneration, "1")(object)
		},
	})
}

func TestRights_OwnObjectsWithManyOwnersAreWritten(t *testing.T) {
	i := newIntruder(t)
	config := own[*corev1.ConfigMap](i, "cup-server")
	config.OwnerReferences = append(owners(10000), config.OwnerReferences...)
	i.create(config)
	i.patches("", config, map[string]func(client.Object){
		"its data": func(object client.Object) { object.(*corev1.ConfigMap).Data = map[string]string{"new": "x"} },
	})
}
