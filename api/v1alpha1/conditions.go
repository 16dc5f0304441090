// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Every condition type and reason of this API stands here and nowhere else; docs/reference/conditions.md is generated
// from the comments. Conditions are of positive polarity (True is good) unless their comment says otherwise.
//
// A message says what is missing or wrong, who provides it, and what to run or change next. It names the object or
// record and holds nothing that changes from try to try, so that status stays still while nothing changes.

// Condition types of a Federation.
const (
	// ConditionAccepted is true when the spec can be carried out: no other Federation in the cluster has, or came first
	// with, one of its names, and a DNSZone covers every name and allows the namespace. Always present. Nothing new is
	// created or published while it is false; what was published before follows its address, or is withdrawn where the spec
	// does not want it any more.
	//
	// True: Accepted. False: SpecUnreadable, DomainClaimed, DomainNotAllowed, ZoneNotFound, UnsupportedByEngine.
	ConditionAccepted = "Accepted"

	// ConditionCertificateReady is true when the server has a key pair whose certificate names every domain and is
	// within its dates. Always present once accepted.
	//
	// True: Valid, SelfSigned. False: SecretNotFound, KeyPairInvalid, NameMismatch, Expired, NotYetValid,
	// ConfigMapNotFound, TrustedCAsInvalid, NameTaken.
	ConditionCertificateReady = "CertificateReady"

	// ConditionServerReady is true when every pod runs the configuration of this generation and has room for what it stores. Failures
	// of the pods themselves, as Kubernetes reports them, are in the message. Always present once accepted.
	//
	// True: Running. False: Unschedulable, NodeLost, PodTerminating, ImagePullFailed, ContainerCrashing, VolumePending, VolumeFull,
	// PodsRejected, ConfigRejected, SecretNotFound, ConfigMapNotFound, AccountsInvalid, TrustedCAsInvalid, NameTaken, ObjectRefused,
	// RollingOut.
	ConditionServerReady = "ServerReady"

	// ConditionAddressAssigned is true when there is a public address: the load balancer's, or those of
	// spec.exposure.publicAddresses. Events of the Service are in the message. Always present once accepted.
	//
	// True: Assigned, SourceRangesIncomplete. False: AddressPending, AddressIsHostname, NameTaken, ObjectRefused.
	ConditionAddressAssigned = "AddressAssigned"

	// ConditionDNSPublished is true when every record is served by every authoritative server of its zone. Always
	// present once accepted. Unknown: WaitingForAddress, ZoneNotProbed, ZoneNotReady, NotAccepted, Deleting.
	//
	// True: Published, TransferOffered, DANEUnsigned, RecordsChangedByOthers. False: OwnershipConflict, OwnershipLost, RecordExistsUnowned,
	// CNAMEConflict, SecretNotFound, TSIGKeyUnknown, TSIGBadSignature, CredentialsRejected, ClockSkew,
	// UnauthenticatedResponse, UpdateRefused, UpdateRejected, RateLimited, NotAuthoritative, NameOutsideZone,
	// NotApplied, PropagationPending, ServerUnavailable,
	// RecordsToCreate, RecordsToRemove, RemovalsPaused, Transferred, UnsupportedByProvider, WaitingForServer,
	// NotAccepted, SpecUnreadable.
	ConditionDNSPublished = "DNSPublished"

	// ConditionInboundReachable is true when the way a partner takes works: public DNS, address, TCP, stream, STARTTLS,
	// certificate that names the domain. Always present once accepted.
	// Unknown: NotChecked, ResolverUnavailable, NotAccepted, Transferred, Deleting.
	//
	// True: Reachable. False: SRVMissing, SRVMismatch, AddressMismatch, ConnectionRefused, ConnectionTimeout, Undisclosed, NotXMPP,
	// StreamRefused, TLSNotOffered, TLSFailed, CertificateNameMismatch, CertificateExpired.
	ConditionInboundReachable = "InboundReachable"

	// ConditionPeersReachable is true when every partner in spec.peers answers a ping (XEP-0199) as its policy demands.
	// Reason and message are those of the first that does not, in the order of spec.peers; status.peers tells of each.
	// Present when spec.peers lists a partner whose access is Allow. Not part of Ready: a partner's outage is not ours.
	// Unknown: NotChecked, Deleting. Entries: PeerReachable, PeerDenied.
	//
	// True: PeersReachable. False: PeerDNS, PeerConnectionRefused, PeerTimeout, PeerUndisclosed, PeerNotXMPP,
	// PeerServesNotDomain, PeerRequiresTLS, PeerOffersNoTLS, PeerTLSFailed, PeerCertificateInvalid, PeerRejectsCertificate,
	// PeerRejectsDialback, PeerRefused, PeerSilent, PeerStreamError, PeerHostsOurDomain.
	ConditionPeersReachable = "PeersReachable"

	// ConditionAvailable answers one question: can partners and users talk now? It is true when partners reach every published domain on
	// the way that public DNS leads them, whatever the spec wants by now and whatever else is wrong; the operator goes on trying that way
	// while other conditions are not true. The message names the domains that are reached, those that are not, and why, and those that were
	// not published yet, which keep nobody out who got through before. This is the condition to raise an alarm about. Not part of Ready.
	// Always present, and true only when it was seen from the wire.
	// Unknown: NotChecked, Transferred, Deleting, Suspended.
	//
	// True: Reachable. False: NotPublished, PartlyReachable, Unreachable.
	ConditionAvailable = "Available"

	// ConditionLimitsReached is true while the servers refuse or delay what is beyond one of their bounds, or are short of memory, and
	// until they have done neither for ten minutes or three times spec.verification.interval. What is within the bounds goes on. The
	// message names the bounds. While a server does not answer the operator, it stands as it was. Only present when true. Negative
	// polarity. Not part of Ready.
	//
	// True: Refusing, ShortOfMemory.
	ConditionLimitsReached = "LimitsReached"

	// ConditionReady answers another question: is everything as the spec wants it? It is true when all of the above but PeersReachable
	// and Available are. Otherwise reason and message are those of the first that is not, and the message says what still works when
	// Available is true. Always present.
	//
	// True: Ready. False and Unknown: the reasons of the other conditions, Deleting, ReconcileFailed.
	ConditionReady = "Ready"

	// ConditionReconciling is true while the operator works on, or waits for, what is missing. Only present when true;
	// never together with Stalled (kstatus). Its lastTransitionTime is when it began to work on, or wait for, what the reason names,
	// or when the spec changed last: that is where the deadline of the reason begins. Negative polarity.
	//
	// True: the reason of Ready.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is true when nothing will get better until somebody changes something, or when the deadline of the reason is
	// over; the message says who has to act, and what to do. The operator goes on by itself in any case as soon as the cause is gone.
	// Only present when true. Negative polarity.
	//
	// True: the reason of Ready.
	ConditionStalled = "Stalled"

	// ConditionSuspended is true while spec.suspend is. Only present when true. Neutral polarity.
	//
	// True: Suspended.
	ConditionSuspended = "Suspended"
)

