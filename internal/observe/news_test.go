// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	changes "sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/internal/observe"
)

func TestNews_IsWhatSaysSomethingElseThanBefore(t *testing.T) {
	old := &corev1.Event{Reason: "FailedMount", Message: "no such Secret", Count: 1}
	for name, test := range map[string]struct {
		edit func(*corev1.Event)
		want bool
	}{
		"it is counted once more":   {func(e *corev1.Event) { e.Count++ }, false},
		"it says something else":    {func(e *corev1.Event) { e.Message = "no such ConfigMap" }, true},
		"it has another reason":     {func(e *corev1.Event) { e.Reason = "FailedAttachVolume" }, true},
		"somebody else reported it": {func(e *corev1.Event) { e.ReportingController = "kubelet" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := old.DeepCopy()
			test.edit(now)
			if got := observe.News.Update(changes.UpdateEvent{ObjectOld: old, ObjectNew: now}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if !observe.News.Create(changes.CreateEvent{Object: old}) {
		t.Error("an event is no news")
	}
	if observe.News.Delete(changes.DeleteEvent{Object: old}) {
		t.Error("that an event is forgotten is news")
	}
}
