// SPDX-License-Identifier: Apache-2.0

package check

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

var (
	strict = v1alpha1.PeerPolicy{Access: "Allow", TLS: "Required", Authentication: "Certificate"}
	either = v1alpha1.PeerPolicy{Access: "Allow", TLS: "Required", Authentication: "CertificateOrDialback"}
	webex  = v1alpha1.PeerPolicy{Access: "Allow", TLS: "Optional", Authentication: "Dialback"}
	plain  = v1alpha1.PeerPolicy{Access: "Allow", TLS: "Disabled", Authentication: "Dialback"}
	deny   = v1alpha1.PeerPolicy{Access: "Deny", TLS: "Required", Authentication: "Certificate"}
)

// What to do, where several causes share it.
const (
	fixServer   = ". Its administrator must start it, or correct its SRV record or firewall (TCP 5269)"
	fixFirewall = ". A firewall drops them: that of gmail.com, or ours, which must let the server's pod out to TCP 5269"
	fixWay      = ". Check our routes and firewall, and the addresses that gmail.com publishes"
	fixDNS      = ". gmail.com must publish an SRV record _xmpp-server._tcp; if it does, check the DNS that the server's pod uses"
	fixServes   = ". The administrator of gmail.com must correct its SRV record, or add the domain to the server"
	fixStream   = ". It is no XMPP server, or blocks our address: ask the administrator of gmail.com"
	fixTLS      = ". Both sides need TLS 1.2 or later and a common cipher: compare with the administrator of gmail.com"
	fixOurs     = ". See the condition CertificateReady, and ask gmail.com to trust the CA in status.certificate"
	fixDialback = ". See the condition InboundReachable; else ask the administrator of gmail.com what its log says"
	fixCallBack = ". Its DNS or firewall, or our inbound side, is in the way: see the condition InboundReachable"
	fixHosting  = `. Forward to its support: "Please remove the domain cupdomain.com from your XMPP service, it is hosted elsewhere"`
	fixAllow    = ". Ask the administrator of gmail.com to allow the domain cupdomain.com"
	fixAskLog   = ". Ask the administrator of gmail.com what its log says"
	fixLater    = ". If this stays, ask the administrator of gmail.com"
)

func received(stage engine.Stage, condition, text string) engine.Pong {
	return engine.Pong{Stage: stage, Received: &engine.StreamError{Condition: condition, Text: text}}
}

func sent(stage engine.Stage, condition, text string) engine.Pong {
	return engine.Pong{Stage: stage, Sent: &engine.StreamError{Condition: condition, Text: text}}
}

func failed(stage engine.Stage, failure string) engine.Pong {
	return engine.Pong{Stage: stage, Failure: failure}
}

type judgement struct {
	policy  v1alpha1.PeerPolicy
	route   string
	pong    engine.Pong
	reason  string
	message string
}

func testJudgements(t *testing.T, table map[string]judgement) {
	t.Helper()
	for name, tc := range table {
		t.Run(name, func(t *testing.T) {
			policy := tc.policy
			if policy.Access == "" {
				policy = strict
			}
			target := PeerTarget{Domain: "gmail.com", From: "cupdomain.com", Policy: policy, Route: tc.route}
			got := JudgePing(target, tc.pong)
			if got.Reason != tc.reason || got.Message != tc.message {
				t.Errorf("got  %s: %s\nwant %s: %s", got.Reason, got.Message, tc.reason, tc.message)
			}
			if got.Status != statusFor(tc.reason) {
				t.Errorf("status %s for %s", got.Status, tc.reason)
			}
		})
	}
}

