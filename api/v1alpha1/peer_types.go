// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// PeerAccess says whether a domain may exchange stanzas with ours.
type PeerAccess string

const (
	// PeerAccessAllow lets the domain in and lets our users reach it.
	PeerAccessAllow PeerAccess = "Allow"
	// PeerAccessDeny refuses streams in both directions; users on both sides get an error.
	PeerAccessDeny PeerAccess = "Deny"
)

// PeerTLS says how far streams with a domain are encrypted (RFC 6120 section 5), in both directions.
type PeerTLS string

const (
	// PeerTLSRequired refuses streams that are not encrypted.
	PeerTLSRequired PeerTLS = "Required"
	// PeerTLSOptional encrypts when the peer offers it.
	PeerTLSOptional PeerTLS = "Optional"
	// PeerTLSDisabled neither offers nor takes up encryption.
	PeerTLSDisabled PeerTLS = "Disabled"
)

// PeerAuthentication says how a domain proves that it is who it says.
type PeerAuthentication string

const (
	// PeerAuthenticationCertificate demands a certificate that names the domain and leads to a trusted CA (RFC 6125,
	// RFC 7590); the domain is then proven by SASL EXTERNAL (XEP-0178), or by dialback on top where it lacks that.
	PeerAuthenticationCertificate PeerAuthentication = "Certificate"
	// PeerAuthenticationCertificateOrDialback falls back to dialback, which trusts the DNS (XEP-0220), when the
	// certificate is not valid.
	PeerAuthenticationCertificateOrDialback PeerAuthentication = "CertificateOrDialback"
	// PeerAuthenticationDialback uses dialback alone, whatever certificate there is.
	PeerAuthenticationDialback PeerAuthentication = "Dialback"
)

// PeerProfile is a kind of partner system; it presets the policy.
type PeerProfile string

const (
	// PeerProfileStandard is any server that follows RFC 6120 and RFC 7590: TLS Required, Certificate.
	PeerProfileStandard PeerProfile = "Standard"
	// PeerProfileCUP is Cisco Unified Presence 8 or later in its mode "TLS Required" with client certificates: TLS
	// Required, Certificate. Both sides have to trust the other's CA (spec.tls.trustedCAs).
	PeerProfileCUP PeerProfile = "CUP"
	// PeerProfileWebExConnect is WebEx Connect 6, whose certificate doesn't name the customer's domain: TLS Optional,
	// Dialback.
	PeerProfileWebExConnect PeerProfile = "WebExConnect"
	// PeerProfileSametime is IBM Lotus Sametime 8.2 or 8.5 behind its Gateway with roots exchanged: TLS Required,
	// Certificate. For a Gateway without TLS set tls Disabled and authentication Dialback beside it.
	PeerProfileSametime PeerProfile = "Sametime"
	// PeerProfileGoogleTalk is GoogleTalk, which knows neither STARTTLS nor SASL between servers: TLS Disabled, Dialback.
	PeerProfileGoogleTalk PeerProfile = "GoogleTalk"
)

// PeerPolicy is what holds for a domain after profile and defaults are applied.
type PeerPolicy struct {
	// Access: Allow or Deny.
	//
	// +required
	Access PeerAccess `json:"access"`

	// TLS: Required, Optional or Disabled.
	//
	// +required
	TLS PeerTLS `json:"tls"`

	// Authentication: Certificate, CertificateOrDialback or Dialback.
	//
	// +required
	Authentication PeerAuthentication `json:"authentication"`
}

