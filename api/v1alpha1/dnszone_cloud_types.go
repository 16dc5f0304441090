// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Route53Provider writes to a public hosted zone of Amazon Route 53. A change is one change batch that holds its own
// conditions, so that records of others are never overwritten.
//
// +kubebuilder:validation:XValidation:rule="has(self.accessKeyIDSecretRef) == has(self.secretAccessKeySecretRef)",message="accessKeyIDSecretRef and secretAccessKeySecretRef belong together; set both, or remove both to use the role of the operator's pod"
type Route53Provider struct {
	// HostedZoneID is the hosted zone's ID, without /hostedzone/. Absent: the only public hosted zone of that name in the
	// account, which takes the permission route53:ListHostedZonesByName.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z0-9]{1,32}$')",message="must be the ID of a hosted zone as Route 53 shows it, without /hostedzone/; write for example Z0123456789ABCDEFGHIJ"
	// +kubebuilder:validation:MaxLength=64
	HostedZoneID string `json:"hostedZoneID,omitempty"`

	// Region of the API: us-east-1, or the one that Route 53 has in another partition, such as cn-northwest-1.
	//
	// +optional
	// +kubebuilder:default=us-east-1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$')",message="must be the name of an AWS region; write for example us-east-1"
	Region string `json:"region,omitempty"`

	// AccessKeyIDSecretRef names the key of a Secret in the operator's namespace that holds the ID of an access key. Absent:
	// credentials come from the operator's pod, be it a role for its service account (IRSA), EKS pod identity, or its node.
	//
	// +optional
	AccessKeyIDSecretRef *SecretKey `json:"accessKeyIDSecretRef,omitempty"`

	// SecretAccessKeySecretRef names the key of a Secret in the operator's namespace that holds the secret access key.
	//
	// +optional
	SecretAccessKeySecretRef *SecretKey `json:"secretAccessKeySecretRef,omitempty"`

	// Endpoint of the API in place of the region's, for example of a VPC endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|[[][0-9a-f:.]+[]])(:[0-9]{1,5})?/?$') && isURL(self) && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535) && (!self.matches('^https?://([a-z0-9-]+[.])*[0-9]+([:/]|$)') || self.matches('^https?://((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([:/]|$)'))",message="must be an http or https address of a host, in lower case; write for example https://route53.us-east-1.amazonaws.com"
	Endpoint string `json:"endpoint,omitempty"`
}

// CloudflareProvider writes to a zone at Cloudflare.
type CloudflareProvider struct {
	// ZoneID is the ID of the zone. Absent: the only zone of that name that the token leads to.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{32}$')",message="must be the ID of a zone as its overview page at Cloudflare shows it: 32 digits and letters from a to f"
	ZoneID string `json:"zoneID,omitempty"`

	// APITokenSecretRef names the key of a Secret in the operator's namespace that holds an API token with the permissions
	// Zone.DNS Edit and Zone.Zone Read for the zone. Not the global API key.
	//
	// +required
	APITokenSecretRef SecretKey `json:"apiTokenSecretRef"`
}
