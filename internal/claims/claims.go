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
	case allowed != nil && allowed.From == v1alpha1.NamespacesAll:
		return labels.Everything(), nil
	case allowed == nil || allowed.Selector == nil:
		return labels.Nothing(), nil
	}
	return metav1.LabelSelectorAsSelector(allowed.Selector.LabelSelector())
}

// Rival finds among Federations that want a name the one that has it and keeps fed out; nil when there is none. MayPublish
// tells whether one may publish all its names: whoever may not can't keep a name from those who may, unless it came far
// enough with it to have it.
func Rival(
	fed *v1alpha1.Federation, name string, others []v1alpha1.Federation, mayPublish func(*v1alpha1.Federation) (bool, error),
) (*v1alpha1.Federation, error) {
	for i := range others {
		rival := &others[i]
		itself := rival.Namespace == fed.Namespace && rival.Name == fed.Name
		if itself || !precedes(rival, fed, name) {
			continue
		}
		if may, err := mayPublish(rival); err != nil || may || holdOn(rival, name) > wants {
			return rival, err
		}
	}
	return nil, nil
}

// Claimed tells who has the name; across namespaces only that somebody has it.
func Claimed(fed, rival *v1alpha1.Federation, name string) *outcome.Error {
	holder := "a Federation in another namespace"
	if rival.Namespace == fed.Namespace {
		holder = "Federation " + rival.Name
	}
	return outcome.Stalled(v1alpha1.ReasonDomainClaimed,
		"%s belongs to %s; take it out of this Federation, or have that one deleted or changed, "+
			"after which this one takes over by itself", name, holder)
}

// precedes tells whether a comes before b for a name: whoever has it in the DNS, where only one can, else whoever was
// accepted with it, else the older.
func precedes(a, b *v1alpha1.Federation, name string) bool {
	if holdA, holdB := holdOn(a, name), holdOn(b, name); holdA != holdB {
		return holdA > holdB
	}
	return Older(a, b)
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

// Older tells whether a was created before b; those of one second have an order nevertheless.
func Older(a, b metav1.Object) bool {
	at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !at.Equal(&bt) {
		return at.Before(&bt)
	}
	return a.GetUID() < b.GetUID()
}
