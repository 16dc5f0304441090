// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/observe"
)

// Fields by which Federations are indexed in the cache.
const (
	indexClaims     = "claims"
	indexSecrets    = "secrets"
	indexConfigMaps = "configMaps"
	indexZones      = "zones"
	indexConflicts  = "conflicts"
	indexOwner      = "owner"
)

// Fields by which DNSZones are indexed in the cache.
const (
	indexApex        = "apex"
	indexZoneSecrets = "zoneSecrets"
)

const (
	// workers reconcile Federations side by side. All of their time is spent waiting, for servers and for their turn at the API
	// server, so there are many: when a thousand Federations get addresses at once, none waits with its records until
	// another has its status written.
	workers = 1024
	// zoneWorkers look at DNSZones side by side.
	zoneWorkers = 64
)

// IndexFederations adds the indexes that the reconcilers look up, of DNSZones as well.
func IndexFederations(ctx context.Context, indexer client.FieldIndexer) error {
	indexes := map[string]func(*v1alpha1.Federation) []string{
		indexClaims:     claimed,
		indexSecrets:    referredSecrets,
		indexConfigMaps: referredConfigMaps,
		indexConflicts:  conflictOwners,
		indexOwner:      func(fed *v1alpha1.Federation) []string { return []string{fed.Status.DNSOwner} },
		indexZones:      func(fed *v1alpha1.Federation) []string { return fed.Status.Zones },
	}
	for field, values := range indexes {
		index := func(obj client.Object) []string { return values(obj.(*v1alpha1.Federation)) }
		if err := indexer.IndexField(ctx, &v1alpha1.Federation{}, field, index); err != nil {
			return fmt.Errorf("indexing Federations by %s: %w", field, err)
		}
	}
	ofZones := map[string]func(*v1alpha1.DNSZone) []string{
		indexApex: func(zone *v1alpha1.DNSZone) []string { return []string{string(zone.Spec.Zone)} },
		indexZoneSecrets: func(zone *v1alpha1.DNSZone) []string {
			var names []string
			for _, field := range secretFields(zone.Spec.Provider) {
				names = append(names, field.ref.Name)
			}
			return names
		},
	}
	for field, values := range ofZones {
		index := func(obj client.Object) []string { return values(obj.(*v1alpha1.DNSZone)) }
		if err := indexer.IndexField(ctx, &v1alpha1.DNSZone{}, field, index); err != nil {
			return fmt.Errorf("indexing DNSZones by %s: %w", field, err)
		}
	}
	return nil
}

func referredSecrets(fed *v1alpha1.Federation) []string {
	var names []string
	if fed.Spec.TLS != nil && fed.Spec.TLS.SecretRef != nil {
		names = append(names, fed.Spec.TLS.SecretRef.Name)
	}
	if fed.Spec.Server.Accounts != nil {
		names = append(names, fed.Spec.Server.Accounts.SecretRef.Name)
	}
	return names
}

func referredConfigMaps(fed *v1alpha1.Federation) []string {
	var names []string
	if fed.Spec.TLS != nil {
		for _, trusted := range fed.Spec.TLS.TrustedCAs {
			names = append(names, trusted.ConfigMapRef.Name)
		}
	}
	return names
}

