// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/observe"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// expose gets the public address. What is known waits for nothing: addresses that the spec gives, or that the Service has, are
// there for the steps that follow even if the Service can't be written now.
func (r *FederationReconciler) expose(ctx context.Context, s *scope) (finding, error) {
	unread := r.keepOpen(ctx, s)
	service, err := r.applyPublicService(ctx, s)
	err = errors.Join(err, unread)
	s.clusterAddresses = parseAddresses(service.Spec.ClusterIPs)
	fixed := s.fed.Spec.Exposure.PublicAddresses
	assigned, hostnames := ofLoadBalancer(service)
	s.assigned = parseAddresses(assigned)
	source := "of spec.exposure.publicAddresses"
	if len(fixed) == 0 {
		fixed, source = assigned, "from the load balancer of Service "+service.Name
	}
	if s.addresses = parseAddresses(fixed); len(s.addresses) > 0 {
		s.fed.Status.Addresses = nil
		for _, address := range s.addresses {
			s.fed.Status.Addresses = append(s.fed.Status.Addresses, address.String())
		}
	}
	switch {
	case err != nil:
		return finding{}, err
	case len(s.fed.Spec.Exposure.PublicAddresses) > 0:
		return addressFinding(s, source, service), nil
	case len(s.addresses) > 0:
		return addressFinding(s, source+lacking(service, s.addresses), service), nil
	case len(hostnames) > 0:
		return finding{}, outcome.Stalled(v1alpha1.ReasonAddressIsHostname,
			"the load balancer of Service %s has the host name %s but no address, and address records need addresses; "+
				"give the load balancer static addresses and write them to spec.exposure.publicAddresses",
			service.Name, strings.Join(hostnames, ", "))
	}
	warning, err := observe.Warning(ctx, r.Client, service)
	if err != nil {
		return finding{}, err
	}
	why := warning.Message
	if why == "" {
		why = "the cluster's load balancer has to assign one; if none does, install a load balancer controller " +
			"or write spec.exposure.publicAddresses"
	}
	return finding{}, outcome.Waiting(v1alpha1.ReasonAddressPending, 0,
		"Service %s has no public address yet: %s", desired.PublicServiceName(s.fed), why)
}

// applyPublicService makes the public Service what it should be. It returns the Service as it stands in the cluster, also when it
// could not be written; empty when there is none of this Federation, or none that has the wanted ports, to which records would
// lead nobody.
func (r *FederationReconciler) applyPublicService(ctx context.Context, s *scope) (*corev1.Service, error) {
	wanted, service := desired.PublicService(s.fed), &corev1.Service{}
	applied := r.Applier.Apply(ctx, wanted)
	err := r.Get(ctx, client.ObjectKeyFromObject(wanted), service)
	if client.IgnoreNotFound(err) != nil {
		return &corev1.Service{}, errors.Join(applied, fmt.Errorf("reading Service %s: %w", client.ObjectKeyFromObject(wanted), err))
	}
	if !metav1.IsControlledBy(service, s.fed) || applied != nil && !slices.Equal(portsOf(service), portsOf(wanted)) {
		service = &corev1.Service{}
	}
	return service, applied
}

// portsOf returns the numbers of a Service's ports, sorted.
func portsOf(service *corev1.Service) []int32 {
	var ports []int32
	for _, port := range service.Spec.Ports {
		ports = append(ports, port.Port)
	}
	slices.Sort(ports)
	return ports
}

// ofLoadBalancer returns what a load balancer assigned to a Service, addresses and host names.
func ofLoadBalancer(service *corev1.Service) (addresses, hostnames []string) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			addresses = append(addresses, ingress.IP)
		} else if ingress.Hostname != "" {
			hostnames = append(hostnames, ingress.Hostname)
		}
	}
	return addresses, hostnames
}

// lacking tells of the IP families that the Service wants and has no address of. What there is gets published nevertheless.
func lacking(service *corev1.Service, addresses []netip.Addr) string {
	for _, family := range service.Spec.IPFamilies {
		has := func(a netip.Addr) bool { return a.Is6() == (family == corev1.IPv6Protocol) }
		if !slices.ContainsFunc(addresses, has) {
			return fmt.Sprintf(", which gave no %s address; check that it supports that family, or set "+
				"spec.exposure.loadBalancer.ipFamilyPolicy to %s", family, corev1.IPFamilyPolicySingleStack)
		}
	}
	return ""
}

// addressFinding says which addresses there are, and where they come from.
func addressFinding(s *scope, source string, service *corev1.Service) finding {
	found := finding{
		reason:  v1alpha1.ReasonAssigned,
		message: fmt.Sprintf("%s %s", strings.Join(s.fed.Status.Addresses, ", "), source),
	}
	if open := openToAll(&service.Spec); open != "" {
		found.reason, found.message = v1alpha1.ReasonSourceRangesIncomplete, found.message+"; "+open
	}
	return found
}

// openToAll tells of an IP family of the Service that none of its source ranges is of: load balancers leave it open. Admission
// can't see that, for which families a Service has is up to the cluster, and to what it had before.
func openToAll(spec *corev1.ServiceSpec) string {
	if len(spec.LoadBalancerSourceRanges) == 0 {
		return ""
	}
	for i, family := range spec.IPFamilies {
		is := func(network string) bool { return strings.Contains(network, ":") == (family == corev1.IPv6Protocol) }
		if slices.ContainsFunc(spec.LoadBalancerSourceRanges, is) {
			continue
		}
		text := fmt.Sprintf("everyone may connect by %s, because spec.exposure.loadBalancer.sourceRanges name no network of that "+
			"family; add one that may", family)
		if i > 0 { // SingleStack keeps the first.
			text += fmt.Sprintf(", or set spec.exposure.loadBalancer.ipFamilyPolicy to %s", corev1.IPFamilyPolicySingleStack)
		}
		return text
	}
	return ""
}

// parseAddresses sorts addresses and leaves out what is none that others could reach.
func parseAddresses(texts []string) []netip.Addr {
	var addresses []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil && address.IsGlobalUnicast() {
			addresses = append(addresses, address.Unmap())
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}
