// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Federation makes XMPP domains federate with the rest of the XMPP network: a server, the public address it is
// reached by, its DNS records, its certificate, and the proof from the wire that it works.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fed,categories=xmppfed
// +kubebuilder:printcolumn:name="Domain",type=string,JSONPath=`.spec.domains[0]`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[0]`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=='Available')].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="Peers",type=string,JSONPath=`.status.peersReachable`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=='Ready')].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="metadata.name must start with a letter and have at most 40 lower-case letters, digits and '-', because Services are named after it"
type Federation struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to federate and how.
	//
	// +required
	Spec FederationSpec `json:"spec"`

	// Status says what was reached and, if not everything, which side is wrong and what to do.
	//
	// +optional
	Status FederationStatus `json:"status,omitempty"`

	// Unreadable are the fields of spec that were left out when the object was read; UnmarshalJSON sets it.
	Unreadable UnreadableFields `json:"-"`
}

// FederationList is a list of Federations.
//
// +kubebuilder:object:root=true
type FederationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Federation `json:"items"`
}

// FederationSpec says what to federate and how.
//
// +kubebuilder:validation:XValidation:rule="!has(self.server) || !has(self.server.groupChat) || !has(self.server.groupChat.subdomain) || !self.domains.exists(d, (self.server.groupChat.subdomain + '.' + d) in self.domains)",fieldPath=".domains",message="spec.domains must not list a domain that spec.server.groupChat makes of another; take it out, or choose another spec.server.groupChat.subdomain"
// +kubebuilder:validation:XValidation:rule="!has(self.peers) || !self.peers.exists(p, p.domain in self.domains)",fieldPath=".peers",message="spec.peers must not list a domain of spec.domains; a partner is somebody else"
// +kubebuilder:validation:XValidation:rule="!has(self.peers) || self.peers.all(p, has(p.profile) || has(p.tls) == has(p.authentication) || (has(p.tls) ? p.tls == 'Required' || (has(self.peerDefaults) && has(self.peerDefaults.authentication) ? self.peerDefaults.authentication : 'Certificate') == 'Dialback' || (p.tls == 'Optional' && (has(self.peerDefaults) && has(self.peerDefaults.authentication) ? self.peerDefaults.authentication : 'Certificate') == 'CertificateOrDialback') : (has(self.peerDefaults) && has(self.peerDefaults.tls) ? self.peerDefaults.tls : 'Required') == 'Required' || p.authentication == 'Dialback' || ((has(self.peerDefaults) && has(self.peerDefaults.tls) ? self.peerDefaults.tls : 'Required') == 'Optional' && p.authentication == 'CertificateOrDialback')))",fieldPath=".peers",message="spec.peers has an entry that sets only one of tls and authentication and takes the other from spec.peerDefaults, and together they leave no way to authenticate; set both"
// +kubebuilder:validation:XValidation:rule="!has(self.dns) || !has(self.dns.shared) || !self.dns.shared || !has(self.dns.hostname) || !self.domains.exists(d, d == self.dns.hostname || (has(self.server) && has(self.server.groupChat) && has(self.server.groupChat.subdomain) && self.server.groupChat.subdomain + '.' + d == self.dns.hostname))",fieldPath=".dns.hostname",message="spec.dns.hostname must not be a domain that is shared, because host names are not; write for example cup1.cupdomain.com"
type FederationSpec struct {
	// Domains are the XMPP domains, the part of a JID after the @, all served by the same pods. In the whole cluster a
	// domain belongs to one Federation: the one that has it in the DNS already, else the oldest that names it.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Domains []DomainName `json:"domains"`

	// Server is the XMPP server software and its surroundings.
	//
	// +optional
	// +kubebuilder:default={}
	Server ServerSpec `json:"server,omitempty"`

	// Exposure is how the rest of the network reaches the server: what a firewall with NAT of TCP 5269 does elsewhere.
	//
	// +optional
	// +kubebuilder:default={}
	Exposure ExposureSpec `json:"exposure,omitempty"`

	// DNS shapes the records that are published.
	//
	// +optional
	// +kubebuilder:default={}
	DNS DNSSpec `json:"dns,omitempty"`

	// TLS says where the certificate comes from. Absent: the operator issues one from a CA of its own, which partners
	// don't trust unless told to; status says so.
	//
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`

	// PeerDefaults is the policy for every domain that Peers does not list.
	//
	// +optional
	// +kubebuilder:default={}
	PeerDefaults PeerDefaults `json:"peerDefaults,omitempty"`

	// Peers are the partners' domains that need a policy of their own, or whose reachability is to be watched.
	//
	// +optional
	// +listType=map
	// +listMapKey=domain
	// +kubebuilder:validation:MaxItems=1000
	Peers []Peer `json:"peers,omitempty"`

	// Verification shapes the checks from the wire.
	//
	// +optional
	// +kubebuilder:default={}
	Verification VerificationSpec `json:"verification,omitempty"`

	// Suspend stops every change to objects and records until it is false again; what runs keeps running. Deletion is
	// carried out all the same.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ServerSpec is the XMPP server software and its surroundings.
//
// +kubebuilder:validation:XValidation:rule="!has(self.engine) || self.engine != 'Prosody' || !has(self.replicas) || self.replicas == 1",fieldPath=".replicas",message="spec.server.replicas must be 1 for engine Prosody, which has no clustering; split the domains over several Federations instead"
type ServerSpec struct {
	// Engine is the server software.
	//
	// +optional
	// +kubebuilder:default=Prosody
	// +kubebuilder:validation:Enum=Prosody
	Engine EngineName `json:"engine,omitempty"`

	// Image of the server. Defaults to the image that the operator was installed with for this engine. Changing it
	// restarts the server.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$')",message="must be a container image reference, for example registry.example/prosody:13.0"
	Image string `json:"image,omitempty"`

	// Replicas is the number of server pods. Prosody has no clustering and runs as one.
	//
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Replicas int32 `json:"replicas,omitempty"`

	// GroupChat adds multi-user chat (XEP-0045) under a subdomain of every domain, with service records of its own.
	// Absent: no group chat.
	//
	// +optional
	GroupChat *GroupChatSpec `json:"groupChat,omitempty"`

	// Accounts are the users that the server itself knows, the same on every domain. Absent: none.
	//
	// +optional
	Accounts *AccountsSpec `json:"accounts,omitempty"`

	// Storage of rosters, offline messages and rooms. The volume outlives the Federation.
	//
	// +optional
	// +kubebuilder:default={}
	Storage StorageSpec `json:"storage,omitempty"`

	// PodTemplate is merged into the pods; what it names wins, what it leaves out stays as it is.
	//
	// +optional
	PodTemplate *PodTemplateSpec `json:"podTemplate,omitempty"`
}

// EngineName is the name of an XMPP server software.
type EngineName string

// EngineProsody is Prosody (https://prosody.im), version 0.12 or later.
const EngineProsody EngineName = "Prosody"

// GroupChatSpec is multi-user chat (XEP-0045).
type GroupChatSpec struct {
	// Subdomain is the label under which rooms live, for example conference for room@conference.cupdomain.com.
	//
	// +optional
	// +kubebuilder:default=conference
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="must be one lower-case DNS label, for example conference"
	Subdomain string `json:"subdomain,omitempty"`

	// Access says who may find and enter rooms besides the users of spec.domains: Members, those whom a room has made its
	// members, as it does when one of our users invites them through it; Peers, these and the domains that spec.peers lets in;
	// Everyone, all whom spec.peerDefaults lets in besides. A room can be narrower.
	//
	// +optional
	// +kubebuilder:default=Peers
	// +kubebuilder:validation:Enum=Members;Peers;Everyone
	Access Audience `json:"access,omitempty"`
}

// Audience says for whom something is besides the users of spec.domains.
type Audience string

const (
	// AudienceMembers are those whom a room has made its members.
	AudienceMembers Audience = "Members"
	// AudienceContacts are those who may see the presence of the user that something is about.
	AudienceContacts Audience = "Contacts"
	// AudiencePeers are the domains that spec.peers lists and lets in, with their subdomains, besides.
	AudiencePeers Audience = "Peers"
	// AudienceEveryone are all whom the server lets in.
	AudienceEveryone Audience = "Everyone"
)

// AccountsSpec tells where the server's users come from.
type AccountsSpec struct {
	// SecretRef names a Secret in the Federation's namespace. Its keys are localparts (lower case), its values
	// passwords. Accounts can be added, changed and removed without a restart.
	//
	// +required
	SecretRef SecretName `json:"secretRef"`

	// Visibility says who may learn which accounts there are, and read what users publish about themselves (vCard, avatar, and
	// whatever else by XEP-0163), besides the users of spec.domains: Contacts, who may see the user's presence; Peers, these and
	// the domains that spec.peers lets in; Everyone. All others get the same answers whether an account exists or not: messages
	// to one that does not are discarded. What they write to one that does arrives.
	//
	// +optional
	// +kubebuilder:default=Peers
	// +kubebuilder:validation:Enum=Contacts;Peers;Everyone
	Visibility Audience `json:"visibility,omitempty"`
}

// StorageSpec is the server's volume.
//
// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",fieldPath=".storageClassName",message="spec.server.storage.storageClassName can't be changed; create a new Federation and move the data"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || !has(oldSelf.size) || !isQuantity(string(self.size)) || !isQuantity(string(oldSelf.size)) || quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) == 0",fieldPath=".size",message="spec.server.storage.size can't be changed; enlarge the PersistentVolumeClaim itself if its storage class allows that"
type StorageSpec struct {
	// Size of the volume.
	//
	// +optional
	// +kubebuilder:default="1Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('100Mi'))",message="must be at least 100Mi, for example 1Gi"
	Size resource.Quantity `json:"size,omitzero"`

	// StorageClassName of the volume. Absent: the cluster's default.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a StorageClass"
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// ResourcesSpec is what a container is guaranteed and what it may use at most, by the name of the resource.
//
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.requests) || ['cpu', 'memory'].all(k, !(k in self.limits) || !(k in self.requests) || !isQuantity(string(self.requests[k])) || !isQuantity(string(self.limits[k])) || !quantity(string(self.requests[k])).isGreaterThan(quantity(string(self.limits[k]))))",fieldPath=".requests",message="requests must not be above limits: Kubernetes guarantees no more than may be used; raise the limit or lower the request"
type ResourcesSpec struct {
	// Limits are what the container may use at most, for example memory: 512Mi.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, type(self[k]) != string || isQuantity(self[k]))",message="must be quantities, for example cpu: 500m or memory: 512Mi"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).startsWith('-'))",message="must not be negative"
	// +kubebuilder:validation:XValidation:rule="!('memory' in self) || !isQuantity(string(self['memory'])) || !quantity(string(self['memory'])).isLessThan(quantity('64Mi'))",message="memory must be at least 64Mi; 512m means 512 thousandths of a byte, write 512Mi"
	// +kubebuilder:validation:XValidation:rule="!('cpu' in self) || !isQuantity(string(self['cpu'])) || !quantity(string(self['cpu'])).isLessThan(quantity('10m'))",message="cpu must be at least 10m, which is a hundredth of a CPU; write for example 500m"
	Limits corev1.ResourceList `json:"limits,omitempty"`

	// Requests are what the container is guaranteed.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, type(self[k]) != string || isQuantity(self[k]))",message="must be quantities, for example cpu: 100m or memory: 256Mi"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).startsWith('-'))",message="must not be negative"
	// +kubebuilder:validation:XValidation:rule="!('memory' in self) || !isQuantity(string(self['memory'])) || quantity(string(self['memory'])).compareTo(quantity('0')) == 0 || !quantity(string(self['memory'])).isLessThan(quantity('1Mi'))",message="memory must be 0 or at least 1Mi; 256m means 256 thousandths of a byte, write 256Mi"
	Requests corev1.ResourceList `json:"requests,omitempty"`
}

// PodTemplateSpec is merged into the pods.
type PodTemplateSpec struct {
	// Labels added to the pods. Labels that the operator selects by can't be changed.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('xmppfed.io/'))",message="keys under app.kubernetes.io/ and xmppfed.io/ are the operator's; use another prefix"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="keys must be those of labels: a name of letters, digits, '-', '_' and '.', for example team, or a DNS prefix and a name, for example example.com/team"
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations added to the pods. Those of ExternalDNS are refused; see spec.exposure.loadBalancer.annotations.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('xmppfed.io/'))",message="keys under xmppfed.io/ are the operator's; use another prefix"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('external-dns.alpha.kubernetes.io/') && !k.startsWith('external-dns.kubernetes.io/'))",message="keys under external-dns.kubernetes.io/ and external-dns.alpha.kubernetes.io/ have ExternalDNS publish names that no DNSZone allows; remove them, and write what is to be published to spec.domains and spec.dns.hostname"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="keys must be those of annotations: a name of letters, digits, '-', '_' and '.', for example team, or a DNS prefix and a name, for example example.com/team"
	Annotations map[string]string `json:"annotations,omitempty"`

	// Resources of the server container. Each request or limit that is named replaces the operator's default.
	//
	// +optional
	Resources ResourcesSpec `json:"resources,omitzero"`

	// NodeSelector of the pods.
	//
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Tolerations of the pods.
	//
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// Affinity of the pods.
	//
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// PriorityClassName of the pods.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// ImagePullSecrets name Secrets in the Federation's namespace for pulling the server image.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
}