// PeerDefaults is the policy for every domain that spec.peers does not list.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.tls != 'Disabled' || (has(self.authentication) && self.authentication == 'Dialback')",fieldPath=".authentication",message="spec.peerDefaults.authentication must be Dialback with tls Disabled: without TLS there is no certificate to look at"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.tls == 'Required' || (has(self.authentication) && self.authentication != 'Certificate')",fieldPath=".authentication",message="spec.peerDefaults.authentication Certificate needs tls Required, for without TLS a peer has no way to authenticate; set tls: Required, or authentication: CertificateOrDialback"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.tls == 'Required' || (has(self.acknowledgeInsecure) && self.acknowledgeInsecure)",fieldPath=".acknowledgeInsecure",message="spec.peerDefaults.acknowledgeInsecure must be true unless tls is Required: everybody on the way can read and change the stanzas of every domain that is not listed"
type PeerDefaults struct {
	// Access of domains that are not listed: Allow, or Deny to federate with those in spec.peers only.
	//
	// +optional
	// +kubebuilder:default=Allow
	// +kubebuilder:validation:Enum=Allow;Deny
	Access PeerAccess `json:"access,omitempty"`

	// TLS of streams with them.
	//
	// +optional
	// +kubebuilder:default=Required
	// +kubebuilder:validation:Enum=Required;Optional;Disabled
	TLS PeerTLS `json:"tls,omitempty"`

	// Authentication they have to pass.
	//
	// +optional
	// +kubebuilder:default=Certificate
	// +kubebuilder:validation:Enum=Certificate;CertificateOrDialback;Dialback
	Authentication PeerAuthentication `json:"authentication,omitempty"`

	// AcknowledgeInsecure says that streams without verified encryption are wanted.
	//
	// +optional
	AcknowledgeInsecure bool `json:"acknowledgeInsecure,omitempty"`
}

// Peer is a domain with a policy of its own, whose reachability is watched. Its subdomains, such as
// conference.<domain>, follow it unless they are listed themselves.
//
// +kubebuilder:validation:XValidation:rule="(has(self.tls) ? self.tls : has(self.profile) ? (self.profile == 'GoogleTalk' ? 'Disabled' : self.profile == 'WebExConnect' ? 'Optional' : 'Required') : 'none') != 'Disabled' || (has(self.authentication) ? self.authentication : has(self.profile) ? (self.profile in ['GoogleTalk', 'WebExConnect'] ? 'Dialback' : 'Certificate') : 'none') in ['none', 'Dialback']",fieldPath=".authentication",message="must be Dialback with tls Disabled: without TLS there is no certificate to look at",messageExpression="self.domain + ': must be Dialback with tls Disabled: without TLS there is no certificate to look at'"
// +kubebuilder:validation:XValidation:rule="(has(self.tls) ? self.tls : has(self.profile) ? (self.profile == 'GoogleTalk' ? 'Disabled' : self.profile == 'WebExConnect' ? 'Optional' : 'Required') : 'none') != 'Optional' || (has(self.authentication) ? self.authentication : has(self.profile) ? (self.profile in ['GoogleTalk', 'WebExConnect'] ? 'Dialback' : 'Certificate') : 'none') != 'Certificate'",fieldPath=".authentication",message="Certificate needs tls Required, for without TLS the partner has no way to authenticate; set tls: Required, or authentication: CertificateOrDialback",messageExpression="self.domain + ': Certificate needs tls Required, for without TLS the partner has no way to authenticate; set tls: Required, or authentication: CertificateOrDialback'"
// +kubebuilder:validation:XValidation:rule="(has(self.tls) ? self.tls : has(self.profile) ? (self.profile == 'GoogleTalk' ? 'Disabled' : self.profile == 'WebExConnect' ? 'Optional' : 'Required') : 'none') in ['none', 'Required'] || (has(self.acknowledgeInsecure) && self.acknowledgeInsecure)",fieldPath=".acknowledgeInsecure",message="must be true unless tls is Required: everybody on the way can read and change the stanzas",messageExpression="self.domain + ': must be true unless tls is Required: everybody on the way can read and change the stanzas'"
type Peer struct {
	// Domain of the partner.
	//
	// +required
	Domain DomainName `json:"domain"`

	// Profile presets tls and authentication for a kind of partner system. Absent: spec.peerDefaults.
	//
	// +optional
	// +kubebuilder:validation:Enum=Standard;CUP;WebExConnect;Sametime;GoogleTalk
	Profile PeerProfile `json:"profile,omitempty"`

	// Access of the domain: Allow, or Deny to refuse it.
	//
	// +optional
	// +kubebuilder:default=Allow
	// +kubebuilder:validation:Enum=Allow;Deny
	Access PeerAccess `json:"access,omitempty"`

	// TLS overrides the profile, or spec.peerDefaults.
	//
	// +optional
	// +kubebuilder:validation:Enum=Required;Optional;Disabled
	TLS PeerTLS `json:"tls,omitempty"`

	// Authentication overrides the profile, or spec.peerDefaults.
	//
	// +optional
	// +kubebuilder:validation:Enum=Certificate;CertificateOrDialback;Dialback
	Authentication PeerAuthentication `json:"authentication,omitempty"`

	// KilobytesPerSecond is how much is read from each stream of the domain in a second; what comes faster is read later.
	// A kilobyte has room for three to four short messages. Absent: 100, where domains that are not listed have 30. Without
	// effect with access Deny, which lets nothing in.
	//
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=10000
	KilobytesPerSecond int32 `json:"kilobytesPerSecond,omitempty"`

	// AcknowledgeInsecure says that streams without verified encryption are wanted with this domain.
	//
	// +optional
	AcknowledgeInsecure bool `json:"acknowledgeInsecure,omitempty"`

	// Route is where the domain's server is, for a partner without service records in the DNS.
	//
	// +optional
	Route *PeerRoute `json:"route,omitempty"`
}

