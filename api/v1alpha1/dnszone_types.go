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
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DNSZone struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which zone, how to write to it, and who may.
	//
	// +required
	Spec DNSZoneSpec `json:"spec"`

	// Status says whether the zone's servers answer and accept the credentials.
	//
	// +optional
	Status DNSZoneStatus `json:"status,omitempty"`
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
}

// DNSProvider is how records are written. Exactly one member is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.rfc2136)",message="spec.provider must have exactly one member; set rfc2136"
type DNSProvider struct {
	// RFC2136 writes by dynamic update (RFC 2136) signed with a transaction signature (RFC 8945); understood by BIND,
	// Knot, PowerDNS, Technitium, FreeIPA and others. No zone transfer right is needed.
	//
	// +optional
	RFC2136 *RFC2136Provider `json:"rfc2136,omitempty"`
}

// RFC2136Provider writes by dynamic update.
type RFC2136Provider struct {
	// Servers of the primary, tried in order.
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

// AllowedNamespaces selects namespaces.
//
// +kubebuilder:validation:XValidation:rule="!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : e.operator in ['Exists', 'DoesNotExist'] && !has(e.values))",fieldPath=".selector",message="spec.namespaces.selector.matchExpressions must each have operator In or NotIn with values, or Exists or DoesNotExist without"
// +kubebuilder:validation:XValidation:rule="self.from == 'Selector' ? has(self.selector) : !has(self.selector)",message="spec.namespaces.selector must be set when spec.namespaces.from is Selector, and only then"
type AllowedNamespaces struct {
	// From is All for every namespace, or Selector for those whose labels match selector.
	//
	// +required
	// +kubebuilder:validation:Enum=All;Selector
	From NamespacesFrom `json:"from"`

	// Selector of namespace labels; an empty selector selects every namespace.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// NamespacesFrom tells how namespaces are selected.
type NamespacesFrom string

const (
	// NamespacesAll selects every namespace.
	NamespacesAll NamespacesFrom = "All"
	// NamespacesSelector selects the namespaces whose labels match a selector.
	NamespacesSelector NamespacesFrom = "Selector"
)

// DNSZoneStatus is what the operator saw of the zone.
type DNSZoneStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions of the zone: Ready, and Reconciling or Stalled while it is not.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
