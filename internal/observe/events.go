// SPDX-License-Identifier: Apache-2.0

// Package observe reads from Kubernetes why objects are not what they should be: the causes that Kubernetes itself
// reports in pods and events.
package observe

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// maxMessage bounds what is taken over from others into a condition's message, in bytes.
const maxMessage = 400

// Event is what Kubernetes reports about an object. The zero value: nothing.
type Event struct{ Reason, Message string }

// Fields of events that Warning selects by, and their values.
var eventFields = map[string]func(*corev1.Event) string{
	"involvedObject.uid": func(e *corev1.Event) string { return string(e.InvolvedObject.UID) },
	"type":               func(e *corev1.Event) string { return e.Type },
}

// IndexEvents adds the indexes that Warning needs in a cache. It should ask one, not the API server: that goes through all
// events of the namespace each time, so that a thousand objects for which something is late would keep it busy.
func IndexEvents(ctx context.Context, indexer client.FieldIndexer) error {
	for field, value := range eventFields {
		index := func(obj client.Object) []string { return []string{value(obj.(*corev1.Event))} }
		if err := indexer.IndexField(ctx, &corev1.Event{}, field, index); err != nil {
			return fmt.Errorf("indexing events by %s: %w", field, err)
		}
	}
	return nil
}

// Warning is the newest warning event about an object.
func Warning(ctx context.Context, reader client.Reader, obj client.Object) (Event, error) {
	if obj.GetUID() == "" {
		return Event{}, nil
	}
	var events corev1.EventList
	err := reader.List(ctx, &events, client.InNamespace(obj.GetNamespace()), client.MatchingFields{
		"involvedObject.uid": string(obj.GetUID()), "type": corev1.EventTypeWarning,
	})
	if err != nil {
		return Event{}, fmt.Errorf("listing events about %s: %w", client.ObjectKeyFromObject(obj), err)
	}
	return newest(events.Items), nil
}

func newest(events []corev1.Event) Event {
	var last *corev1.Event
	for i := range events {
		if last == nil || at(last).Before(at(&events[i])) {
			last = &events[i]
		}
	}
	if last == nil {
		return Event{}
	}
	return Event{Reason: last.Reason, Message: oneLine(last.Message)}
}

// oneLine makes foreign text fit into a message.
func oneLine(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + " ..."
}

// News lets pass the events that say something new. What is only counted once more, or forgotten after its time, is no news.
var News = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return true },
	UpdateFunc: func(change event.UpdateEvent) bool {
		before, isEvent := change.ObjectOld.(*corev1.Event)
		after, stays := change.ObjectNew.(*corev1.Event)
		return isEvent && stays && (before.Reason != after.Reason || before.Message != after.Message)
	},
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}
