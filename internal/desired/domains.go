// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Hostname is the target of the service records; empty for a spec that was stored without domains.
func Hostname(fed *v1alpha1.Federation) string {
	if fed.Spec.DNS.Hostname != "" || len(fed.Spec.Domains) == 0 {
		return string(fed.Spec.DNS.Hostname)
	}
	return "xmpp." + string(fed.Spec.Domains[0])
}

// AddressableDomains are the XMPP domains that partners address: each domain and its group chat.
func AddressableDomains(fed *v1alpha1.Federation) []string {
	var names []string
	for _, domain := range domains(fed) {
		names = append(names, services(fed, domain)...)
	}
	return names
}

// Claims are the names that only one Federation in the cluster may have, sorted.
func Claims(fed *v1alpha1.Federation) []string {
	names := AddressableDomains(fed)
	if host := Hostname(fed); host != "" {
		names = append(names, host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// groupChat is the subdomain for group chat; empty when there is none.
func groupChat(fed *v1alpha1.Federation) string {
	if fed.Spec.Server.GroupChat == nil {
		return ""
	}
	return fed.Spec.Server.GroupChat.Subdomain
}

// domains are the XMPP domains without those for group chat.
func domains(fed *v1alpha1.Federation) []string {
	names := make([]string, 0, len(fed.Spec.Domains))
	for _, domain := range fed.Spec.Domains {
		names = append(names, string(domain))
	}
	return names
}

// services are the XMPP domains that come with one of the spec's domains: itself and its group chat.
func services(fed *v1alpha1.Federation, domain string) []string {
	if chat := groupChat(fed); chat != "" {
		return []string{domain, chat + "." + domain}
	}
	return []string{domain}
}
