// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// warned maps a warning event to the Federation whose pod, StatefulSet or Service it is about. The caches hold only the operator's own
// of these; the object, and not the event, says whose it is.
func (r *FederationReconciler) warned(ctx context.Context, obj client.Object) []reconcile.Request {
	about := obj.(*corev1.Event).InvolvedObject
	var object client.Object
	switch about.Kind {
	case "Pod":
		object = &corev1.Pod{}
	case "StatefulSet":
		object = &appsv1.StatefulSet{}
	case "Service":
		object = &corev1.Service{}
	default:
		return nil
	}
	key := client.ObjectKey{Namespace: about.Namespace, Name: about.Name}
	if err := r.Get(ctx, key, object); client.IgnoreNotFound(err) != nil {
		ctrl.LoggerFrom(ctx).Error(err, "reading what a warning is about", "kind", about.Kind, "name", key)
		return nil
	}
	name := object.GetLabels()[desired.LabelFederation]
	if name == "" || object.GetUID() != about.UID {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: about.Namespace, Name: name}}}
}

// naming are the DNSZones that refer to a Secret.
func (r *DNSZoneReconciler) naming(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != r.Namespace {
		return nil
	}
	return r.others(ctx, secret, client.MatchingFields{indexZoneSecrets: secret.GetName()})
}

// sameApex are the other DNSZones of the same zone, of which only one counts.
func (r *DNSZoneReconciler) sameApex(ctx context.Context, zone client.Object) []reconcile.Request {
	return r.others(ctx, zone, client.MatchingFields{indexApex: string(zone.(*v1alpha1.DNSZone).Spec.Zone)})
}

// others are the DNSZones that an index has, except about itself.
func (r *DNSZoneReconciler) others(ctx context.Context, about client.Object, index client.MatchingFields) []reconcile.Request {
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones, index); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing DNSZones to look at")
		return nil
	}
	var requests []reconcile.Request
	for i := range zones.Items {
		if zones.Items[i].UID != about.GetUID() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Name: zones.Items[i].Name}})
		}
	}
	return requests
}
