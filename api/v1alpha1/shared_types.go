// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// DomainName is an XMPP domain or host name: a DNS name of at least two labels in lower-case A-label form
// (RFC 5890), without wildcard, trailing dot or port. At most 170 characters, so that the names derived from it
// (the service record of its group chat, the ownership record) stay within the 253 that DNS allows.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=170
// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="must be a lower-case DNS name in A-label form without wildcard, trailing dot or port; write for example cupdomain.com, or xn--bcher-kva.example for a name with other letters"
// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])([0-9]+|0x[0-9a-f]*)$')",message="must be a DNS name, not an IP address; write the domain that JIDs carry after the @"
// +kubebuilder:validation:XValidation:rule="!self.matches('[.](localhost|localdomain)$')",message="must not be a name of the own machine (localhost, localdomain), which nobody else can reach"
type DomainName string

// ServerAddress is the address and port of a DNS server, for example "203.0.113.53:53" or "[2001:db8::53]:53".
//
// +kubebuilder:validation:MinLength=4
// +kubebuilder:validation:MaxLength=54
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9.]+|[[][0-9a-f:.]+[]]):[0-9]{1,5}$') && isIP(self.matches('^[[]') ? self.substring(1, self.lastIndexOf(']')) : self.substring(0, self.lastIndexOf(':'))) && int(self.substring(self.lastIndexOf(':') + 1)) >= 1 && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",message="must be an IP address with a port; write for example 203.0.113.53:53 or [2001:db8::53]:53"
type ServerAddress string

// SecretName names a Secret in the namespace that the field's documentation tells.
type SecretName struct {
	// Name of the Secret.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
}

// SecretKey names one key of a Secret.
type SecretKey struct {
	SecretName `json:",inline"`

	// Key in the Secret's data.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a Secret: letters, digits, '-', '_' and '.'"
	Key string `json:"key"`
}

// ConfigMapKey names one key of a ConfigMap in the namespace of the object that refers to it.
type ConfigMapKey struct {
	// Name of the ConfigMap.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a ConfigMap: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`

	// Key in the ConfigMap's data.
	//
	// +optional
	// +kubebuilder:default=ca.crt
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a ConfigMap: letters, digits, '-', '_' and '.'"
	Key string `json:"key,omitempty"`
}