// Condition types of a DNSZone, which has Ready, Reconciling and Stalled as well.
const (
	// ConditionRemovalsPaused is true while spec.brake of a DNSZone holds back removals that are due. Only present when
	// true. Negative polarity.
	//
	// True: RemovalsPaused.
	ConditionRemovalsPaused = "RemovalsPaused"
)

// Reasons that several conditions share.
const (
	// ReasonReady: everything works.
	ReasonReady = "Ready"
	// ReasonDeleting: the object is being deleted; the message says what deletion waits for.
	ReasonDeleting = "Deleting"
	// ReasonReconcileFailed: talking to the Kubernetes API went wrong; the operator tries again.
	ReasonReconcileFailed = "ReconcileFailed"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
	// ReasonSpecUnreadable: a field of spec, stored before admission refused its value, can't be read; nothing is changed until it can.
	ReasonSpecUnreadable = "SpecUnreadable"
	// ReasonNameTaken: an object that does not belong to the Federation has a name that its objects need.
	ReasonNameTaken = "NameTaken"
	// ReasonObjectRefused: Kubernetes refuses an object that follows from the spec, for a value that the spec's own rules let pass.
	ReasonObjectRefused = "ObjectRefused"
	// ReasonSecretNotFound: a Secret that the spec names, or a key in it, does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonConfigMapNotFound: a ConfigMap that the spec names, or a key in it, does not exist.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
)