// PeerRoute is a server's place, used instead of the DNS.
//
// +kubebuilder:validation:XValidation:rule="isIP(self.host) || self.port in [5269, 5270] || (has(self.addressRanges) && size(self.addressRanges) > 0)",fieldPath=".addressRanges",message="must be set with a host name and a port other than 5269 and 5270, because the NetworkPolicy lets the server out to networks, not to names; write for example 198.51.100.0/24, or the address in place of the name"
type PeerRoute struct {
	// Host is a name or an IP address.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$') && !self.matches('(^|[.])([0-9]+|0x[0-9a-f]*)$')",message="must be an IP address or a lower-case host name of at least two labels, for example xmpp.partner.example"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[.](localhost|localdomain)$')",message="must not be a name of the own machine (localhost, localdomain), which nobody else can reach"
	// +kubebuilder:validation:XValidation:rule="!isIP(self) || ip(self).isGlobalUnicast() && !self.startsWith('0.')",message="must not be an address of the server's own machine or link, nor of a group of machines; write that of the partner's server"
	Host string `json:"host"`

	// AddressRanges are the networks, in CIDR form, in which the addresses of a host name lie. The NetworkPolicy of the server lets
	// it out to them at the port; names mean nothing to a firewall. Needed with a host name and a port other than 5269 and 5270,
	// which are open to everywhere; without effect with an address.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self).prefixLength() >= (self.contains(':') ? 32 : 8) && cidr(self).ip().isGlobalUnicast() && !cidr(self).containsIP('169.254.169.254')",message="must be a network in CIDR form of at least /8, or /32 with IPv6, and none of the server's own machine or link; write for example 198.51.100.0/24"
	AddressRanges []string `json:"addressRanges,omitempty"`

	// Port of its server-to-server listener.
	//
	// +optional
	// +kubebuilder:default=5269
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// presets of the profiles.
var presets = map[PeerProfile]PeerPolicy{
	PeerProfileStandard:     {TLS: PeerTLSRequired, Authentication: PeerAuthenticationCertificate},
	PeerProfileCUP:          {TLS: PeerTLSRequired, Authentication: PeerAuthenticationCertificate},
	PeerProfileWebExConnect: {TLS: PeerTLSOptional, Authentication: PeerAuthenticationDialback},
	PeerProfileSametime:     {TLS: PeerTLSRequired, Authentication: PeerAuthenticationCertificate},
	PeerProfileGoogleTalk:   {TLS: PeerTLSDisabled, Authentication: PeerAuthenticationDialback},
}

// Policy of every domain that is not listed.
func (d PeerDefaults) Policy() PeerPolicy {
	return PeerPolicy{Access: d.Access, TLS: d.TLS, Authentication: d.Authentication}
}

// Policy of a listed domain: its own fields, else the preset of its profile, else the defaults.
func (p Peer) Policy(defaults PeerDefaults) PeerPolicy {
	policy, profiled := presets[p.Profile]
	if !profiled {
		policy = defaults.Policy()
	}
	policy.Access = p.Access
	if p.TLS != "" {
		policy.TLS = p.TLS
	}
	if p.Authentication != "" {
		policy.Authentication = p.Authentication
	}
	return policy
}
