// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
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
	apexes, refused, err := r.placeNames(ctx, s.fed, zones.Items)
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
	s.apexes, s.adoptable = apexes, adoptableZones(zones.Items)
	return finding{reason: v1alpha1.ReasonAccepted, message: "the spec can be carried out"}, nil
}

// placeNames finds the zone of each name of a Federation, or why one can't be published from its namespace.
func (r *FederationReconciler) placeNames(
	ctx context.Context, fed *v1alpha1.Federation, zones []v1alpha1.DNSZone,
) (map[string]string, *outcome.Error, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Get(ctx, client.ObjectKey{Name: fed.Namespace}, namespace); client.IgnoreNotFound(err) != nil {
		return nil, nil, fmt.Errorf("reading namespace %s: %w", fed.Namespace, err)
	}
	apexes, refused := place(desired.Claims(fed), fed.Namespace, namespace.Labels, zones)
	return apexes, refused, nil
}

// place finds the zone of each name: that with the longest matching apex, which has to allow the namespace. A shorter
// one that would allow it does not count, because it does not hold the name.
func place(
	names []string, namespace string, namespaceLabels map[string]string, zones []v1alpha1.DNSZone,
) (map[string]string, *outcome.Error) {
	byApex := zonesByApex(zones)
	var all []string
	for apex := range byApex {
		all = append(all, apex)
	}
	apexes := map[string]string{}
	for _, name := range names {
		apex, found := dns.ZoneFor(name, all)
		if !found {
			return nil, outcome.Stalled(v1alpha1.ReasonZoneNotFound,
				"no DNSZone covers %s; the platform team has to create one for the zone that holds it", name)
		}
		if zone := byApex[apex]; !allows(&zone, namespaceLabels) {
			return nil, outcome.Stalled(v1alpha1.ReasonDomainNotAllowed,
				"%s lies in DNSZone %s, which does not let namespace %s publish; the platform team has to allow it in "+
					"spec.namespaces of that DNSZone", name, zone.Name, namespace)
		}
		apexes[name] = apex
	}
	return apexes, nil
}

// zonesByApex are the zones that count: of two DNSZones with one apex the older.
func zonesByApex(zones []v1alpha1.DNSZone) map[string]v1alpha1.DNSZone {
	byApex := map[string]v1alpha1.DNSZone{}
	for _, zone := range zones {
		if other, found := byApex[string(zone.Spec.Zone)]; !found || older(&zone, &other) {
			byApex[string(zone.Spec.Zone)] = zone
		}
	}
	return byApex
}

// adoptableZones are the apexes of the zones in which records of others may be taken over.
func adoptableZones(zones []v1alpha1.DNSZone) map[string]bool {
	adoptable := map[string]bool{}
	for apex, zone := range zonesByApex(zones) {
		adoptable[apex] = zone.Spec.Takeover == v1alpha1.TakeoverAllow
	}
	return adoptable
}

// allows tells whether a zone lets namespaces with the given labels publish. A selector that can't be read allows none.
func allows(zone *v1alpha1.DNSZone, namespaceLabels map[string]string) bool {
	allowed := zone.Spec.Namespaces
	if allowed == nil {
		return false
	}
	if allowed.From == v1alpha1.NamespacesAll {
		return true
	}
	if allowed.Selector == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	return err == nil && selector.Matches(labels.Set(namespaceLabels))
}

// findRival finds a Federation that has one of the names and keeps this one out.
func (r *FederationReconciler) findRival(
	ctx context.Context, fed *v1alpha1.Federation, zones []v1alpha1.DNSZone,
) (*outcome.Error, error) {
	for _, name := range desired.Claims(fed) {
		var rivals v1alpha1.FederationList
		if err := r.List(ctx, &rivals, client.MatchingFields{indexClaims: name}); err != nil {
			return nil, fmt.Errorf("listing Federations that claim %s: %w", name, err)
		}
		for i := range rivals.Items {
			rival := &rivals.Items[i]
			if rival.UID == fed.UID || !precedes(rival, fed, name) {
				continue
			}
			// Whoever may not publish the name can't keep it from those who may.
			_, refused, err := r.placeNames(ctx, rival, zones)
			if err != nil {
				return nil, err
			}
			if refused == nil || holdOn(rival, name) > wants {
				return claimed(fed, rival, name), nil
			}
		}
	}
	return nil, nil
}

// claimed tells who has the name; across namespaces only that somebody has it.
func claimed(fed, rival *v1alpha1.Federation, name string) *outcome.Error {
	holder := "a Federation in another namespace"
	if rival.Namespace == fed.Namespace {
		holder = "Federation " + rival.Name
	}
	err := outcome.Stalled(v1alpha1.ReasonDomainClaimed,
		"%s belongs to %s; take it out of this Federation, or have that one deleted or changed, "+
			"after which this one takes over by itself", name, holder)
	err.After = recheckConflict
	return err
}

// precedes tells whether a comes before b for a name: whoever has it in the DNS, where only one can, else whoever was
// accepted with it, else the older.
func precedes(a, b *v1alpha1.Federation, name string) bool {
	if holdA, holdB := holdOn(a, name), holdOn(b, name); holdA != holdB {
		return holdA > holdB
	}
	return older(a, b)
}

// hold is how far a Federation came with a name.
type hold int

const (
	wants hold = iota
	accepted
	published
)

func holdOn(fed *v1alpha1.Federation, name string) hold {
	service := dns.Display(dns.SRVRecord(dns.ServiceXMPPServer, name, 0).Name)
	strongest := wants
	for _, record := range fed.Status.Records {
		switch {
		case record.Name != service && record.Name != name:
			continue
		case record.State == v1alpha1.RecordPublished:
			return published
		}
		strongest = accepted
	}
	return strongest
}

func older(a, b metav1.Object) bool {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !at.Equal(&bt) {
		return at.Before(&bt)
	}
	return a.GetUID() < b.GetUID()
}