// Reasons of Accepted.
const (
	// ReasonAccepted: the spec can be carried out.
	ReasonAccepted = "Accepted"
	// ReasonDomainClaimed: another Federation in the cluster came first with one of the names; of a DNSZone, another one with its zone.
	ReasonDomainClaimed = "DomainClaimed"
	// ReasonDomainNotAllowed: the DNSZone of one of the names does not allow this namespace; of a DNSZone, its selector of
	// namespaces can't be read, so that it allows none.
	ReasonDomainNotAllowed = "DomainNotAllowed"
	// ReasonZoneNotFound: no DNSZone covers one of the names.
	ReasonZoneNotFound = "ZoneNotFound"
	// ReasonUnsupportedByEngine: the server software can't do what the spec asks for.
	ReasonUnsupportedByEngine = "UnsupportedByEngine"
)

// Reasons of CertificateReady.
const (
	// ReasonValid: the certificate names every domain and is within its dates.
	ReasonValid = "Valid"
	// ReasonSelfSigned: the operator's own CA issued the certificate; partners don't trust it unless told to.
	ReasonSelfSigned = "SelfSigned"
	// ReasonKeyPairInvalid: certificate or key can't be read, or don't belong together.
	ReasonKeyPairInvalid = "KeyPairInvalid"
	// ReasonNameMismatch: the certificate lacks the name of a domain (RFC 6125, RFC 9525).
	ReasonNameMismatch = "NameMismatch"
	// ReasonExpired: the certificate's validity has ended.
	ReasonExpired = "Expired"
	// ReasonNotYetValid: the certificate's validity has not begun.
	ReasonNotYetValid = "NotYetValid"
	// ReasonTrustedCAsInvalid: a ConfigMap of spec.tls.trustedCAs holds no CA certificate.
	ReasonTrustedCAsInvalid = "TrustedCAsInvalid"
)

// Reasons of ServerReady.
const (
	// ReasonRunning: every pod runs the configuration of this generation.
	ReasonRunning = "Running"
	// ReasonUnschedulable: no node can take the pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonNodeLost: the node of a pod does not answer, or has not begun to start the pod for a minute, and Kubernetes starts
	// no other pod as long as that one may still run.
	ReasonNodeLost = "NodeLost"
	// ReasonPodTerminating: a pod was deleted and should have ended, but something keeps it: its node, a volume or a finalizer.
	ReasonPodTerminating = "PodTerminating"
	// ReasonImagePullFailed: the server image can't be pulled.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonContainerCrashing: the server starts and ends again.
	ReasonContainerCrashing = "ContainerCrashing"
	// ReasonVolumePending: the volume is not bound or can't be mounted.
	ReasonVolumePending = "VolumePending"
	// ReasonVolumeFull: little room is left on the volume, so that messages for users who are away are refused. All else goes on.
	ReasonVolumeFull = "VolumeFull"
	// ReasonPodsRejected: Kubernetes refuses to create the pod, for example because of a quota.
	ReasonPodsRejected = "PodsRejected"
	// ReasonConfigRejected: the server refused its configuration and goes on with the one before.
	ReasonConfigRejected = "ConfigRejected"
	// ReasonAccountsInvalid: the Secret of spec.server.accounts has a key that is no localpart, or a password that is none.
	ReasonAccountsInvalid = "AccountsInvalid"
	// ReasonRollingOut: pods start, or have not taken up the newest configuration yet.
	ReasonRollingOut = "RollingOut"
)

// Reasons of AddressAssigned.
const (
	// ReasonAssigned: there is a public address.
	ReasonAssigned = "Assigned"
	// ReasonSourceRangesIncomplete: there is a public address, but spec.exposure.loadBalancer.sourceRanges name no network of one of
	// the IP families that the Service has, so that everyone may connect by that one.
	ReasonSourceRangesIncomplete = "SourceRangesIncomplete"
	// ReasonAddressPending: the load balancer has no address yet.
	ReasonAddressPending = "AddressPending"
	// ReasonAddressIsHostname: the load balancer has only a host name, but address records need addresses.
	ReasonAddressIsHostname = "AddressIsHostname"
)

