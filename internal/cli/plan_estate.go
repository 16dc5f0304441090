// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
)

// estate reads what decides whose names are. Who may not read it learns that names were not judged.
func (d dryRun) estate(ctx context.Context) (*plan.Estate, string, error) {
	var zones v1alpha1.DNSZoneList
	var feds v1alpha1.FederationList
	var namespaces corev1.NamespaceList
	for _, kind := range []struct {
		plural string
		list   client.ObjectList
	}{{"DNSZones", &zones}, {"Federations", &feds}, {"namespaces", &namespaces}} {
		switch err := d.List(ctx, kind.list); {
		case apierrors.IsForbidden(err):
			return nil, fmt.Sprintf("whether its names are free was not judged: you may not list all %s", kind.plural), nil
		case err != nil:
			return nil, "", fmt.Errorf("listing %s: %w", kind.plural, err)
		}
	}
	estate := &plan.Estate{Zones: zones.Items, Federations: feds.Items, Labels: map[string]map[string]string{}}
	for _, namespace := range namespaces.Items {
		estate.Labels[namespace.Name] = namespace.Labels
	}
	return estate, "", nil
}
