// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// accept decides whether the spec can be carried out at all.
func (r *FederationReconciler) accept(ctx context.Context, s *scope) (finding, error) {
	s.fed.Status.DNSOwner = r.owner(s.fed).ID
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones); err != nil {
		return finding{}, fmt.Errorf("listing DNSZones: %w", err)
	}
	for i := range zones.Items {
		s.zones = append(s.zones, string(zones.Items[i].Spec.Zone))
	}
	apexes, refused, err := r.placeNames(ctx, s.fed.Namespace, desired.Claims(s.fed), zones.Items)
	if err != nil {
		return finding{}, err
	}
	if refused != nil {
		return finding{}, refused
	}
	s.apexes, s.adoptable = apexes, claims.Adoptable(zones.Items)
	if refused, err = r.contend(ctx, s, zones.Items); err != nil {
		return finding{}, err
	}
	if refused != nil {
		return finding{}, refused
	}
	server := r.Servers[s.fed.Spec.Server.Engine]
	input := desired.ServerInput(s.fed, s.trustedCAs)
	var unsupported *engine.UnsupportedError
	if err := server.Check(input); errors.As(err, &unsupported) {
		return finding{}, outcome.Stalled(v1alpha1.ReasonUnsupportedByEngine, "%s", unsupported.Error())
	} else if err != nil {
		return finding{}, fmt.Errorf("checking the spec against the engine: %w", err)
	}
	r.noteFormer(s)
	return finding{reason: v1alpha1.ReasonAccepted, message: "the spec can be carried out"}, nil
}

// placeNames finds the zone of each name, or why one can't be published from the namespace.
func (r *FederationReconciler) placeNames(
	ctx context.Context, from string, names []string, zones []v1alpha1.DNSZone,
) (map[string]string, *outcome.Error, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Get(ctx, client.ObjectKey{Name: from}, namespace); client.IgnoreNotFound(err) != nil {
		return nil, nil, fmt.Errorf("reading namespace %s: %w", from, err)
	}
	apexes, refused := claims.Place(names, from, namespace.Labels, zones)
	return apexes, refused, nil
}