// Reasons of DNSPublished, and of a DNSZone's Ready.
const (
	// ReasonPublished: every authoritative server serves every record.
	ReasonPublished = "Published"
	// ReasonDANEUnsigned: every authoritative server serves every record but the TLSA records that spec.dns.tlsa asks for;
	// these are not published, because nobody would heed them: the zone is not signed, or its parent does not say so.
	ReasonDANEUnsigned = "DANEUnsigned"
	// ReasonRecordsChangedByOthers: every authoritative server serves every record, but within the last hour somebody else changed or
	// removed some, which were put back. The message says how often; each time is an event too.
	ReasonRecordsChangedByOthers = "RecordsChangedByOthers"
	// ReasonWaitingForAddress: there is nothing to publish before there is an address.
	ReasonWaitingForAddress = "WaitingForAddress"
	// ReasonWaitingForServer: records that the Federation does not have yet wait until the server has answered for their domains
	// (spec.dns.publicationPolicy); those that it has are published.
	ReasonWaitingForServer = "WaitingForServer"
	// ReasonNotAccepted: the spec can't be carried out, as Accepted tells. What was published before follows its address, and what the
	// spec does not want any more is withdrawn; nothing new is published. What is not looked at meanwhile is Unknown for this reason.
	ReasonNotAccepted = "NotAccepted"
	// ReasonOwnershipConflict: the ownership record of another owner stands at the name.
	ReasonOwnershipConflict = "OwnershipConflict"
	// ReasonOwnershipLost: the ownership record was there and is gone or changed by somebody else.
	ReasonOwnershipLost = "OwnershipLost"
	// ReasonRecordExistsUnowned: a record that the operator did not write stands at the name.
	ReasonRecordExistsUnowned = "RecordExistsUnowned"
	// ReasonCNAMEConflict: an alias stands at the name, which excludes other records (RFC 1034 section 3.6.2).
	ReasonCNAMEConflict = "CNAMEConflict"
	// ReasonTSIGKeyUnknown: the DNS server does not know the key (BADKEY).
	ReasonTSIGKeyUnknown = "TSIGKeyUnknown"
	// ReasonTSIGBadSignature: the key's secret differs from the DNS server's (BADSIG).
	ReasonTSIGBadSignature = "TSIGBadSignature"
	// ReasonCredentialsRejected: the API of the DNS service does not accept the credentials, or there are none.
	ReasonCredentialsRejected = "CredentialsRejected"
	// ReasonRateLimited: the API of the DNS service has had too many requests from this account.
	ReasonRateLimited = "RateLimited"
	// ReasonClockSkew: the clocks of operator and DNS server differ too much (BADTIME).
	ReasonClockSkew = "ClockSkew"
	// ReasonUnauthenticatedResponse: an answer lacks the signature, so it may be forged.
	ReasonUnauthenticatedResponse = "UnauthenticatedResponse"
	// ReasonUpdateRefused: the DNS server's policy refuses the key this update (REFUSED), or the DNS service's the credentials.
	ReasonUpdateRefused = "UpdateRefused"
	// ReasonUpdateRejected: the DNS server can't process the update (FORMERR, NOTIMP).
	ReasonUpdateRejected = "UpdateRejected"
	// ReasonNotAuthoritative: the DNS server is not the primary of the zone (NOTAUTH).
	ReasonNotAuthoritative = "NotAuthoritative"
	// ReasonNameOutsideZone: a name does not lie in the zone (NOTZONE).
	ReasonNameOutsideZone = "NameOutsideZone"
	// ReasonNotApplied: the DNS server accepted an update but does not serve its result.
	ReasonNotApplied = "NotApplied"
	// ReasonPropagationPending: an authoritative server does not serve the newest records yet.
	ReasonPropagationPending = "PropagationPending"
	// ReasonZoneNotProbed: the operator has not asked the zone's servers yet.
	ReasonZoneNotProbed = "ZoneNotProbed"
	// ReasonZoneNotReady: the records stand as they were published, and can't be checked or changed until the DNSZone is Ready again.
	ReasonZoneNotReady = "ZoneNotReady"
	// ReasonServerUnavailable: no DNS server answers, or only with SERVFAIL.
	ReasonServerUnavailable = "ServerUnavailable"
	// ReasonRecordsToCreate: the operator does not write to the zone (provider manual), and people still have to create or
	// change the records that the message names.
	ReasonRecordsToCreate = "RecordsToCreate"
	// ReasonRecordsToRemove: the operator does not write to the zone (provider manual), and people still have to remove the
	// records that the message names.
	ReasonRecordsToRemove = "RecordsToRemove"
	// ReasonRemovalsPaused: so many Federations lost records in the zone within ten minutes that its brake holds the others
	// back.
	ReasonRemovalsPaused = "RemovalsPaused"
	// ReasonTransferOffered: the records stand, and wait for the owner that spec.dns.transferTo names to accept them.
	ReasonTransferOffered = "TransferOffered"
	// ReasonTransferred: the service records belong to the owner that spec.dns.transferTo names, or nothing was there to hand over.
	ReasonTransferred = "Transferred"
	// ReasonUnsupportedByProvider: a field of the Federation needs more than the zone's provider can guarantee.
	ReasonUnsupportedByProvider = "UnsupportedByProvider"
)

