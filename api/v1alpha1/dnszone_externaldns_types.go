// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// DNSEndpointProvider hands records to an ExternalDNS, which runs with --source=crd, --managed-record-types=SRV beside those for
// A and AAAA, and --policy=sync.
type DNSEndpointProvider struct {
	// SRVTargets is how ExternalDNS has the targets of service records: Dotted, or Bare without the dot at the end, as it
	// demands up to version 0.20.
	//
	// +optional
	// +kubebuilder:default=Dotted
	// +kubebuilder:validation:Enum=Dotted;Bare
	SRVTargets SRVTargets `json:"srvTargets,omitempty"`
}

// WebhookProvider writes through a webhook provider of ExternalDNS (protocol version 1).
type WebhookProvider struct {
	// URL of the webhook as the operator reaches it, for example http://dns-webhook.xmppfed-system.svc:8888. The protocol has
	// no authentication, so nobody else should reach it. Its domain filter has to include the zone.
	//
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|[[][0-9a-f:.]+[]])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$') && isURL(self) && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535) && (!self.matches('^https?://([a-z0-9-]+[.])*[0-9]+([:/]|$)') || self.matches('^https?://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([:/]|$)'))",message="must be an http or https address without user, password, query or fragment, in lower case up to the path; write for example http://dns-webhook.xmppfed-system.svc:8888"
	URL string `json:"url"`

	// SRVTargets is how the webhook has the targets of service records: Dotted, or Bare without the dot at the end, as
	// ExternalDNS had them up to version 0.20.
	//
	// +optional
	// +kubebuilder:default=Dotted
	// +kubebuilder:validation:Enum=Dotted;Bare
	SRVTargets SRVTargets `json:"srvTargets,omitempty"`
}

// SRVTargets is how ExternalDNS and its webhooks have the targets of service records.
type SRVTargets string

const (
	// SRVTargetsDotted end with a dot.
	SRVTargetsDotted SRVTargets = "Dotted"
	// SRVTargetsBare do not.
	SRVTargetsBare SRVTargets = "Bare"
)
