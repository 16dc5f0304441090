// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// FederationStatus is what was reached. It is written only when its meaning changes.
type FederationStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions; their types and reasons are documented in docs/reference/conditions.md.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Addresses that are published for the host name.
	//
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`

	// Hostname is the target of the service records.
	//
	// +optional
	Hostname string `json:"hostname,omitempty"`

	// FormerHosts keep their address records although the host name is another now, because partners may have cached service
	// records that name them.
	//
	// +optional
	// +listType=map
	// +listMapKey=hostname
	// +kubebuilder:validation:MaxItems=8
	FormerHosts []FormerHost `json:"formerHosts,omitempty"`

	// FormerDomains are served although the spec does not want them any more, because service records that lead here still stand,
	// or may be cached.
	//
	// +optional
	// +listType=map
	// +listMapKey=domain
	// +kubebuilder:validation:MaxItems=128
	FormerDomains []FormerDomain `json:"formerDomains,omitempty"`

	// FormerPorts are public ports that stay open although the spec does not want them any more, for the same reason.
	//
	// +optional
	// +listType=map
	// +listMapKey=port
	// +kubebuilder:validation:MaxItems=16
	FormerPorts []FormerPort `json:"formerPorts,omitempty"`

	// DNSOwner tells this Federation's records from every other's: a hash over cluster, namespace and name, which stands in
	// its ownership records. It is known before the Federation is accepted, so that another one can name it in
	// spec.dns.transferTo.
	//
	// +optional
	DNSOwner string `json:"dnsOwner,omitempty"`

	// Conflicts are names that the Federation wants and another Federation of this cluster has in the DNS, as its ownership record
	// says. That Federation, as long as it wants the name too, comes first.
	//
	// +optional
	// +listType=atomic
	Conflicts []NameConflict `json:"conflicts,omitempty"`

	// Records that the Federation wants in the DNS, with their state; and, where people write, those that they still have to
	// remove.
	//
	// +optional
	// +listType=atomic
	Records []RecordStatus `json:"records,omitempty"`

	// Zones of the DNS in which the Federation may have records. A zone is listed before anything is written to it, so
	// that nothing is left behind whatever happens in between.
	//
	// +optional
	// +listType=set
	Zones []string `json:"zones,omitempty"`

	// JournalUID is the metadata.uid of the object that Zones is complete for: the operator has looked in every DNSZone for what
	// the Federation had there before. Another one, or none, means that status was lost or comes from a backup; the zones are
	// then searched again.
	//
	// +optional
	JournalUID types.UID `json:"journalUID,omitempty"`

	// Certificate that the server is given.
	//
	// +optional
	Certificate *CertificateStatus `json:"certificate,omitempty"`

	// TLSA remembers the keys that TLSA records are published for. Absent: none are.
	//
	// +optional
	TLSA *TLSAStatus `json:"tlsa,omitempty"`

	// Server that runs.
	//
	// +optional
	Server *ServerStatus `json:"server,omitempty"`

	// PeersReachable is how many partners answer, of those that may, for example 3/4. Absent: there are none, or no
	// server to try them from.
	//
	// +optional
	PeersReachable string `json:"peersReachable,omitempty"`

	// Peers are the partners of spec.peers, in their order, and the services of spec.verification.hostedServices that
	// host one of our domains.
	//
	// +optional
	// +listType=map
	// +listMapKey=domain
	Peers []PeerStatus `json:"peers,omitempty"`

	// ServiceRecordsWithdrawn is when the service records were last seen gone from every name server during deletion.
	// The address records stay for one TTL more, because partners may have cached the service records.
	//
	// +optional
	ServiceRecordsWithdrawn *metav1.Time `json:"serviceRecordsWithdrawn,omitempty"`
}

// NameConflict is a name that another owner has in the DNS.
type NameConflict struct {
	// Name that both want: a domain, its group chat, or the host name.
	//
	// +required
	Name string `json:"name"`

	// Owner that has it, as in status.dnsOwner of its Federation.
	//
	// +required
	Owner string `json:"owner"`
}

// MaxFormerHosts is how many former hosts are remembered; the oldest go first.
const MaxFormerHosts = 8

// FormerHost is a host that service records named before the host name changed.
type FormerHost struct {
	// Hostname that it had.
	//
	// +required
	// +kubebuilder:validation:MaxLength=253
	Hostname string `json:"hostname"`

	// TTL in seconds of the service records that name it: how long its address records stay after those are gone.
	//
	// +required
	TTL int32 `json:"ttl"`

	// Until when its address records stay. Absent: until every authoritative server has the new service records, and one
	// TTL more.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// Yielding is set when Federations wait for each other's former host names in a circle. Its address records then go as soon as
	// the service records name the new host, or before that if all in the circle yield.
	//
	// +optional
	Yielding bool `json:"yielding,omitempty"`
}

// MaxFormerDomains and MaxFormerPorts are how many are remembered; the oldest go first.
const (
	MaxFormerDomains = 128
	MaxFormerPorts   = 16
)

// FormerDomain is an XMPP domain that the spec wanted before.
type FormerDomain struct {
	// Domain that is served.
	//
	// +required
	// +kubebuilder:validation:MaxLength=253
	Domain string `json:"domain"`

	// GroupChat is set for a group chat service, which has no users.
	//
	// +optional
	GroupChat bool `json:"groupChat,omitempty"`

	// TTL in seconds of the service records that lead to it: how long it is served after those are gone.
	//
	// +required
	TTL int32 `json:"ttl"`

	// Until when it is served. Absent: until no authoritative server has its service records, and one TTL more.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// FormerPort is a public port that the spec wanted before.
type FormerPort struct {
	// Port of the Service.
	//
	// +required
	Port int32 `json:"port"`

	// Target is the port of the pods that it leads to, by name.
	//
	// +required
	// +kubebuilder:validation:Enum=s2s;s2s-tls;c2s;c2s-tls
	Target string `json:"target"`

	// TTL in seconds of the service records with this port: how long it stays open after those are gone.
	//
	// +required
	TTL int32 `json:"ttl"`

	// Until when it stays open. Absent: until no authoritative server has service records with it, and one TTL more.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// TLSAStatus remembers the keys that TLSA records are published for, as SHA-256 of the public key in hexadecimal.
type TLSAStatus struct {
	// ServedKey is that of the certificate which the server was last known to serve. Its record stays.
	//
	// +optional
	ServedKey string `json:"servedKey,omitempty"`

	// NextKey is that of a certificate which waits until resolvers can know its record.
	//
	// +optional
	NextKey string `json:"nextKey,omitempty"`

	// NextKeyPublished is when every authoritative server was seen to serve the record of NextKey.
	//
	// +optional
	NextKeyPublished *metav1.Time `json:"nextKeyPublished,omitempty"`
}

// RecordStatus is one DNS record set.
type RecordStatus struct {
	// Name is the owner name, without trailing dot.
	//
	// +required
	Name string `json:"name"`

	// Type is the record type, for example SRV.
	//
	// +required
	Type string `json:"type"`

	// TTL in seconds.
	//
	// +required
	TTL int32 `json:"ttl"`

	// Data in presentation form, for example "0 0 5269 cup1.cupdomain.com.".
	//
	// +required
	// +listType=atomic
	Data []string `json:"data"`

	// State is Published when every authoritative server serves the record, else Pending; or Leftover when it is no longer
	// wanted but may still stand, where people write.
	//
	// +required
	// +kubebuilder:validation:Enum=Published;Pending;Leftover
	State RecordState `json:"state"`
}

// RecordState is how far a record has come.
type RecordState string

const (
	// RecordPublished means that every authoritative server serves the record.
	RecordPublished RecordState = "Published"
	// RecordPending means that at least one authoritative server does not serve the record yet.
	RecordPending RecordState = "Pending"
	// RecordLeftover means that the record is no longer wanted, and was last seen standing.
	RecordLeftover RecordState = "Leftover"
)

// CertificateStatus is the certificate that the server is given.
type CertificateStatus struct {
	// Issuer is the distinguished name of the issuer.
	//
	// +required
	Issuer string `json:"issuer"`

	// NotAfter is the end of validity.
	//
	// +required
	NotAfter metav1.Time `json:"notAfter"`

	// Serial number in hexadecimal.
	//
	// +required
	Serial string `json:"serial"`

	// Names in the certificate (dNSName).
	//
	// +optional
	// +listType=atomic
	Names []string `json:"names,omitempty"`
}

// ServerStatus is the server that runs.
type ServerStatus struct {
	// Engine is the server software.
	//
	// +required
	Engine EngineName `json:"engine"`

	// Version as the running server tells it.
	//
	// +optional
	Version string `json:"version,omitempty"`

	// ReadyReplicas is the number of pods that serve.
	//
	// +required
	ReadyReplicas int32 `json:"readyReplicas"`
}

// PeerStatus is what is known of a partner. It is written when its meaning changes, not with every check.
type PeerStatus struct {
	// Domain of the partner.
	//
	// +required
	Domain string `json:"domain"`

	// Policy in force, after profile and defaults.
	//
	// +optional
	Policy *PeerPolicy `json:"policy,omitempty"`

	// Reachable is True when the partner answers a ping as its policy demands, False when not, and Unknown while it was
	// not tried.
	//
	// +required
	// +kubebuilder:validation:Enum=True;False;Unknown
	Reachable metav1.ConditionStatus `json:"reachable"`

	// Encrypted tells whether the stream to the partner is.
	//
	// +optional
	Encrypted bool `json:"encrypted,omitempty"`

	// Authentication that was really used on the stream to the partner: EXTERNAL (certificate) or dialback.
	//
	// +optional
	Authentication string `json:"authentication,omitempty"`

	// RoundTrip of the ping that led to the entry, streams that had to be opened first included. It is renewed when
	// Reachable or Reason changes; what the time is now, kubectl xmppfed doctor tells.
	//
	// +optional
	RoundTrip *metav1.Duration `json:"roundTrip,omitempty"`

	// DelayedSince is when the domain began to send more than kilobytesPerSecond of spec.peers, so that it is read later than it
	// comes. It goes when that has not been so for ten minutes or three times spec.verification.interval. Absent: nothing is delayed.
	//
	// +optional
	DelayedSince *metav1.Time `json:"delayedSince,omitempty"`

	// Reason, one of those of the condition PeersReachable.
	//
	// +required
	Reason string `json:"reason"`

	// Message says what is wrong, on which side, and what to do; empty when nothing is.
	//
	// +optional
	Message string `json:"message,omitempty"`

	// LastTransitionTime is when Reachable or Reason last changed.
	//
	// +required
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}
