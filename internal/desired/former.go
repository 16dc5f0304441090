// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// What the spec does not want any more stays until the DNS has forgotten it: status.formerDomains and status.formerPorts.

// Hosts are the domains that the server is configured for: those of the spec with their group chats, then former ones.
func Hosts(fed *v1alpha1.Federation) []engine.Host {
	var hosts []engine.Host
	for _, domain := range domains(fed) {
		for i, name := range services(fed, domain) {
			hosts = append(hosts, engine.Host{Domain: name, GroupChat: i > 0})
		}
	}
	return append(hosts, former(fed)...)
}

// former are the domains that are served besides those of the spec.
func former(fed *v1alpha1.Federation) []engine.Host {
	wanted := AddressableDomains(fed)
	var hosts []engine.Host
	for _, one := range fed.Status.FormerDomains {
		if !slices.Contains(wanted, one.Domain) {
			hosts = append(hosts, engine.Host{Domain: one.Domain, GroupChat: one.GroupChat})
		}
	}
	return hosts
}

// CertificateNames are the names that a certificate of the operator's own CA has: those of all domains that are served.
func CertificateNames(fed *v1alpha1.Federation) []string {
	var names []string
	for _, host := range Hosts(fed) {
		names = append(names, host.Domain)
	}
	return names
}

// PublicPorts are the public ports of the spec: the number by the name of the pods' port.
func PublicPorts(fed *v1alpha1.Federation) map[string]int32 {
	ports := map[string]int32{}
	for _, port := range wantedPorts(fed) {
		ports[port.Name] = port.Port
	}
	return ports
}

// opens reports whether a port of the pods, given by its name, is one that others reach the server by.
func opens(fed *v1alpha1.Federation, target string) bool {
	return slices.ContainsFunc(publicPorts(fed), func(port corev1.ServicePort) bool { return port.TargetPort.StrVal == target })
}
