// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExposureSpec is how the rest of the network reaches the server.
//
// +kubebuilder:validation:XValidation:rule="!has(self.directTLS) || !has(self.directTLS.port) || !has(self.port) || self.directTLS.port != self.port",fieldPath=".directTLS.port",message="spec.exposure.directTLS.port must differ from spec.exposure.port, because one port can't both begin with TLS and offer STARTTLS; choose another, for example 5270"
// +kubebuilder:validation:XValidation:rule="!has(self.clients) || self.clients.port != self.port && (!has(self.directTLS) || self.clients.port != self.directTLS.port)",fieldPath=".clients.port",message="spec.exposure.clients.port must differ from the ports for servers, spec.exposure.port and spec.exposure.directTLS.port; choose another, for example 5222"
// +kubebuilder:validation:XValidation:rule="!has(self.clients) || !has(self.clients.directTLS) || self.clients.directTLS.port != self.clients.port && self.clients.directTLS.port != self.port && (!has(self.directTLS) || self.clients.directTLS.port != self.directTLS.port)",fieldPath=".clients.directTLS.port",message="spec.exposure.clients.directTLS.port must differ from every other port of spec.exposure; choose another, for example 5223"
type ExposureSpec struct {
	// Port is the public TCP port. The service records carry it, so any port works (port address translation); 5269 is
	// the one that partners' firewalls know (RFC 6120 section 14.7).
	//
	// +optional
	// +kubebuilder:default=5269
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// DirectTLS adds a port at which streams of other servers are encrypted from the first byte on (XEP-0368), and a
	// service record _xmpps-server._tcp for every domain. Partners that don't know it go on using spec.exposure.port.
	// Absent: none.
	//
	// +optional
	DirectTLS *DirectTLSSpec `json:"directTLS,omitempty"`

	// Clients lets users' clients log in from outside, at the same public address and from the same source ranges, and
	// publishes the service records by which they find it: _xmpp-client._tcp for every domain. Encryption is required.
	// Absent: clients log in from inside the cluster only.
	//
	// +optional
	Clients *ClientExposureSpec `json:"clients,omitempty"`

	// LoadBalancer shapes the Service that gets the public address. That Service is never deleted or created anew
	// while the Federation lives, so that the address stays.
	//
	// +optional
	// +kubebuilder:default={}
	LoadBalancer LoadBalancerSpec `json:"loadBalancer,omitempty"`

	// PublicAddresses are published instead of the load balancer's own, for a NAT device in front of it.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) && ip(self).isGlobalUnicast() && !self.startsWith('0.')",message="must be a unicast IP address that others can reach, for example 203.0.113.5"
	PublicAddresses []string `json:"publicAddresses,omitempty"`
}