// SetupWithManager registers the controller. zoneChanges tells which zones got better or worse.
func (r *FederationReconciler) SetupWithManager(
	mgr ctrl.Manager, zoneChanges <-chan event.TypedGenericEvent[*v1alpha1.DNSZone],
) error {
	if err := IndexFederations(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := observe.IndexEvents(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	var registered prometheus.AlreadyRegisteredError
	if err := metrics.Registry.Register(dnsRepairs); err != nil && !errors.As(err, &registered) {
		return fmt.Errorf("registering metrics: %w", err)
	}
	specChanged := builder.WithPredicates(predicate.Or(recreated, predicate.GenerationChangedPredicate{}))
	labelsChanged := builder.WithPredicates(predicate.Or(recreated, predicate.LabelChangedPredicate{}))
	inZone := handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, zone *v1alpha1.DNSZone) []reconcile.Request {
		return r.inZone(ctx, zone)
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("federation").
		For(&v1alpha1.Federation{}, builder.WithPredicates(intentChanged)).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ConfigMap{}, builder.OnlyMetadata).
		Owns(&corev1.Secret{}, builder.OnlyMetadata).
		Owns(&policyv1.PodDisruptionBudget{}, builder.OnlyMetadata, specChanged).
		Owns(&networkingv1.NetworkPolicy{}, builder.OnlyMetadata).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofPod)).
		Watches(&corev1.Event{}, handler.EnqueueRequestsFromMapFunc(r.warned), builder.WithPredicates(observe.News)).
		Watches(&v1alpha1.Federation{}, handler.EnqueueRequestsFromMapFunc(r.rivals), builder.WithPredicates(stakeChanged())).
		Watches(&v1alpha1.DNSZone{}, handler.EnqueueRequestsFromMapFunc(r.inZone), specChanged).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.inNamespace), labelsChanged).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.referring(indexSecrets))).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.referring(indexConfigMaps))).
		WatchesRawSource(source.Channel(zoneChanges, inZone)).
		WatchesRawSource(source.Channel(r.Checked, &handler.TypedEnqueueRequestForObject[*v1alpha1.Federation]{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: &r.retries}).
		Complete(r)
}

// SetupWithManager registers the controller.
func (r *DNSZoneReconciler) SetupWithManager(mgr ctrl.Manager) error {
	again := &retries{}
	return ctrl.NewControllerManagedBy(mgr).
		Named("dnszone").
		For(&v1alpha1.DNSZone{}, builder.WithPredicates(intentChanged)).
		Watches(&v1alpha1.DNSZone{}, handler.EnqueueRequestsFromMapFunc(r.sameApex),
			builder.WithPredicates(predicate.Or(recreated, predicate.GenerationChangedPredicate{}))).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.naming)).
		WithOptions(controller.Options{MaxConcurrentReconciles: zoneWorkers, RateLimiter: again}).
		Complete(settler{r, again})
}

// recreated lets events pass of an object that was deleted and created again under its name while no watch ran, because the API
// server was away: that comes as an update, and the generation of both is 1.
var recreated = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() }}

// intentChanged lets events pass that may change what is wanted of an object. What only changes its status is our own doing.
var intentChanged = predicate.Or(recreated, predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})

func ofPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := pod.GetLabels()[desired.LabelFederation]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: pod.GetNamespace(), Name: name}}}
}

// inNamespace are the Federations of a namespace, and those that want one of their names.
func (r *FederationReconciler) inNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	var inside v1alpha1.FederationList
	if err := r.List(ctx, &inside, client.InNamespace(namespace.GetName())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing Federations", "namespace", namespace.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range inside.Items {
		fed := &inside.Items[i]
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(fed)})
		requests = append(requests, r.rivals(ctx, fed)...)
	}
	return requests
}

func (r *FederationReconciler) referring(index string) handler.MapFunc {
	return func(ctx context.Context, obj client.Object) []reconcile.Request {
		return r.list(ctx, client.InNamespace(obj.GetNamespace()), client.MatchingFields{index: obj.GetName()})
	}
}

// inZone are the Federations that have, or want, a name in the zone.
func (r *FederationReconciler) inZone(ctx context.Context, obj client.Object) []reconcile.Request {
	zone := string(obj.(*v1alpha1.DNSZone).Spec.Zone)
	var all v1alpha1.FederationList
	if err := r.List(ctx, &all); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing Federations", "zone", zone)
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		fed := &all.Items[i]
		inside := slices.ContainsFunc(desired.Claims(fed), func(name string) bool { return dns.InZone(name, zone) })
		if inside || slices.Contains(fed.Status.Zones, zone) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(fed)})
		}
	}
	return requests
}

func (r *FederationReconciler) list(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var found v1alpha1.FederationList
	if err := r.List(ctx, &found, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing Federations to look at")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(found.Items))
	for i := range found.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&found.Items[i])})
	}
	return requests
}