func TestPeerThatAnswersIsReachable(t *testing.T) {
	secure := engine.Session{Secure: true, Authentication: "EXTERNAL"}
	answer := func(condition string) engine.Pong {
		return engine.Pong{Answered: true, Seconds: 0.25, Condition: condition, Stage: engine.StageAnswer, Session: &secure}
	}
	for name, condition := range map[string]string{
		"with a pong": "", "with service-unavailable": "service-unavailable", "with item-not-found": "item-not-found",
		"with feature-not-implemented": "feature-not-implemented", "with forbidden, which is about pings": "forbidden",
		"with not-allowed": "not-allowed",
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgePing(PeerTarget{Domain: "gmail.com", From: "cupdomain.com", Policy: strict}, answer(condition))
			want := PeerVerdict{
				Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable,
				Message:   "gmail.com answers pings of cupdomain.com",
				Encrypted: true, Authentication: "EXTERNAL", RoundTrip: 250 * time.Millisecond,
			}
			if got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
	onPlain := answer("")
	onPlain.Session = &engine.Session{Authentication: "dialback"}
	hidden := answer("remote-server-timeout")
	hidden.Text = "Connection timeout"
	testJudgements(t, map[string]judgement{
		"in the clear, as its policy allows": {
			policy: plain, pong: onPlain, reason: v1alpha1.ReasonPeerReachable, message: "gmail.com answers pings of cupdomain.com",
		},
		"in the clear, against its policy": {
			pong: onPlain, reason: v1alpha1.ReasonPeerOffersNoTLS,
			message: "gmail.com offers no encryption (STARTTLS), but the policy for it says tls: Required. Ask gmail.com to switch " +
				"on TLS between servers, or accept the risk with tls: Optional",
		},
		"for a domain that it can't reach itself": {
			pong: hidden, reason: v1alpha1.ReasonPeerServesNotDomain,
			message: `the server that answers for gmail.com can't reach the domain itself (remote-server-timeout "Connection ` +
				`timeout"). It is a gateway: the administrator of gmail.com must look at what stands behind it`,
		},
	})
}

func TestPeerThatOurPolicyDenies(t *testing.T) {
	const message = "the policy of cupdomain.com denies gmail.com access. Set access: Allow for it in spec.peers to federate with it"
	testJudgements(t, map[string]judgement{
		"is denied whatever came of the ping": {
			policy: deny, pong: received(engine.StageStream, "host-unknown", ""), reason: v1alpha1.ReasonPeerDenied, message: message,
		},
		"by what the server still has in force": {
			pong:   engine.Pong{Condition: "not-allowed", Text: "policy of cupdomain.com does not allow federation with gmail.com"},
			reason: v1alpha1.ReasonPeerDenied, message: message,
		},
		"by a stream error of ours": {
			pong:   sent(engine.StageStream, "policy-violation", "cupdomain.com does not allow federation with gmail.com"),
			reason: v1alpha1.ReasonPeerDenied, message: message,
		},
	})
}

func TestPeerWithoutAStream(t *testing.T) {
	const there = "203.0.113.20:5269"
	testJudgements(t, map[string]judgement{
		"has no server in the DNS": {
			pong: failed(engine.StageResolve, "unable to resolve service"), reason: v1alpha1.ReasonPeerDNS,
			message: `the DNS has no server for gmail.com ("unable to resolve service")` + fixDNS,
		},
		"has no DNS that answers": {
			pong: sent(engine.StageResolve, "connection-timeout", ""), reason: v1alpha1.ReasonPeerDNS,
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
			pong: engine.Pong{Stage: engine.StageConnect}, reason: v1alpha1.ReasonPeerTimeout,
			message: "connections to the server of gmail.com get no answer" + fixFirewall,
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
			pong: failed(engine.StageStream, "connection closed"), reason: v1alpha1.ReasonPeerNotXMPP,
			message: `what answers for gmail.com closes or stays silent instead of opening a stream ("connection closed")` + fixStream,
		},
		"says nothing": {
			pong: sent(engine.StageStream, "connection-timeout", ""), reason: v1alpha1.ReasonPeerNotXMPP,
			message: "what answers for gmail.com closes or stays silent instead of opening a stream" + fixStream,
		},
		"has a server that does not serve it": {
			pong: received(engine.StageStream, "host-unknown", "This host does not serve gmail.com"), reason: v1alpha1.ReasonPeerServesNotDomain,
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
		"requires it for dialback (XEP-0220)": {
			policy: plain, reason: v1alpha1.ReasonPeerRequiresTLS, message: disabled,
			pong: engine.Pong{
				Stage: engine.StageAuthenticate, Failure: "dialback: error", Condition: "policy-violation", Text: "TLS must be used",
			},
		},
		"requires it, but our server can't": {
			policy: webex, pong: received(engine.StageAuthenticate, "policy-violation", "Use of STARTTLS required"),
			reason: v1alpha1.ReasonPeerRequiresTLS,
			message: `gmail.com requires encryption, which the server of cupdomain.com did not start (policy-violation "Use of STARTTLS ` +
				`required"). See the condition CertificateReady: without a certificate there is no TLS`,
		},
		"offers none": {
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
			pong: trouble("wrong name", "Your server's certificate is not valid for this name"), reason: v1alpha1.ReasonPeerCertificateInvalid,
			message: "the certificate of gmail.com does not name gmail.com. gmail.com needs one with that DNS name; if it can't, " +
				"accept the risk with authentication: Dialback",
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
				Stage: engine.StageAuthenticate, CertificateTrouble: "wrong name", Failure: "dialback: invalid",
			},
			message: "gmail.com does not accept the dialback key of cupdomain.com. Its DNS may lead to another server for cupdomain.com " +
				"than ours: see the condition InboundReachable, and ask its administrator",
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
			pong: received(engine.StageTLS, "not-authorized", "Your server's certificate is not trusted"), reason: v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`not-authorized "Your server's certificate is not trusted"`),
		},
		"in the words of an old ejabberd": {
			pong: received(engine.StageTLS, "policy-violation", "self signed certificate"), reason: v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`policy-violation "self signed certificate"`),
		},
		"by a SASL failure": {
			pong:    failed(engine.StageAuthenticate, "SASL: not-authorized unable to verify the first certificate"),
			reason:  v1alpha1.ReasonPeerRejectsCertificate,
			message: says(`"SASL: not-authorized unable to verify the first certificate"`),
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
	rejected := func(condition, text string) engine.Pong {
		return engine.Pong{Stage: engine.StageAuthenticate, Failure: "dialback: error", Condition: condition, Text: text}
	}
	const inTime = "gmail.com does not confirm cupdomain.com by dialback in time: it probably can't call our server back" + fixCallBack
	testJudgements(t, map[string]judgement{
		"because it could not call back": {
			policy: webex, pong: rejected("remote-server-not-found", "Connection failed: connection refused"),
			reason: v1alpha1.ReasonPeerRejectsDialback,
			message: `gmail.com could not call the server of cupdomain.com back to verify it by dialback (remote-server-not-found ` +
				`"Connection failed: connection refused")` + fixCallBack,
		},
		"because it could not call back, as RFC 3920 says it": {
			policy: plain, pong: received(engine.StageAuthenticate, "remote-connection-failed", ""), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com could not call the server of cupdomain.com back to verify it by dialback (remote-connection-failed)" + fixCallBack,
		},
		"by never ending to call back": {
			policy: plain, pong: sent(engine.StageAuthenticate, "connection-timeout", ""), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: inTime,
		},
		"by giving up to call back": {
			policy: webex, pong: received(engine.StageAuthenticate, "connection-timeout", "Idle connection"), reason: v1alpha1.ReasonPeerRejectsDialback,
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
		"with another error": {
			policy: webex, pong: rejected("internal-server-error", ""), reason: v1alpha1.ReasonPeerRejectsDialback,
			message: "gmail.com does not accept cupdomain.com by dialback (internal-server-error)" + fixDialback,
		},
		"for a domain of its own that it does not serve": {
			policy: webex, pong: rejected("not-allowed", "Host unknown"), reason: v1alpha1.ReasonPeerServesNotDomain,
			message: `the server that the DNS names for gmail.com does not serve it (not-allowed "Host unknown")` + fixServes,
		},
		"though it should use certificates": {
			pong: sent(engine.StageAuthenticate, "connection-timeout", ""), reason: v1alpha1.ReasonPeerTimeout,
			message: "the server of gmail.com stops answering before cupdomain.com is authenticated" + fixAskLog,
		},
	})
}

func TestPeerThatRefusesUs(t *testing.T) {
	testJudgements(t, map[string]judgement{
		"by its policy": {
			pong:   received(engine.StageStream, "policy-violation", "Your domain is not allowed to federate with gmail.com"),
			reason: v1alpha1.ReasonPeerRefused,
			message: `gmail.com refuses cupdomain.com by its policy (policy-violation "Your domain is not allowed to federate with gmail.com")` +
				fixAllow,
		},
		"by its policy, as ejabberd does at the first stanza": {
			pong: received(engine.StageAnswer, "invalid-from", ""), reason: v1alpha1.ReasonPeerRefused,
			message: "gmail.com refuses cupdomain.com by its policy (invalid-from)" + fixAllow,
		},
		"by its policy, in its answer to dialback": {
			policy: plain, reason: v1alpha1.ReasonPeerRefused,
			pong: engine.Pong{
				Stage: engine.StageAuthenticate, Failure: "dialback: error", Condition: "forbidden", Text: "Access denied by service policy",
			},
			message: `gmail.com refuses cupdomain.com by its policy (forbidden "Access denied by service policy")` + fixAllow,
		},
		"because it hosts our domain, as Prosody says": {
			pong: received(engine.StageStream, "undefined-condition", "Attempt to connect from a host we serve"), reason: v1alpha1.ReasonPeerHostsOurDomain,
			message: "the service of gmail.com refuses streams of cupdomain.com, because it hosts that domain itself" + fixHosting,
		},
		"because it hosts our domain, said later": {
			pong: received(engine.StageAuthenticate, "undefined-condition", "Attempt to authenticate as a host we serve"), reason: v1alpha1.ReasonPeerHostsOurDomain,
			message: "the service of gmail.com refuses streams of cupdomain.com, because it hosts that domain itself" + fixHosting,
		},
		"for a while": {
			pong: received(engine.StageAnswer, "system-shutdown", "Received SIGTERM"), reason: v1alpha1.ReasonPeerStreamError,
			message: `the server of gmail.com is shutting down or restarting (system-shutdown "Received SIGTERM")` + fixLater,
		},
		"under load": {
			pong: received(engine.StageStream, "resource-constraint", ""), reason: v1alpha1.ReasonPeerStreamError,
			message: "the server of gmail.com is overloaded, or limits cupdomain.com (resource-constraint)" + fixLater,
		},
		"for a cause of its own": {
			pong: received(engine.StageStream, "improper-addressing", "Missing 'to' attribute"), reason: v1alpha1.ReasonPeerStreamError,
			message: `gmail.com closes the stream of cupdomain.com (improper-addressing "Missing 'to' attribute")` + fixAskLog,
		},
	})
}

func TestPeerThatGivesNoAnswer(t *testing.T) {
	testJudgements(t, map[string]judgement{
		"on a stream that stands": {
			pong:   engine.Pong{Stage: engine.StageAnswer, Session: &engine.Session{Secure: true, Authentication: "EXTERNAL"}},
			reason: v1alpha1.ReasonPeerSilent,
			message: "gmail.com takes pings of cupdomain.com and never answers. It can't connect to our server (see the condition " +
				"InboundReachable), or hosts cupdomain.com itself: ask its administrator",
		},
		"because the connection is lost": {
			pong: failed(engine.StageAnswer, "closed"), reason: v1alpha1.ReasonPeerStreamError,
			message: `gmail.com closes the stream of cupdomain.com ("closed")` + fixAskLog,
		},
		"because our server ends the stream": {
			pong: sent(engine.StageAnswer, "invalid-id", ""), reason: v1alpha1.ReasonPeerStreamError,
			message: "the server of cupdomain.com closes the stream to gmail.com (invalid-id). See the server's log",
		},
		"because our server restarts": {
			pong: sent(engine.StageConnect, "system-shutdown", ""), reason: v1alpha1.ReasonNotChecked,
			message: "the server of cupdomain.com was restarting, so gmail.com was not tried. The operator tries it again; see the " +
				"condition ServerReady",
		},
		"because our server bounces the ping": {
			pong:   engine.Pong{Condition: "remote-server-not-found", Text: "Server-to-server connection failed: something"},
			reason: v1alpha1.ReasonPeerStreamError,
			message: `the server of cupdomain.com could not deliver a ping to gmail.com (remote-server-not-found "something"). See the ` +
				`server's log`,
		},
		"and our server says nothing at all": {
			pong: engine.Pong{}, reason: v1alpha1.ReasonNotChecked,
			message: "the server of cupdomain.com does not say what became of its ping of gmail.com. The operator tries it again; see " +
				"the server's log",
		},
	})
}

func TestPeerMessagesStayStillAndShort(t *testing.T) {
	target := PeerTarget{Domain: "gmail.com", From: "cupdomain.com", Policy: strict}
	one := JudgePing(target, received(engine.StageStream, "internal-server-error", "at 19:04:31 from 203.0.113.5:40112 id 8f3a4411"))
	two := JudgePing(target, received(engine.StageStream, "internal-server-error", "at 19:09:32 from 203.0.113.5:51310 id 77120a9f"))
	if one != two {
		t.Errorf("the message changes from try to try:\n%s\n%s", one.Message, two.Message)
	}
	long := strings.Repeat("very-long-label.", 15) + "example"
	target = PeerTarget{Domain: long, From: long, Policy: strict, Route: long + ":5269"}
	for _, stage := range []engine.Stage{"resolve", "connect", "stream", "tls", "authenticate", "answer"} {
		for _, p := range []engine.Pong{
			{Stage: stage}, received(stage, "policy-violation", long), sent(stage, "unsupported-feature", long), failed(stage, long),
			received(stage, "host-unknown", long), received(stage, "undefined-condition", "host we serve"),
		} {
			got := JudgePing(target, p)
			what, fix, found := strings.Cut(got.Message, ". ")
			if len(got.Message) > maxPeerMessage || !found || len(what) < 40 || fix == "" {
				t.Errorf("message of %d bytes: %s", len(got.Message), got.Message)
			}
		}
	}
}

func FuzzJudgePing(f *testing.F) {
	f.Add("gmail.com", "cupdomain.com", "", "Required", "Certificate", "stream", "", "", "policy-violation", "Use of STARTTLS required", "", "", byte(1))
	f.Add("a\x00\n\u202e", "{peer}{said}", "{us}", "Disabled", "Dialback", "", "dialback: \xff", "forbidden", "", "", "{fix}", "expired", byte(14))
	f.Fuzz(func(t *testing.T, domain, from, route, tls, authentication, stage, failure, condition, streamCondition, text, trouble, mechanism string, bits byte) {
		p := engine.Pong{
			Answered: bits&1 > 0, Stage: engine.Stage(stage), Failure: failure, Condition: condition, Text: text, CertificateTrouble: trouble,
		}
		if bits&2 > 0 {
			p.Received = &engine.StreamError{Condition: streamCondition, Text: text}
		}
		if bits&4 > 0 {
			p.Sent = &engine.StreamError{Condition: streamCondition, Text: text}
		}
		if bits&8 > 0 {
			p.Session = &engine.Session{Secure: bits&16 > 0, Authentication: mechanism}
		}
		policy := v1alpha1.PeerPolicy{
			Access: "Allow", TLS: v1alpha1.PeerTLS(tls), Authentication: v1alpha1.PeerAuthentication(authentication),
		}
		got := JudgePing(PeerTarget{Domain: domain, From: from, Route: route, Policy: policy}, p)
		if !isPeerReason(got.Reason) || got.Status != statusFor(got.Reason) {
			t.Errorf("status %s, reason %q", got.Status, got.Reason)
		}
		if got.Message == "" || len(got.Message) > maxPeerMessage || strings.ContainsFunc(got.Message, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("message of %d bytes: %q", len(got.Message), got.Message)
		}
		if got.Authentication != "" && got.Authentication != "EXTERNAL" && got.Authentication != "dialback" {
			t.Errorf("authentication %q", got.Authentication)
		}
	})
}

func isPeerReason(reason string) bool {
	switch reason {
	case v1alpha1.ReasonPeerReachable, v1alpha1.ReasonPeerDenied, v1alpha1.ReasonPeerDNS, v1alpha1.ReasonPeerConnectionRefused,
		v1alpha1.ReasonPeerTimeout, v1alpha1.ReasonPeerNotXMPP, v1alpha1.ReasonPeerServesNotDomain, v1alpha1.ReasonPeerRequiresTLS,
		v1alpha1.ReasonPeerOffersNoTLS, v1alpha1.ReasonPeerTLSFailed, v1alpha1.ReasonPeerCertificateInvalid,
		v1alpha1.ReasonPeerRejectsCertificate, v1alpha1.ReasonPeerRejectsDialback, v1alpha1.ReasonPeerRefused, v1alpha1.ReasonPeerSilent,
		v1alpha1.ReasonPeerStreamError, v1alpha1.ReasonPeerHostsOurDomain, v1alpha1.ReasonNotChecked:
		return true
	}
	return false
}
