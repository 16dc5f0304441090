// SPDX-License-Identifier: Apache-2.0

// Package claims decides whose a name is: which DNSZone holds it, whether a namespace may publish it, and which of
// several Federations that want it has it. It is pure, so that a plan comes to the same result as the operator.
package claims

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Place finds the zone of each name, by its apex, or why the first that can't be published from the namespace can't be.
func Place(
	names []string, namespace string, namespaceLabels map[string]string, zones []v1alpha1.DNSZone,
) (map[string]string, *outcome.Error) {
	byApex := zonesByApex(zones)
	apexes := map[string]string{}
	for _, name := range names {
		apex, refused := placeIn(byApex, name, namespace, namespaceLabels)
		if refused != nil {
			return nil, refused
		}
		apexes[name] = apex
	}
	return apexes, nil
}

// placeIn finds the zone of a name: that with the longest matching apex, which has to allow the namespace. A shorter one
// that would allow it does not count, because it does not hold the name.
func placeIn(
	byApex map[string]v1alpha1.DNSZone, name, namespace string, namespaceLabels map[string]string,
) (string, *outcome.Error) {
	apexes := make([]string, 0, len(byApex))
	for apex := range byApex {
		apexes = append(apexes, apex)
	}
	apex, found := dns.ZoneFor(name, apexes)
	if !found {
		return "", outcome.Waiting(v1alpha1.ReasonZoneNotFound, 0,
			"no DNSZone covers %s; the platform team has to create one for the zone that holds it", name)
	}
	zone := byApex[apex]
	allowed, err := Namespaces(&zone)
	switch {
	case err != nil:
		return "", outcome.Stalled(v1alpha1.ReasonDomainNotAllowed,
			"%s lies in DNSZone %s, which lets no namespace publish, because its spec.namespaces.selector can't be read; the platform "+
				"team has to correct that as Ready of the DNSZone tells", name, zone.Name)
	case !allowed.Matches(labels.Set(namespaceLabels)):
		return "", outcome.Stalled(v1alpha1.ReasonDomainNotAllowed,
			"%s lies in DNSZone %s, which does not let namespace %s publish; the platform team has to allow it in "+
				"spec.namespaces of that DNSZone", name, zone.Name, namespace)
	}
	return apex, nil
}

// zonesByApex are the zones that count: of two DNSZones with one apex the older.
func zonesByApex(zones []v1alpha1.DNSZone) map[string]v1alpha1.DNSZone {
	byApex := map[string]v1alpha1.DNSZone{}
	for _, zone := range zones {
		if other, found := byApex[string(zone.Spec.Zone)]; !found || Older(&zone, &other) {
			byApex[string(zone.Spec.Zone)] = zone
		}
	}
	return byApex
}

// Adoptable are the apexes of the zones in which records of others may be taken over.
func Adoptable(zones []v1alpha1.DNSZone) map[string]bool {
	adoptable := map[string]bool{}
	for apex, zone := range zonesByApex(zones) {
		adoptable[apex] = zone.Spec.Takeover == v1alpha1.TakeoverAllow
	}
	return adoptable
}

// Namespaces that may publish in a zone, by their labels, or why spec.namespaces.selector can't be read. Of several causes it is
// always the same.
func Namespaces(zone *v1alpha1.DNSZone) (labels.Selector, error) {
	allowed := zone.Spec.Namespaces
	switch {
	case zone.Unreadable.Within("spec.namespaces"):
		return labels.Nothing(), zone.Unreadable.Err()
	case allowed != nil && allowed.From == v1alpha1.NamespacesAll:
		return labels.Everything(), nil
	case allowed == nil || allowed.Selector == nil:
		return labels.Nothing(), nil
	}
	return metav1.LabelSelectorAsSelector(allowed.Selector.LabelSelector())
}

// Older tells whether a was created before b; those of one second have an order nevertheless.
func Older(a, b metav1.Object) bool {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !at.Equal(&bt) {
		return at.Before(&bt)
	}
	return a.GetUID() < b.GetUID()
}
