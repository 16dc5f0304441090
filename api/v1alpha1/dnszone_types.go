// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DNSZone is a zone of the DNS that the operator may write to, with the credentials and the namespaces allowed to
// publish in it. It belongs to the platform team: application teams need no DNS credential of their own.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=xmppfed
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=`.spec.zone`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.status.provider`
// +kubebuilder:printcolumn:name="Guarantee",type=string,JSONPath=`.status.guarantee`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="In Step",type=string,JSONPath=`.status.inStep`
// +kubebuilder:printcolumn:name="Federations",type=integer,JSONPath=`.status.federations`
// +kubebuilder:printcolumn:name="Records",type=integer,JSONPath=`.status.records`
// +kubebuilder:printcolumn:name="Held Back",type=integer,JSONPath=`.status.brake.waiting`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DNSZone struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which zone, how to write to it, and who may.
	//
	// +required
	Spec DNSZoneSpec `json:"spec"`

	// Status says whether the zone can be used as spec tells, and how much stands in it.
	//
	// +optional
	Status DNSZoneStatus `json:"status,omitempty"`

	// Unreadable are the fields of spec that were left out when the object was read; UnmarshalJSON sets it.
	Unreadable UnreadableFields `json:"-"`
}

// DNSZoneList is a list of DNSZones.
//
// +kubebuilder:object:root=true
type DNSZoneList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DNSZone `json:"items"`
}

// DNSZoneSpec says which zone, how to write to it, and who may.
type DNSZoneSpec struct {
	// Zone is the apex of the zone, for example cupdomain.com. A Federation's name is published in the DNSZone whose
	// apex is its longest suffix.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="can't be changed; create another DNSZone and delete this one"
	Zone DomainName `json:"zone"`

	// Provider is how records are written. Exactly one member is set.
	//
	// +required
	Provider DNSProvider `json:"provider"`

	// Namespaces whose Federations may publish in this zone. Absent: none.
	//
	// +optional
	Namespaces *AllowedNamespaces `json:"namespaces,omitempty"`

	// Takeover of records that the operator did not write: Deny, or Allow Federations to adopt those that they name in
	// spec.dns.takeover, and what a Federation of another cluster hands over to them (spec.dns.transferTo). It lets whoever may
	// publish in this zone replace any address or service record in it, save those that another owner keeps or ExternalDNS
	// looks after.
	//
	// +optional
	// +kubebuilder:default=Deny
	// +kubebuilder:validation:Enum=Allow;Deny
	Takeover TakeoverPolicy `json:"takeover,omitempty"`

	// Brake on removals: of one namespace at most as many Federations as it says lose records within ten minutes, and as many of all
	// others together, so that a mistake in what manages them can be undone and no team holds up another. The annotation
	// xmppfed.io/brake-released-until with a time (RFC 3339) releases it until then.
	//
	// +optional
	// +kubebuilder:default={}
	Brake RemovalBrake `json:"brake,omitempty"`
}

// TakeoverPolicy says whether records that the operator did not write may be adopted.
type TakeoverPolicy string

const (
	// TakeoverAllow lets Federations adopt the records that they name.
	TakeoverAllow TakeoverPolicy = "Allow"
	// TakeoverDeny leaves records of others alone, whatever a Federation names.
	TakeoverDeny TakeoverPolicy = "Deny"
)

// DNSProvider is how records are written. Exactly one member is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.rfc2136), has(self.dnsEndpoint), has(self.route53), has(self.cloudflare), has(self.webhook), has(self.manual)].exists_one(set, set)",message="spec.provider must have exactly one member; set one of rfc2136, dnsEndpoint, route53, cloudflare, webhook and manual, and remove the others"
type DNSProvider struct {
	// RFC2136 writes by dynamic update (RFC 2136) signed with a transaction signature (RFC 8945); understood by BIND,
	// Knot, PowerDNS, Technitium, FreeIPA and others. No zone transfer right is needed.
	//
	// +optional
	RFC2136 *RFC2136Provider `json:"rfc2136,omitempty"`

	// Route53 writes to a public hosted zone of Amazon Route 53.
	//
	// +optional
	Route53 *Route53Provider `json:"route53,omitempty"`

	// DNSEndpoint hands records to an ExternalDNS that runs in the cluster, as objects of its kind DNSEndpoint in the
	// operator's namespace; so whatever it writes to can be used. Ownership of records is best effort, because ExternalDNS
	// does not tell what became of them.
	//
	// +optional
	DNSEndpoint *DNSEndpointProvider `json:"dnsEndpoint,omitempty"`

	// Cloudflare writes to a zone at Cloudflare. Ownership of records is best effort, because its API knows no conditional
	// changes.
	//
	// +optional
	Cloudflare *CloudflareProvider `json:"cloudflare,omitempty"`

	// Webhook writes through a webhook provider of ExternalDNS, which exist for many DNS services; ExternalDNS itself is
	// not needed. Ownership of records is best effort, because that protocol knows no conditional changes.
	//
	// +optional
	Webhook *WebhookProvider `json:"webhook,omitempty"`

	// Manual writes nothing: status of each Federation lists the records that the administrator of the zone has to create,
	// and later to remove, and every name server of the zone is watched for them.
	//
	// +optional
	Manual *ManualProvider `json:"manual,omitempty"`
}

// ManualProvider writes nothing.
type ManualProvider struct{}

// RFC2136Provider writes by dynamic update.
//
// +kubebuilder:validation:XValidation:rule="!has(self.previousTSIG) || self.previousTSIG.keyName != self.tsig.keyName",fieldPath=".previousTSIG.keyName",message="spec.provider.rfc2136.previousTSIG.keyName must differ from tsig.keyName, as servers know keys by name; give the new key another name, or remove previousTSIG"
type RFC2136Provider struct {
	// Servers are addresses of the primary. One is used until it fails, then the next.
	//
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Servers []ServerAddress `json:"servers"`

	// TSIG is the key that signs updates and queries.
	//
	// +required
	TSIG TSIGKey `json:"tsig"`

	// PreviousTSIG is the key from before, for changing keys without a gap: it serves as long as the server does not accept
	// tsig, or does not let it update, or the Secret of tsig is missing or holds no TSIG secret.
	//
	// +optional
	PreviousTSIG *TSIGKey `json:"previousTSIG,omitempty"`
}

// TSIGKey is a transaction signature key (RFC 8945).
type TSIGKey struct {
	// KeyName is the name under which the DNS server knows the key.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$')",message="must be a lower-case key name as in the DNS server's key statement, for example fed-key"
	KeyName string `json:"keyName"`

	// Algorithm of the key.
	//
	// +optional
	// +kubebuilder:default=hmac-sha256
	// +kubebuilder:validation:Enum=hmac-sha256;hmac-sha384;hmac-sha512
	Algorithm string `json:"algorithm,omitempty"`

	// SecretRef names the key of a Secret in the operator's namespace that holds the TSIG secret in base64, as
	// tsig-keygen prints it.
	//
	// +required
	SecretRef SecretKey `json:"secretRef"`
}

// DNSZoneStatus is what the operator saw of the zone.
type DNSZoneStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Provider that spec.provider names: RFC2136, DNSEndpoint, Route53, Cloudflare, Webhook or Manual.
	//
	// +optional
	Provider DNSProviderName `json:"provider,omitempty"`

	// Guarantee about the ownership of records in the zone: Atomic when the server itself checks, in the moment of each
	// change, that nobody else has the records; BestEffort when the operator looks right before it writes, so that two who
	// write in the same moment may overwrite each other; None where people write.
	//
	// +optional
	Guarantee Guarantee `json:"guarantee,omitempty"`

	// Key is the name of the TSIG key in use, with provider RFC2136.
	//
	// +optional
	Key string `json:"key,omitempty"`

	// Federations that have, or may have, records in the zone.
	//
	// +optional
	// +kubebuilder:default=0
	Federations int32 `json:"federations"`

	// Records is the number of record sets of these Federations that every name server of the zone serves, without ownership records;
	// where people write, those that they still have to remove count as well.
	//
	// +optional
	// +kubebuilder:default=0
	Records int32 `json:"records"`

	// Brake tells what spec.brake counted and what it holds back.
	//
	// +optional
	Brake RemovalBrakeStatus `json:"brake,omitzero"`

	// InStep tells how many of the zone's name servers serve its newest version, for example 2/2.
	//
	// +optional
	InStep string `json:"inStep,omitempty"`

	// NameServers of the zone's NS records, looked at once a minute.
	//
	// +optional
	// +listType=atomic
	NameServers []NameServerStatus `json:"nameServers,omitempty"`

	// Conditions of the zone: Ready, Reconciling or Stalled while it is not, and RemovalsPaused while its brake holds
	// something back.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// NameServerStatus is how a name server of the zone is.
type NameServerStatus struct {
	// Name of the server.
	//
	// +required
	Name string `json:"name"`

	// Address that was asked; empty when none was found.
	//
	// +optional
	Address string `json:"address,omitempty"`

	// State of the server: InStep; Behind when it has an older version of the zone than the primary had when it was looked at before;
	// NotAuthoritative when it does not have the zone; Unreachable when it does not answer.
	//
	// +required
	State NameServerState `json:"state"`

	// Serial number of the zone there (RFC 1035 section 3.3.13).
	//
	// +optional
	Serial int64 `json:"serial,omitempty"`
}

// NameServerState tells how a name server is.
type NameServerState string

const (
	// NameServerInStep serves the newest version.
	NameServerInStep NameServerState = "InStep"
	// NameServerBehind serves an older version.
	NameServerBehind NameServerState = "Behind"
	// NameServerNotAuthoritative answers, but not for the zone.
	NameServerNotAuthoritative NameServerState = "NotAuthoritative"
	// NameServerUnreachable does not answer, or has no address.
	NameServerUnreachable NameServerState = "Unreachable"
)

// DNSProviderName names a member of spec.provider.
type DNSProviderName string

const (
	// DNSProviderRFC2136 is spec.provider.rfc2136.
	DNSProviderRFC2136 DNSProviderName = "RFC2136"
	// DNSProviderRoute53 is spec.provider.route53.
	DNSProviderRoute53 DNSProviderName = "Route53"
	// DNSProviderCloudflare is spec.provider.cloudflare.
	DNSProviderCloudflare DNSProviderName = "Cloudflare"
	// DNSProviderDNSEndpoint is spec.provider.dnsEndpoint.
	DNSProviderDNSEndpoint DNSProviderName = "DNSEndpoint"
	// DNSProviderWebhook is spec.provider.webhook.
	DNSProviderWebhook DNSProviderName = "Webhook"
	// DNSProviderManual is spec.provider.manual.
	DNSProviderManual DNSProviderName = "Manual"
)

// Name of the member that is set.
func (p DNSProvider) Name() DNSProviderName {
	switch {
	case p.Manual != nil:
		return DNSProviderManual
	case p.Route53 != nil:
		return DNSProviderRoute53
	case p.Cloudflare != nil:
		return DNSProviderCloudflare
	case p.Webhook != nil:
		return DNSProviderWebhook
	case p.DNSEndpoint != nil:
		return DNSProviderDNSEndpoint
	default:
		return DNSProviderRFC2136
	}
}

// Guarantee about the ownership of records in a zone.
type Guarantee string

const (
	// GuaranteeAtomic means that the server checks ownership in the moment of a change.
	GuaranteeAtomic Guarantee = "Atomic"
	// GuaranteeBestEffort means that the operator checks ownership right before a change.
	GuaranteeBestEffort Guarantee = "BestEffort"
	// GuaranteeNone means that the operator writes nothing, so that nothing is owned.
	GuaranteeNone Guarantee = "None"
)
