// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/observe"
)

// reader answers lists of events, and notes what was asked for.
type reader struct {
	client.Reader
	events []corev1.Event
	err    error
	asked  []client.ListOptions
}

func (r *reader) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	r.asked = append(r.asked, *(&client.ListOptions{}).ApplyOptions(opts))
	list.(*corev1.EventList).Items = r.events
	return r.err
}

var service = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup-s2s", UID: "uid"}}

func event(message string, edit func(*corev1.Event)) corev1.Event {
	e := corev1.Event{Message: message}
	edit(&e)
	return e
}

func TestTheNewestWarningSpeaks(t *testing.T) {
	ago := func(minutes int) time.Time { return time.Date(2026, 1, 1, 12, 60-minutes, 0, 0, time.UTC) }
	for name, test := range map[string]struct {
		events []corev1.Event
		want   string
	}{
		"no event": {nil, ""},
		"one that happened again is newer than one that began later": {[]corev1.Event{
			event("again", func(e *corev1.Event) {
				e.FirstTimestamp, e.LastTimestamp = metav1.NewTime(ago(9)), metav1.NewTime(ago(1))
			}),
			event("once", func(e *corev1.Event) { e.FirstTimestamp = metav1.NewTime(ago(5)) }),
		}, "again"},
		"events of the newer kind have another time": {[]corev1.Event{
			event("old", func(e *corev1.Event) { e.LastTimestamp = metav1.NewTime(ago(5)) }),
			event("new", func(e *corev1.Event) { e.EventTime = metav1.NewMicroTime(ago(1)) }),
		}, "new"},
		"a series goes on": {[]corev1.Event{
			event("series", func(e *corev1.Event) {
				e.EventTime = metav1.NewMicroTime(ago(9))
				e.Series = &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(ago(1))}
			}),
			event("single", func(e *corev1.Event) { e.EventTime = metav1.NewMicroTime(ago(5)) }),
		}, "series"},
		"an event without any time but its creation": {[]corev1.Event{
			event("created", func(e *corev1.Event) { e.CreationTimestamp = metav1.NewTime(ago(1)) }),
			event("old", func(e *corev1.Event) { e.LastTimestamp = metav1.NewTime(ago(5)) }),
		}, "created"},
		"line breaks": {[]corev1.Event{event("first\n\tsecond ", func(*corev1.Event) {})}, "first second"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reader{events: test.events}
			got, err := observe.Warning(t.Context(), r, service)
			if err != nil || got.Message != test.want {
				t.Errorf("got %+v, %v; want %q", got, err, test.want)
			}
			asked := r.asked[0]
			warnings := fields.Set{"involvedObject.uid": "uid", "type": "Warning"}
			if asked.Namespace != "chat" || len(asked.FieldSelector.Requirements()) != 2 || !asked.FieldSelector.Matches(warnings) {
				t.Errorf("asked for %s in %s", asked.FieldSelector, asked.Namespace)
			}
		})
	}
}

func TestAnObjectThatDoesNotExistHasNoEvents(t *testing.T) {
	r := &reader{}
	if got, err := observe.Warning(t.Context(), r, &corev1.Service{}); got != (observe.Event{}) || err != nil || len(r.asked) > 0 {
		t.Errorf("got %+v, %v after %d questions", got, err, len(r.asked))
	}
}

func TestAnErrorNamesTheObject(t *testing.T) {
	_, err := observe.Warning(t.Context(), &reader{err: errors.New("no route")}, service)
	if err == nil || !strings.Contains(err.Error(), "listing events about chat/cup-s2s: no route") {
		t.Errorf("got %v", err)
	}
}