// DirectTLSSpec is a port at which TLS begins with the connection (XEP-0368).
type DirectTLSSpec struct {
	// Port is the public TCP port; the service records carry it.
	//
	// +optional
	// +kubebuilder:default=5270
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// ClientExposureSpec is how users' clients reach the server from outside.
type ClientExposureSpec struct {
	// Port is the public TCP port for STARTTLS.
	//
	// +optional
	// +kubebuilder:default=5222
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// DirectTLS adds a port at which clients' streams are encrypted from the first byte on (XEP-0368), and a service record
	// _xmpps-client._tcp for every domain. Absent: none.
	//
	// +optional
	DirectTLS *ClientDirectTLSSpec `json:"directTLS,omitempty"`
}

// ClientDirectTLSSpec is a port for clients at which TLS begins with the connection (XEP-0368).
type ClientDirectTLSSpec struct {
	// Port is the public TCP port; the service records carry it.
	//
	// +optional
	// +kubebuilder:default=5223
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// LoadBalancerSpec shapes the Service of type LoadBalancer.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilyPolicy) || self.ipFamilyPolicy == 'SingleStack' || !has(self.sourceRanges) || size(self.sourceRanges) == 0 || self.sourceRanges.exists(r, r.contains(':')) && self.sourceRanges.exists(r, !r.contains(':'))",fieldPath=".sourceRanges",message="must name networks of both IPv4 and IPv6 with ipFamilyPolicy PreferDualStack or RequireDualStack, because load balancers leave a family that none is named of open to everyone; add one of the other family, for example 2001:db8::/32"
// +kubebuilder:validation:XValidation:rule="has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",fieldPath=".class",message="spec.exposure.loadBalancer.class can't be changed, because the public address would be lost; create a new Federation"
type LoadBalancerSpec struct {
	// Class is the Service's loadBalancerClass. Absent: the cluster's default load balancer.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9A-Z]([a-z0-9A-Z._/-]*[a-z0-9A-Z])?$')",message="must be a load balancer class, for example service.k8s.aws/nlb"
	Class *string `json:"class,omitempty"`

	// IPFamilyPolicy of the Service. With PreferDualStack, or RequireDualStack, the load balancer gives it an IPv4 and an IPv6
	// address, and A and AAAA records are published; RequireDualStack fails in a cluster that has no dual-stack networking.
	// SingleStack takes the second address away. Absent: a new Service is single-stack, an existing one stays as it is.
	//
	// +optional
	// +kubebuilder:validation:Enum=SingleStack;PreferDualStack;RequireDualStack
	IPFamilyPolicy *corev1.IPFamilyPolicy `json:"ipFamilyPolicy,omitempty"`

	// Annotations added to the Service, for the cloud's load balancer. Those of ExternalDNS are refused, because names are
	// published through DNSZones. They can't be recognised if it runs with a prefix of its own (--annotation-prefix); keep such
	// a one from the Services and pods of namespaces that may not publish every name.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('xmppfed.io/'))",message="keys under xmppfed.io/ are the operator's; use another prefix"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('external-dns.alpha.kubernetes.io/') && !k.startsWith('external-dns.kubernetes.io/'))",message="keys under external-dns.kubernetes.io/ and external-dns.alpha.kubernetes.io/ have ExternalDNS publish names that no DNSZone allows; remove them, and write what is to be published to spec.domains and spec.dns.hostname"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="keys must be those of annotations: a name of letters, digits, '-', '_' and '.', for example team, or a DNS prefix and a name, for example example.com/team"
	Annotations map[string]string `json:"annotations,omitempty"`

	// SourceRanges that may connect, in CIDR form: the inbound access list of a firewall. Absent: everyone.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="must be a network in CIDR form, for example 198.51.100.0/24"
	SourceRanges []string `json:"sourceRanges,omitempty"`

	// ExternalTrafficPolicy of the Service: Cluster, or Local to keep the partner's source address.
	//
	// +optional
	// +kubebuilder:default=Cluster
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`
}

// AnnotationAbandonRecordsIn on a Federation lists zones, separated by commas, in which records that are no longer wanted,
// because of deletion or because no name lies there any more, are left where they are: for zones or credentials that are gone
// for good.
const AnnotationAbandonRecordsIn = "xmppfed.io/abandon-records-in"

// DNSSpec shapes the records that are published.
//
// +kubebuilder:validation:XValidation:rule="!has(self.shared) || !self.shared || has(self.hostname)",fieldPath=".hostname",message="must be set with spec.dns.shared, because each cluster has to have a host name of its own; write for example cup1.cupdomain.com"
// +kubebuilder:validation:XValidation:rule="!has(self.shared) || !self.shared || !has(self.transferTo) || size(self.transferTo) == 0",fieldPath=".transferTo",message="excludes spec.dns.shared; a domain that is shared moves when the new cluster has joined and this Federation is deleted"
type DNSSpec struct {
	// Hostname is the target of the service records and the owner of the address records. Defaults to xmpp.<first
	// domain>.
	//
	// +optional
	Hostname DomainName `json:"hostname,omitempty"`

	// TTL of every record, in seconds.
	//
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	TTL int32 `json:"ttl,omitempty"`

	// Priority of the service records (RFC 2782); lower is tried first.
	//
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Priority int32 `json:"priority"`

	// Weight of the service records (RFC 2782) among those of equal priority.
	//
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Weight int32 `json:"weight"`

	// TLSA publishes the key of the server's certificate for every public port of servers (DANE, RFC 7673): TLSA 3 1 1 at
	// _5269._tcp.HOSTNAME. That happens only while the zone of the host name is signed (DNSSEC) and its parent says so. A
	// certificate with another key is handed to the server only after its record could reach every resolver.
	//
	// +optional
	// +kubebuilder:default=Disabled
	// +kubebuilder:validation:Enum=Enabled;Disabled
	TLSA TLSAPolicy `json:"tlsa,omitempty"`

	// PublicationPolicy says when records are published that the Federation does not have yet, those included that it takes over
	// or accepts from another. WhenServing waits until the server that they lead to has answered: to a stream that is opened to
	// the domain, with encryption and a certificate that names the domain. Immediate publishes as soon as there is an address.
	// Records that the Federation has already are kept up to date in either case, whatever becomes of the server.
	//
	// +optional
	// +kubebuilder:default=WhenServing
	// +kubebuilder:validation:Enum=WhenServing;Immediate
	PublicationPolicy PublicationPolicy `json:"publicationPolicy,omitempty"`

	// DeletionPolicy says what happens to the records when the Federation is deleted: Delete removes them, first the
	// service records, then the addresses; Retain leaves them.
	//
	// +optional
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// MaxCacheWait bounds how long deletion keeps the address after the service records are gone from every name server. Absent:
	// one TTL, as resolvers may have them cached for so long. With less, what partners with such a resolver send may reach
	// whoever gets the address next. It can be changed during deletion.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]+)?(s|m|h))+$') && duration(self) <= duration('24h')",message="must be a duration of at most 24h, for example 5m"
	MaxCacheWait *metav1.Duration `json:"maxCacheWait,omitempty"`

	// Takeover names records that stand there already, written by somebody else, and that are to become this Federation's:
	// their data is replaced by what is wanted, and they are removed with the Federation. Their DNSZone has to allow it.
	// Records of another owner, or of ExternalDNS, are not taken over. To name what does not exist, is not wanted or is
	// owned already has no effect.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Takeover []RecordKey `json:"takeover,omitempty"`

	// Shared lets Federations of other clusters serve the same domains: each adds its own host name to the service records,
	// with its own priority and weight, and removes only that. All of them have to set it. Host names are not shared.
	//
	// +optional
	Shared bool `json:"shared,omitempty"`

	// TransferTo is the owner, by its status.dnsOwner, of a Federation in this or another cluster that is to have this one's
	// names: they never stop answering meanwhile. As long as it is set the operator changes no records; it offers them until that
	// Federation, which has to want the names, and in another cluster a DNSZone that allows takeover, has accepted them in one
	// update. Take it out before that to withdraw the offer. Deletion waits until the service records are accepted. To name this
	// Federation itself has no effect.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[a-z0-9]{8,40}$')",message="must be the status.dnsOwner of another Federation, for example 9f86d081884c7d65900a; copy it from there"
	TransferTo string `json:"transferTo,omitempty"`
}

// RecordKey names a record set.
type RecordKey struct {
	// Name of the records, for example _xmpp-server._tcp.cupdomain.com or cup1.cupdomain.com.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="must be a lower-case DNS name without wildcard or trailing dot; write for example _xmpp-server._tcp.cupdomain.com"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])([0-9]+|0x[0-9a-f]*)$')",message="must be a DNS name, not an IP address; write for example cup1.cupdomain.com"
	Name string `json:"name"`

	// Type of the records.
	//
	// +required
	// +kubebuilder:validation:Enum=SRV;A;AAAA;TLSA
	Type string `json:"type"`
}

// TLSAPolicy says whether TLSA records are published.
type TLSAPolicy string

const (
	// TLSAEnabled publishes them while the zone is signed.
	TLSAEnabled TLSAPolicy = "Enabled"
	// TLSADisabled publishes none.
	TLSADisabled TLSAPolicy = "Disabled"
)

// PublicationPolicy says what the publication of new records waits for.
type PublicationPolicy string

const (
	// PublishWhenServing waits until the server has answered for the domain.
	PublishWhenServing PublicationPolicy = "WhenServing"
	// PublishImmediately waits for the public address only.
	PublishImmediately PublicationPolicy = "Immediate"
)

// DeletionPolicy says what happens to DNS records when their Federation is deleted.
type DeletionPolicy string

const (
	// DeletionPolicyDelete removes the records.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain leaves the records.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// TLSSpec says where the certificate comes from and whom to trust.
type TLSSpec struct {
	// SecretRef names a Secret of type kubernetes.io/tls in the Federation's namespace. The certificate must name every
	// domain, and the group chat subdomains, as dNSName. Absent: the operator issues one from a CA of its own.
	//
	// +optional
	SecretRef *SecretName `json:"secretRef,omitempty"`

	// TrustedCAs are trusted for partners' certificates in addition to the server image's own list of public CAs.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TrustedCAs []TrustedCA `json:"trustedCAs,omitempty"`
}

// TrustedCA is a source of CA certificates in PEM form.
type TrustedCA struct {
	// ConfigMapRef names a key of a ConfigMap in the Federation's namespace.
	//
	// +required
	ConfigMapRef ConfigMapKey `json:"configMapRef"`
}

// VerificationSpec shapes the checks from the wire.
type VerificationSpec struct {
	// Interval between checks while nothing changes. After a failure checks come sooner.
	//
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="must be a duration from 10s to 24h, for example 5m"
	Interval metav1.Duration `json:"interval,omitzero"`

	// Resolvers stand for the public DNS that partners ask. Absent: the operator's own resolvers.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:XValidation:rule="!self.matches('^([0-9.]+|[[][0-9a-f:.]+[]]):[0-9]{1,5}$') || [self.matches('^[[]') ? self.substring(1, self.lastIndexOf(']')) : self.substring(0, self.lastIndexOf(':'))].all(host, !isIP(host) || ip(host).isGlobalUnicast() && !host.startsWith('0.'))",message="must not be an address of the operator's own machine, nor of a group of machines; write that of a public resolver"
	Resolvers []ServerAddress `json:"resolvers,omitempty"`

	// HostedServices are XMPP domains of services that host many organisations, for example a former provider's. Each is
	// asked on the interval whether it still hosts one of spec.domains; partners in spec.peers that are allowed are asked anyway.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	HostedServices []DomainName `json:"hostedServices,omitempty"`
}
