// SPDX-License-Identifier: Apache-2.0

package check

import "github.com/xmppfed/xmppfed/api/v1alpha1"

// cause is one thing that can be wrong with a partner: what is wrong and on which side, and what to do or to forward
// next. {peer} stands for the partner's domain, {us} for ours, {said} for the words of whoever ended the attempt, in
// brackets, {route} for the place that the spec names instead of the DNS, and {at} for " at {route}" where it does.
type cause struct {
	// id is the check that fails; empty when nothing was learnt.
	id                ID
	reason, what, fix string
}

// Nothing is wrong, or nothing was learnt.
var (
	answers = cause{id: RoundTrip, reason: v1alpha1.ReasonPeerReachable, what: "{peer} answers pings of {us}"}
	denied  = cause{
		Policy, v1alpha1.ReasonPeerDenied,
		"the policy of {us} denies {peer} access",
		"Set access: Allow for it in spec.peers to federate with it",
	}
	restarted = cause{
		"", v1alpha1.ReasonNotChecked,
		"the server of {us} was restarting, so {peer} was not tried",
		"The operator tries it again; see the condition ServerReady",
	}
	unexplained = cause{
		"", v1alpha1.ReasonNotChecked,
		"the server of {us} does not say what became of its ping of {peer}",
		"The operator tries it again; see the server's log",
	}
	undelivered = cause{
		RoundTrip, v1alpha1.ReasonPeerStreamError,
		"the server of {us} could not deliver a ping to {peer}{said}",
		"See the server's log",
	}
)

// Before there is a stream.
var (
	noServer = cause{
		PartnerRecords, v1alpha1.ReasonPeerDNS,
		"the DNS has no server for {peer}{said}",
		"{peer} must publish an SRV record _xmpp-server._tcp; if it does, check the DNS that the server's pod uses",
	}
	noRoute = cause{
		PartnerRecords, v1alpha1.ReasonPeerDNS,
		"the route {route} of {peer} leads to no address{said}",
		"Correct route in spec.peers, or check the DNS that the server's pod uses",
	}
	refusedTCP = cause{
		PartnerTCP, v1alpha1.ReasonPeerConnectionRefused,
		"connections to the server of {peer}{at} are refused",
		"Its administrator must start it, or correct its SRV record or firewall (TCP 5269)",
	}
	timeoutTCP = cause{
		PartnerTCP, v1alpha1.ReasonPeerTimeout,
		"connections to the server of {peer}{at} get no answer",
		"A firewall drops them: that of {peer}, or ours, which must let the server's pod out to TCP 5269",
	}
	timeoutRange = cause{
		PartnerTCP, v1alpha1.ReasonPeerTimeout,
		"connections to the server of {peer}{at} get no answer",
		"A firewall drops them: that of {peer}, or ours, which opens the port to route.addressRanges only: check these",
	}
	unroutable = cause{
		PartnerTCP, v1alpha1.ReasonPeerTimeout,
		"the server's pod has no way to the server of {peer}{at}{said}",
		"Check our routes and firewall, and the addresses that {peer} publishes",
	}
	undisclosedPeer = cause{
		PartnerTCP, v1alpha1.ReasonPeerUndisclosed,
		"no XMPP server answers for {peer}{at}; why is not told of addresses that are not public",
		"Check its route or records; the platform team can have more told (--disclosed-networks)",
	}
	notXMPP = cause{
		StreamOpens, v1alpha1.ReasonPeerNotXMPP,
		"what answers for {peer}{at} is no XMPP server{said}",
		"Its administrator must correct its SRV record, or what stands behind it",
	}
	closesEarly = cause{
		StreamOpens, v1alpha1.ReasonPeerNotXMPP,
		"what answers for {peer}{at} closes or stays silent instead of opening a stream{said}",
		"It is no XMPP server, or blocks our address: ask the administrator of {peer}",
	}
	servesNot = cause{
		StreamOpens, v1alpha1.ReasonPeerServesNotDomain,
		"the server that the DNS names for {peer} does not serve it{said}",
		"The administrator of {peer} must correct its SRV record, or add the domain to the server",
	}
	routeServesNot = cause{
		StreamOpens, v1alpha1.ReasonPeerServesNotDomain,
		"the server at the route {route} does not serve {peer}{said}",
		"Correct route in spec.peers, or ask {peer} to add the domain to the server",
	}
	gateway = cause{
		RoundTrip, v1alpha1.ReasonPeerServesNotDomain,
		"the server that answers for {peer} can't reach the domain itself{said}",
		"It is a gateway: the administrator of {peer} must look at what stands behind it",
	}
)