// Reasons of events only.
const (
	// EventRecordsAbandoned: a Federation was deleted, or wants no name in a zone any more, while the annotation
	// xmppfed.io/abandon-records-in gave that zone up; the note lists the records that are left there.
	EventRecordsAbandoned = "RecordsAbandoned"
	// EventZonesNotSearched: a Federation was deleted whose status does not tell in which zones it had records, as after a restore,
	// and some zones that cover none of its names could not be asked.
	EventZonesNotSearched = "ZonesNotSearched"
)

// Reasons of InboundReachable.
const (
	// ReasonReachable: the way a partner takes works.
	ReasonReachable = "Reachable"
	// ReasonNotChecked: nothing is known, because what comes before is not ready, or because the check could not be made.
	ReasonNotChecked = "NotChecked"
	// ReasonResolverUnavailable: none of the resolvers answers, so nothing is known.
	ReasonResolverUnavailable = "ResolverUnavailable"
	// ReasonSRVMissing: public DNS has no service record (RFC 6120 section 3.2.1) for a domain.
	ReasonSRVMissing = "SRVMissing"
	// ReasonSRVMismatch: public DNS has another service record than the published one.
	ReasonSRVMismatch = "SRVMismatch"
	// ReasonAddressMismatch: public DNS has another address for the host name than the published one.
	ReasonAddressMismatch = "AddressMismatch"
	// ReasonConnectionRefused: nothing listens at the public address and port.
	ReasonConnectionRefused = "ConnectionRefused"
	// ReasonConnectionTimeout: packets to the public address and port are dropped.
	ReasonConnectionTimeout = "ConnectionTimeout"
	// ReasonUndisclosed: no XMPP server answers at a public address of the spec that lies in a private network; the operator keeps back
	// why, as its flag --disclosed-networks does not name the network.
	ReasonUndisclosed = "Undisclosed"
	// ReasonNotXMPP: what answers at the public address is not an XMPP server.
	ReasonNotXMPP = "NotXMPP"
	// ReasonStreamRefused: an XMPP server answers but refuses the stream (RFC 6120 section 4.9.3).
	ReasonStreamRefused = "StreamRefused"
	// ReasonTLSNotOffered: the server does not offer STARTTLS (RFC 6120 section 5).
	ReasonTLSNotOffered = "TLSNotOffered"
	// ReasonTLSFailed: the TLS handshake fails.
	ReasonTLSFailed = "TLSFailed"
	// ReasonCertificateNameMismatch: the certificate served does not name the domain.
	ReasonCertificateNameMismatch = "CertificateNameMismatch"
	// ReasonCertificateExpired: the certificate served is outside its dates.
	ReasonCertificateExpired = "CertificateExpired"
)

