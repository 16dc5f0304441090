// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestSetup_WhatChangesWhatIsWantedIsLookedAt(t *testing.T) {
	was := metav1.ObjectMeta{Name: "cup", UID: "first", Generation: 1, ResourceVersion: "1"}
	for name, test := range map[string]struct {
		edit func(*metav1.ObjectMeta)
		want bool
	}{
		"another status":     {func(is *metav1.ObjectMeta) { is.ResourceVersion = "2" }, false},
		"another spec":       {func(is *metav1.ObjectMeta) { is.Generation = 2 }, true},
		"another annotation": {func(is *metav1.ObjectMeta) { is.Annotations = map[string]string{"a": "b"} }, true},
		"another object of the name, whose deletion went unseen": {func(is *metav1.ObjectMeta) { is.UID = "second" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := &v1alpha1.Federation{ObjectMeta: was}, &v1alpha1.Federation{ObjectMeta: was}
			test.edit(&after.ObjectMeta)
			if got := intentChanged.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.want {
				t.Errorf("looked at: %v, want %v", got, test.want)
			}
		})
	}
}