// Encryption and certificates.
var (
	requiresTLS = cause{
		EncryptionKept, v1alpha1.ReasonPeerRequiresTLS,
		"{peer} requires encryption, but the policy of {us} for it says tls: Disabled",
		"Set tls: Required for it in spec.peers, or another profile",
	}
	missesTLS = cause{
		EncryptionKept, v1alpha1.ReasonPeerRequiresTLS,
		"{peer} requires encryption, which the server of {us} did not start{said}",
		"See the condition CertificateReady: without a certificate there is no TLS",
	}
	offersNoTLS = cause{
		EncryptionKept, v1alpha1.ReasonPeerOffersNoTLS,
		"{peer} offers no encryption (STARTTLS), but the policy for it says tls: Required",
		"Ask {peer} to switch on TLS between servers, or accept the risk with tls: Optional",
	}
	failsTLS = cause{
		Handshake, v1alpha1.ReasonPeerTLSFailed,
		"TLS between {us} and {peer} fails{said}",
		"Both sides need TLS 1.2 or later and a common cipher: compare with the administrator of {peer}",
	}
	expired = cause{
		Certificate, v1alpha1.ReasonPeerCertificateInvalid,
		"the certificate of {peer} has expired",
		"The administrator of {peer} must renew it",
	}
	selfSigned = cause{
		Certificate, v1alpha1.ReasonPeerCertificateInvalid,
		"the certificate of {peer} is self-signed",
		"{peer} needs one from a public CA, or add it to spec.tls.trustedCAs after comparing fingerprints",
	}
	untrusted = cause{
		Certificate, v1alpha1.ReasonPeerCertificateInvalid,
		"the certificate of {peer} is of a CA that {us} does not trust",
		"Add that CA to spec.tls.trustedCAs, or have {peer} get a certificate of a public CA",
	}
	wrongName = cause{
		Certificate, v1alpha1.ReasonPeerCertificateInvalid,
		"the certificate of {peer} does not name {peer}",
		"{peer} needs one with that DNS name; if it can't, accept the risk with authentication: Dialback",
	}
	invalid = cause{
		Certificate, v1alpha1.ReasonPeerCertificateInvalid,
		"the certificate of {peer} is not valid{said}",
		"The administrator of {peer} must replace it",
	}
	rejectsCertificate = cause{
		External, v1alpha1.ReasonPeerRejectsCertificate,
		"{peer} does not accept the certificate of {us}{said}",
		"See the condition CertificateReady, and ask {peer} to trust the CA in status.certificate",
	}
	offersNoExternal = cause{
		AsksForOurs, v1alpha1.ReasonPeerRejectsCertificate,
		"{peer} does not take the certificate of {us} as proof: it offers no SASL EXTERNAL",
		"Ask {peer} to trust the CA in status.certificate, or allow dialback in spec.peers",
	}
)

// forwardable is what an administrator can send on as it is.
const forwardable = `Forward to its support: "Please remove {us}, hosted elsewhere now, from your XMPP service"`

// Dialback, policy and stanzas.
var (
	hostsUs = cause{
		RefusedAsOwn, v1alpha1.ReasonPeerHostsOurDomain,
		"the service of {peer} refuses streams of {us}, because it hosts that domain itself",
		forwardable,
	}
	hostsUsToo = cause{
		HostedThere, v1alpha1.ReasonPeerHostsOurDomain,
		"the service of {peer} also hosts {us}: what its users write to us never leaves it",
		forwardable,
	}
	hostsUsUnasked = cause{
		RefusedAsOwn, v1alpha1.ReasonPeerHostsOurDomain,
		"the service of {peer} rejects {us} by dialback without asking our server: it hosts that domain itself",
		forwardable,
	}
	keyInvalid = cause{
		DialbackCall, v1alpha1.ReasonPeerRejectsDialback,
		"{peer} does not accept the dialback key of {us}",
		"Its DNS may lead to another server for {us} than ours: see the condition InboundReachable, and ask its administrator",
	}
	cannotCallBack = cause{
		DialbackCall, v1alpha1.ReasonPeerRejectsDialback,
		"{peer} could not call the server of {us} back to verify it by dialback{said}",
		"Its DNS or firewall, or our inbound side, is in the way: see the condition InboundReachable",
	}
	noCallBack = cause{
		DialbackCall, v1alpha1.ReasonPeerRejectsDialback,
		"{peer} does not confirm {us} by dialback in time: it probably can't call our server back",
		"Its DNS or firewall, or our inbound side, is in the way: see the condition InboundReachable",
	}
	offersNoDialback = cause{
		DialbackOffer, v1alpha1.ReasonPeerRejectsDialback,
		"{peer} offers no dialback, but the policy for it says authentication: Dialback",
		"Ask {peer} to switch dialback on, or set authentication: Certificate",
	}
	rejectsDialback = cause{
		DialbackCall, v1alpha1.ReasonPeerRejectsDialback,
		"{peer} does not accept {us} by dialback{said}",
		"See the condition InboundReachable; else ask the administrator of {peer} what its log says",
	}
	refuses = cause{
		Policy, v1alpha1.ReasonPeerRefused,
		"{peer} refuses {us} by its policy{said}",
		"Ask the administrator of {peer} to allow the domain {us}",
	}
	silent = cause{
		RoundTrip, v1alpha1.ReasonPeerSilent,
		"{peer} takes pings of {us} and never answers",
		"It can't connect to our server (see the condition InboundReachable), or hosts {us} itself: ask its administrator",
	}
	slow = cause{
		External, v1alpha1.ReasonPeerTimeout,
		"the server of {peer} stops answering before {us} is authenticated",
		"Ask the administrator of {peer} what its log says",
	}
	restarting = cause{
		RoundTrip, v1alpha1.ReasonPeerStreamError,
		"the server of {peer} is shutting down or restarting{said}",
		"If this stays, ask the administrator of {peer}",
	}
	overloaded = cause{
		RoundTrip, v1alpha1.ReasonPeerStreamError,
		"the server of {peer} is overloaded, or limits {us}{said}",
		"If this stays, ask the administrator of {peer}",
	}
	closesStream = cause{
		StreamOpens, v1alpha1.ReasonPeerStreamError,
		"{peer} closes the stream of {us}{said}",
		"Ask the administrator of {peer} what its log says",
	}
	weClose = cause{
		RoundTrip, v1alpha1.ReasonPeerStreamError,
		"the server of {us} closes the stream to {peer}{said}",
		"See the server's log",
	}
)