// Reasons of Available, which has some of InboundReachable as well.
const (
	// ReasonNotPublished: nothing leads partners to the Federation yet: no service record of a domain that it wants was published.
	ReasonNotPublished = "NotPublished"
	// ReasonPartlyReachable: partners reach some of the domains, and not others.
	ReasonPartlyReachable = "PartlyReachable"
	// ReasonUnreachable: partners reach none of the domains.
	ReasonUnreachable = "Unreachable"
)

// Reasons of LimitsReached.
const (
	// ReasonRefusing: something that strangers, partners or users ask for is beyond a bound of the server, and is refused.
	ReasonRefusing = "Refusing"
	// ReasonShortOfMemory: the server is near its memory limit, and refuses streams and connections that are new.
	ReasonShortOfMemory = "ShortOfMemory"
)

// Reasons of PeersReachable, and of the entries of status.peers.
const (
	// ReasonPeersReachable: every partner in spec.peers answers.
	ReasonPeersReachable = "PeersReachable"
	// ReasonPeerReachable: the partner answers; only in status.peers.
	ReasonPeerReachable = "PeerReachable"
	// ReasonPeerDenied: our own policy denies the partner access, so it is not tried; only in status.peers.
	ReasonPeerDenied = "PeerDenied"
	// ReasonPeerDNS: the DNS has no server for the partner's domain (RFC 6120 section 3.2), or does not answer.
	ReasonPeerDNS = "PeerDNS"
	// ReasonPeerConnectionRefused: nothing listens at the partner's address and port.
	ReasonPeerConnectionRefused = "PeerConnectionRefused"
	// ReasonPeerTimeout: packets to the partner's address, or its answers, are dropped.
	ReasonPeerTimeout = "PeerTimeout"
	// ReasonPeerUndisclosed: no XMPP server answers for the partner, whose address lies in a private network; the operator keeps back why,
	// as its flag --disclosed-networks does not name the network.
	ReasonPeerUndisclosed = "PeerUndisclosed"
	// ReasonPeerNotXMPP: what answers at the partner's address is not an XMPP server.
	ReasonPeerNotXMPP = "PeerNotXMPP"
	// ReasonPeerServesNotDomain: an XMPP server answers, but does not serve the partner's domain (host-unknown).
	ReasonPeerServesNotDomain = "PeerServesNotDomain"
	// ReasonPeerRequiresTLS: the partner insists on encryption, but the policy for it says none.
	ReasonPeerRequiresTLS = "PeerRequiresTLS"
	// ReasonPeerOffersNoTLS: the policy demands encryption, but the partner offers none.
	ReasonPeerOffersNoTLS = "PeerOffersNoTLS"
	// ReasonPeerTLSFailed: the TLS handshake with the partner fails.
	ReasonPeerTLSFailed = "PeerTLSFailed"
	// ReasonPeerCertificateInvalid: the partner's certificate is expired, of another name, or of a CA that is not trusted.
	ReasonPeerCertificateInvalid = "PeerCertificateInvalid"
	// ReasonPeerRejectsCertificate: the partner does not accept our certificate.
	ReasonPeerRejectsCertificate = "PeerRejectsCertificate"
	// ReasonPeerRejectsDialback: the partner could not verify our domain by dialback (XEP-0220).
	ReasonPeerRejectsDialback = "PeerRejectsDialback"
	// ReasonPeerRefused: the partner's policy refuses our domain.
	ReasonPeerRefused = "PeerRefused"
	// ReasonPeerSilent: the partner takes the ping and never answers.
	ReasonPeerSilent = "PeerSilent"
	// ReasonPeerStreamError: the partner, or our server, ended the stream for another cause; the message has it.
	ReasonPeerStreamError = "PeerStreamError"
	// ReasonPeerHostsOurDomain: the partner's service, or one of spec.verification.hostedServices, hosts one of our domains, so that
	// what its users send us never leaves it.
	ReasonPeerHostsOurDomain = "PeerHostsOurDomain"
)
