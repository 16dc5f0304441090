// SPDX-License-Identifier: Apache-2.0

package check

import (
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

func TestPeerWithoutAStream(t *testing.T) {
	const there = "203.0.113.20:5269"
	testJudgements(t, map[string]judgement{
		"has no server in the DNS": {
			pong: failed(engine.StageResolve, "unable to resolve service"), reason: v1alpha1.ReasonPeerDNS,
			message: `the DNS has no server for gmail.com ("unable to resolve service")` + fixDNS,
		},
		"has no DNS that answers": {
			pong: failed(engine.StageResolve, "timeout"), reason: v1alpha1.ReasonPeerDNS,
			message: "the DNS has no server for gmail.com" + fixDNS,
		},
		"has a service record without addresses": {
			pong: failed(engine.StageConnect, "NXDOMAIN in A lookup"), reason: v1alpha1.ReasonPeerDNS,
			message: `the DNS has no server for gmail.com ("NXDOMAIN in A lookup")` + fixDNS,
		},
		"has a route without addresses": {
			route: "xmpp.gmail.com:5269", pong: failed(engine.StageResolve, "unable to resolve service"), reason: v1alpha1.ReasonPeerDNS,
			message: `the route xmpp.gmail.com:5269 of gmail.com leads to no address ("unable to resolve service"). Correct route in ` +
				`spec.peers, or check the DNS that the server's pod uses`,
		},
		"refuses connections": {
			pong: failed(engine.StageConnect, "connection refused"), reason: v1alpha1.ReasonPeerConnectionRefused,
			message: "connections to the server of gmail.com are refused" + fixServer,
		},
		"refuses connections at its route": {
			route: there, pong: failed(engine.StageConnect, "connection refused"), reason: v1alpha1.ReasonPeerConnectionRefused,
			message: "connections to the server of gmail.com at 203.0.113.20:5269 are refused" + fixServer,
		},
		"drops packets": {
			pong: failed(engine.StageConnect, "connection timeout"), reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com get no answer" + fixFirewall,
		},
		"drops packets until our server gives up": {
			pong: failed(engine.StageConnect, "timeout"), reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com get no answer" + fixFirewall,
		},
		"has a route by name to a port that is open to its ranges only": {
			route: "xmpp.gmail.com:15269", pong: failed(engine.StageConnect, "timeout"), reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com at xmpp.gmail.com:15269 get no answer. A firewall drops them: that of gmail.com, " +
				"or ours, which opens the port to route.addressRanges only: check these",
		},
		"has a route by address to another port": {
			route: "203.0.113.20:15269", pong: failed(engine.StageConnect, "connection timeout"), reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com at 203.0.113.20:15269 get no answer" + fixFirewall,
		},
		"has a route by name to the port for direct TLS": {
			route: "xmpp.gmail.com:5270", pong: failed(engine.StageConnect, "timeout"), reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com at xmpp.gmail.com:5270 get no answer" + fixFirewall,
		},
		"has addresses that we have no route to": {
			pong: failed(engine.StageConnect, "Network is unreachable"), reason: v1alpha1.ReasonPeerTimeout,
			message: `the server's pod has no way to the server of gmail.com ("Network is unreachable")` + fixWay,
		},
		"speaks something else": {
			pong: sent(engine.StageStream, "not-well-formed", ""), reason: v1alpha1.ReasonPeerNotXMPP,
			message: "what answers for gmail.com is no XMPP server (not-well-formed). Its administrator must correct its SRV record, " +
				"or what stands behind it",
		},
		"closes the connection at once": {
			pong: failed(engine.StageStream, "the partner closed the stream"), reason: v1alpha1.ReasonPeerNotXMPP,
			message: `what answers for gmail.com closes or stays silent instead of opening a stream ("the partner closed the stream")` + fixStream,
		},
		"says nothing": {
			pong: sent(engine.StageStream, "connection-timeout", ""), reason: v1alpha1.ReasonPeerNotXMPP,
			message: "what answers for gmail.com closes or stays silent instead of opening a stream" + fixStream,
		},
		"has a server that does not serve it": {
			pong:    received(engine.StageStream, "host-unknown", "This host does not serve gmail.com"),
			reason:  v1alpha1.ReasonPeerServesNotDomain,
			message: "the server that the DNS names for gmail.com does not serve it (host-unknown)" + fixServes,
		},
		"has a server that serves it no more": {
			pong: received(engine.StageAnswer, "host-gone", ""), reason: v1alpha1.ReasonPeerServesNotDomain,
			message: "the server that the DNS names for gmail.com does not serve it (host-gone)" + fixServes,
		},
		"has a route to a server that does not serve it": {
			route: there, pong: received(engine.StageStream, "host-unknown", ""), reason: v1alpha1.ReasonPeerServesNotDomain,
			message: "the server at the route 203.0.113.20:5269 does not serve gmail.com (host-unknown). Correct route in spec.peers, " +
				"or ask gmail.com to add the domain to the server",
		},
	})
}

func TestPeerWithAnotherIdeaOfEncryption(t *testing.T) {
	const disabled = "gmail.com requires encryption, but the policy of cupdomain.com for it says tls: Disabled. Set tls: Required " +
		"for it in spec.peers, or another profile"
	const offersNone = "gmail.com offers no encryption (STARTTLS), but the policy for it says tls: Required. Ask gmail.com to switch " +
		"on TLS between servers, or accept the risk with tls: Optional"
	testJudgements(t, map[string]judgement{
		"requires it, in ejabberd's words": {
			policy: plain, pong: received(engine.StageAuthenticate, "policy-violation", "Use of STARTTLS required"),
			reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
		},
		"requires it, in Prosody's words": {
			policy: plain, reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
			pong: received(engine.StageAuthenticate, "policy-violation", "Encrypted server-to-server communication is required but was not used"),
		},
		"requires it, before any feature": {
			policy: plain, pong: received(engine.StageStream, "policy-violation", "TLS is required"),
			reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
		},
		"requires it, without a word": {
			policy: plain, pong: received(engine.StageAuthenticate, "policy-violation", ""),
			reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
		},
		"requires it in its features, which our server tells": {
			policy: plain, reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
			pong: sent(engine.StageTLS, "policy-violation",
				"gmail.com insists on encryption (TLS), which the policy of cupdomain.com does not allow"),
		},
		"requires it, but our server can't": {
			policy: webex, pong: received(engine.StageAuthenticate, "policy-violation", "Use of STARTTLS required"),
			reason: v1alpha1.ReasonPeerRequiresTLS,
			message: `gmail.com requires encryption, which the server of cupdomain.com did not start (policy-violation "Use of STARTTLS ` +
				`required"). See the condition CertificateReady: without a certificate there is no TLS`,
		},
		"offers none, in the words of our policy": {
			pong:   sent(engine.StageTLS, "policy-violation", "gmail.com offers no encryption (TLS), which the policy of cupdomain.com requires"),
			reason: v1alpha1.ReasonPeerOffersNoTLS, message: offersNone,
		},
		"offered none before the policy required it": {
			pong:   sent(engine.StageAnswer, "policy-violation", "policy of cupdomain.com requires encryption (TLS) with gmail.com"),
			reason: v1alpha1.ReasonPeerOffersNoTLS, message: offersNone,
		},
		"offers none, in Prosody's words": {
			pong:   sent(engine.StageStream, "policy-violation", "Encrypted server-to-server communication is required but was not offered"),
			reason: v1alpha1.ReasonPeerOffersNoTLS, message: offersNone,
		},
		"fails the handshake": {
			pong:   failed(engine.StageTLS, "Error during negotiation of encrypted connection: tlsv1 alert protocol version"),
			reason: v1alpha1.ReasonPeerTLSFailed,
			message: `TLS between cupdomain.com and gmail.com fails ("tlsv1 alert protocol version")` +
				fixTLS,
		},
		"offers it and then refuses": {
			pong: failed(engine.StageTLS, "TLS negotiation failed"), reason: v1alpha1.ReasonPeerTLSFailed,
			message: `TLS between cupdomain.com and gmail.com fails ("TLS negotiation failed")` + fixTLS,
		},
		"never ends the handshake": {
			pong: sent(engine.StageTLS, "connection-timeout", ""), reason: v1alpha1.ReasonPeerTLSFailed,
			message: "TLS between cupdomain.com and gmail.com fails" + fixTLS,
		},
	})
}

func TestPeerWithABadCertificate(t *testing.T) {
	trouble := func(what, text string) engine.Pong {
		p := sent(engine.StageTLS, "not-authorized", text)
		p.CertificateTrouble = what
		return p
	}
	const untrustedCA = "the certificate of gmail.com is of a CA that cupdomain.com does not trust. Add that CA to spec.tls.trustedCAs, " +
		"or have gmail.com get a certificate of a public CA"
	testJudgements(t, map[string]judgement{
		"that has expired": {
			pong: trouble("expired", "Your server's certificate has expired"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: "the certificate of gmail.com has expired. The administrator of gmail.com must renew it",
		},
		"that is self-signed": {
			pong: trouble("self-signed", "Your server's certificate is self-signed"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: "the certificate of gmail.com is self-signed. gmail.com needs one from a public CA, or add it to " +
				"spec.tls.trustedCAs after comparing fingerprints",
		},
		"of a CA that nobody told us of": {
			pong: trouble("untrusted", "Your server's certificate is not trusted"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: untrustedCA,
		},
		"of another name": {
			pong:   trouble("wrong name", "Your server's certificate is not valid for this name"),
			reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: "the certificate of gmail.com does not name gmail.com. gmail.com needs one with that DNS name; if it can't, " +
				"accept the risk with authentication: Dialback",
		},
		"none at all": {
			pong: engine.Pong{
				Stage: engine.StageAuthenticate, CertificateTrouble: "none was shown",
				Sent: &engine.StreamError{Condition: "policy-violation", Text: "policy of cupdomain.com requires a valid certificate of gmail.com"},
			},
			reason:  v1alpha1.ReasonPeerCertificateInvalid,
			message: `the certificate of gmail.com is not valid ("none was shown"). The administrator of gmail.com must replace it`,
		},
		"of a day to come": {
			pong: trouble("not yet valid", "Your server's certificate is not trusted"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: `the certificate of gmail.com is not valid ("not yet valid"). The administrator of gmail.com must replace it`,
		},
		"known from our words alone": {
			pong: trouble("", "Your server's certificate is not trusted"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: untrustedCA,
		},
		"of a kind not seen before": {
			pong: trouble("key too short", ""), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: `the certificate of gmail.com is not valid ("key too short"). The administrator of gmail.com must replace it`,
		},
		"that leaves no way to authenticate": {
			pong: engine.Pong{
				Stage: engine.StageAuthenticate, CertificateTrouble: "untrusted",
				Sent: &engine.StreamError{Condition: "unsupported-feature", Text: "No viable authentication method offered"},
			},
			reason: v1alpha1.ReasonPeerCertificateInvalid, message: untrustedCA,
		},
		"which does not matter with dialback": {
			policy: webex, reason: v1alpha1.ReasonPeerRejectsDialback,
			pong: engine.Pong{
				Stage: engine.StageAuthenticate, CertificateTrouble: "wrong name", Failure: "dialback: error",
			},
			message: "gmail.com does not accept cupdomain.com by dialback" + fixDialback,
		},
	})
}

func TestPeerThatRejectsOurCertificate(t *testing.T) {
	const noExternal = "gmail.com does not take the certificate of cupdomain.com as proof: it offers no SASL EXTERNAL. Ask gmail.com " +
		"to trust the CA in status.certificate, or allow dialback in spec.peers"
	says := func(words string) string {
		return "gmail.com does not accept the certificate of cupdomain.com (" + words + ")" + fixOurs
	}
	testJudgements(t, map[string]judgement{
		"in Prosody's words": {
			pong:    received(engine.StageTLS, "not-authorized", "Your server's certificate is not trusted"),
			reason:  v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`not-authorized "Your server's certificate is not trusted"`),
		},
		"in the words of an old ejabberd": {
			pong: received(engine.StageTLS, "policy-violation", "self signed certificate"), reason: v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`policy-violation "self signed certificate"`),
		},
		"by a SASL failure": {
			pong:    failed(engine.StageAuthenticate, "EXTERNAL: not-authorized"),
			reason:  v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`"EXTERNAL: not-authorized"`),
		},
		"by a TLS alert": {
			pong:    failed(engine.StageStream, "Error during negotiation of encrypted connection: tlsv1 alert unknown ca"),
			reason:  v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`"tlsv1 alert unknown ca"`),
		},
		"by not knowing us after that, as ejabberd without dialback": {
			policy: either, pong: received(engine.StageAuthenticate, "not-authorized", ""), reason: v1alpha1.ReasonPeerRejectsCertificate,
			message: says("not-authorized"),
		},
		"by not offering EXTERNAL": {
			pong:   sent(engine.StageAuthenticate, "unsupported-feature", "No viable authentication method offered"),
			reason: v1alpha1.ReasonPeerRejectsCertificate, message: noExternal,
		},
	})
}

func TestPeerThatRejectsDialback(t *testing.T) {
	// What our server says of the stanza that it returns is no word of the partner's.
	rejected := func(why string) engine.Pong {
		return engine.Pong{
			Stage: engine.StageAuthenticate, Failure: "dialback: " + why, Unasked: why != "valid",
			Sent:      &engine.StreamError{Condition: "not-authorized"},
			Condition: "remote-server-timeout", Text: "Server-to-server connection failed: dialback authentication failed",
		}
	}
	asked := rejected("invalid")
	asked.Unasked = false
	const inTime = "gmail.com does not confirm cupdomain.com by dialback in time: it probably can't call our server back" + fixCallBack
	testJudgements(t, map[string]judgement{
		"because it could not call back": {
			policy: webex, pong: rejected("remote-server-not-found"),
			reason:  v1alpha1.ReasonPeerRejectsDialback,
			message: `gmail.com could not call the server of cupdomain.com back to verify it by dialback (remote-server-not-found)` + fixCallBack,
		},
		"because it could not call back, as RFC 3920 says it": {
			policy: plain, pong: received(engine.StageAuthenticate, "remote-connection-failed", ""),
			reason:  v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com could not call the server of cupdomain.com back to verify it by dialback (remote-connection-failed)" + fixCallBack,
		},
		"by never ending to call back": {
			policy: plain, pong: sent(engine.StageAuthenticate, "connection-timeout", ""), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: inTime,
		},
		"by giving up to call back": {
			policy: webex, pong: received(engine.StageAuthenticate, "connection-timeout", "Idle connection"),
			reason:  v1alpha1.ReasonPeerRejectsDialback,
			message: inTime,
		},
		"because it has none": {
			policy: webex, pong: sent(engine.StageAuthenticate, "unsupported-feature", "No viable authentication method offered"),
			reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com offers no dialback, but the policy for it says authentication: Dialback. Ask gmail.com to switch dialback " +
				"on, or set authentication: Certificate",
		},
		"without a reason": {
			policy: webex, pong: sent(engine.StageAuthenticate, "not-authorized", ""), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com does not accept cupdomain.com by dialback" + fixDialback,
		},
		"in so many words": {
			policy: webex, pong: received(engine.StageAuthenticate, "not-authorized", "dialback authentication failed"),
			reason:  v1alpha1.ReasonPeerRejectsDialback,
			message: `gmail.com does not accept cupdomain.com by dialback (not-authorized "dialback authentication failed")` + fixDialback,
		},
		"with another error": {
			policy: webex, pong: rejected("internal-server-error"), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com does not accept cupdomain.com by dialback (internal-server-error)" + fixDialback,
		},
		"for a domain of its own that it does not serve": {
			policy: webex, pong: rejected("item-not-found"), reason: v1alpha1.ReasonPeerServesNotDomain,
			message: `the server that the DNS names for gmail.com does not serve it (item-not-found)` + fixServes,
		},
		"without a word of why": {
			policy: plain, pong: rejected("error"), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com does not accept cupdomain.com by dialback" + fixDialback,
		},
		"because it was told that the key is wrong": {
			policy: webex, pong: asked, reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com does not accept the dialback key of cupdomain.com. Its DNS may lead to another server for cupdomain.com " +
				"than ours: see the condition InboundReachable, and ask its administrator",
		},
		"without asking our server": {
			policy: plain, pong: rejected("invalid"), reason: v1alpha1.ReasonPeerHostsOurDomain,
			message: "the service of gmail.com rejects cupdomain.com by dialback without asking our server: it hosts that domain itself" +
				fixHosting,
		},
		"because its policy refuses us": {
			policy: plain, pong: rejected("policy-violation"), reason: v1alpha1.ReasonPeerRefused,
			message: "gmail.com refuses cupdomain.com by its policy (policy-violation)" + fixAllow,
		},
		"though it should use certificates": {
			pong: sent(engine.StageAuthenticate, "connection-timeout", ""), reason: v1alpha1.ReasonPeerTimeout,
			message: "the server of gmail.com stops answering before cupdomain.com is authenticated" + fixAskLog,
		},
	})
}
