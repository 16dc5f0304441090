// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// recheckConflict is how often a Federation that is kept out looks again, should a change have been missed.
const recheckConflict = 5 * time.Minute

// accept decides whether the spec can be carried out at all.
func (r *FederationReconciler) accept(ctx context.Context, s *scope) (finding, error) {
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones); err != nil {
		return finding{}, fmt.Errorf("listing DNSZones: %w", err)
	}
	apexes, refused, err := r.placeNames(ctx, s.fed.Namespace, desired.Claims(s.fed), zones.Items)
	if err != nil {
		return finding{}, err
	}
	if refused != nil {
		return finding{}, refused
	}
	if refused, err = r.findRival(ctx, s.fed, zones.Items); err != nil {
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
	s.apexes, s.adoptable = apexes, claims.Adoptable(zones.Items)
	if err := r.noteFormer(ctx, s); err != nil {
		return finding{}, err
	}
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

// findRival finds a Federation that has one of the names and keeps this one out.
func (r *FederationReconciler) findRival(
	ctx context.Context, fed *v1alpha1.Federation, zones []v1alpha1.DNSZone,
) (*outcome.Error, error) {
	mayPublish := func(rival *v1alpha1.Federation) (bool, error) {
		_, refused, err := r.placeNames(ctx, rival.Namespace, desired.Claims(rival), zones)
		return refused == nil, err
	}
	for _, name := range desired.Claims(fed) {
		var wanting v1alpha1.FederationList
		if err := r.List(ctx, &wanting, client.MatchingFields{indexClaims: name}); err != nil {
			return nil, fmt.Errorf("listing Federations that claim %s: %w", name, err)
		}
		rival, err := claims.Rival(fed, name, wanting.Items, mayPublish)
		if err != nil {
			return nil, err
		}
		if rival != nil {
			return claims.Claimed(fed, rival, name).Every(recheckConflict), nil
		}
	}
	return nil, nil
}
