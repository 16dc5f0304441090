// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"
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
	fixHosting  = `. Forward to its support: "Please remove cupdomain.com, hosted elsewhere now, from your XMPP service"`
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
			if got.Reason != tc.reason || got.Message != tc.message+tagged(t, got) {
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
				ID: RoundTrip, Message: "gmail.com answers pings of cupdomain.com",
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
			pong:   sent(engine.StageStream, "policy-violation", "policy of cupdomain.com does not allow federation with gmail.com"),
			reason: v1alpha1.ReasonPeerDenied, message: message,
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
		"because it hosts our domain, as Prosody says": {
			pong:    received(engine.StageStream, "undefined-condition", "Attempt to connect from a host we serve"),
			reason:  v1alpha1.ReasonPeerHostsOurDomain,
			message: "the service of gmail.com refuses streams of cupdomain.com, because it hosts that domain itself" + fixHosting,
		},
		"because it hosts our domain, said later": {
			pong:    received(engine.StageAuthenticate, "undefined-condition", "Attempt to authenticate as a host we serve"),
			reason:  v1alpha1.ReasonPeerHostsOurDomain,
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
		"because it could offer us nothing": {
			policy: plain, pong: received(engine.StageStream, "undefined-condition", "No stream features to offer"),
			reason:  v1alpha1.ReasonPeerStreamError,
			message: `gmail.com closes the stream of cupdomain.com (undefined-condition "No stream features to offer")` + fixAskLog,
		},
		"for a cause of its own": {
			pong: received(engine.StageStream, "improper-addressing", "Missing 'to' attribute"), reason: v1alpha1.ReasonPeerStreamError,
			message: `gmail.com closes the stream of cupdomain.com (improper-addressing "Missing 'to' attribute")` + fixAskLog,
		},
	})
}

func TestPeerThatGivesNoAnswer(t *testing.T) {
	const nothing = "gmail.com takes pings of cupdomain.com and never answers. It can't connect to our server (see the condition " +
		"InboundReachable), or hosts cupdomain.com itself: ask its administrator"
	testJudgements(t, map[string]judgement{
		"on a stream that stands": {
			pong:   engine.Pong{Stage: engine.StageAnswer, Session: &engine.Session{Secure: true, Authentication: "EXTERNAL"}},
			reason: v1alpha1.ReasonPeerSilent, message: nothing,
		},
		"until our server gives up": {
			pong:   failed(engine.StageAnswer, "timeout"),
			reason: v1alpha1.ReasonPeerSilent, message: nothing,
		},
		"because it refused us, which our server learns too late": {
			pong:   engine.Pong{Stage: engine.StageAnswer, Failure: "timeout", Received: &engine.StreamError{Condition: "invalid-from"}},
			reason: v1alpha1.ReasonPeerRefused, message: "gmail.com refuses cupdomain.com by its policy (invalid-from)" + fixAllow,
		},
		"because our policy changes meanwhile": {
			policy: plain,
			pong:   sent(engine.StageAnswer, "policy-violation", "policy of cupdomain.com does not allow encryption (TLS) with gmail.com"),
			reason: v1alpha1.ReasonPeerStreamError,
			message: `the server of cupdomain.com closes the stream to gmail.com (policy-violation "policy of cupdomain.com does not ` +
				`allow encryption (TLS) w..."). See the server's log`,
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
			if len(got.Message) > maxPeerMessage || strings.LastIndex(got.Message, ". ") < 90 {
				t.Errorf("message of %d bytes: %s", len(got.Message), got.Message)
			}
		}
	}
}

func FuzzJudgePing(f *testing.F) {
	f.Add("gmail.com", "cupdomain.com", "", "Required", "Certificate", "stream",
		"", "", "policy-violation", "Use of STARTTLS required", "", "", byte(2))
	f.Add("a\x00\n\u202e", "{peer}{said}", "{us}", "Disabled", "Dialback", "",
		"dialback: \xff", "forbidden", "", "", "{fix}", "expired", byte(14))
	f.Fuzz(func(t *testing.T, domain, from, route, tls, authentication, stage,
		failure, condition, streamCondition, text, trouble, mechanism string, bits byte,
	) {
		p := engine.Pong{
			Answered: bits&1 > 0, Unasked: bits&32 > 0, Stage: engine.Stage(stage), Failure: failure, Condition: condition, Text: text, CertificateTrouble: trouble,
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
		strange := strings.ContainsFunc(got.Message, func(r rune) bool { return r < ' ' || r > '~' })
		if got.Message == "" || len(got.Message) > maxPeerMessage || strange {
			t.Errorf("message of %d bytes: %q", len(got.Message), got.Message)
		}
		if got.Authentication != "" && got.Authentication != "EXTERNAL" && got.Authentication != "dialback" {
			t.Errorf("authentication %q", got.Authentication)
		}
		for _, r := range PingResults(PeerTarget{Domain: domain, From: from, Route: route, Policy: policy}, p) {
			judged(t, r)
		}
	})
}

func isPeerReason(reason string) bool {
	switch reason {
	case v1alpha1.ReasonPeerReachable, v1alpha1.ReasonPeerDenied, v1alpha1.ReasonPeerDNS, v1alpha1.ReasonPeerConnectionRefused,
		v1alpha1.ReasonPeerTimeout, v1alpha1.ReasonPeerNotXMPP, v1alpha1.ReasonPeerServesNotDomain, v1alpha1.ReasonPeerRequiresTLS,
		v1alpha1.ReasonPeerOffersNoTLS, v1alpha1.ReasonPeerTLSFailed, v1alpha1.ReasonPeerCertificateInvalid,
		v1alpha1.ReasonPeerRejectsCertificate, v1alpha1.ReasonPeerRejectsDialback, v1alpha1.ReasonPeerRefused, v1alpha1.ReasonPeerSilent,
		v1alpha1.ReasonPeerStreamError, v1alpha1.ReasonPeerHostsOurDomain, v1alpha1.ReasonNotChecked,
		v1alpha1.ReasonPeerUndisclosed:
		return true
	}
	return false
}

// tagged is how the message of a verdict ends: with the check that fails, which has to be one that the reason fits.
func tagged(t *testing.T, v PeerVerdict) string {
	t.Helper()
	fitting := map[string][]ID{
		v1alpha1.ReasonPeerReachable:          {RoundTrip},
		v1alpha1.ReasonPeerDNS:                {PartnerRecords},
		v1alpha1.ReasonPeerConnectionRefused:  {PartnerTCP},
		v1alpha1.ReasonPeerTimeout:            {PartnerTCP, External},
		v1alpha1.ReasonPeerUndisclosed:        {PartnerTCP},
		v1alpha1.ReasonPeerNotXMPP:            {StreamOpens},
		v1alpha1.ReasonPeerServesNotDomain:    {StreamOpens, RoundTrip},
		v1alpha1.ReasonPeerRequiresTLS:        {EncryptionKept},
		v1alpha1.ReasonPeerOffersNoTLS:        {EncryptionKept},
		v1alpha1.ReasonPeerTLSFailed:          {Handshake},
		v1alpha1.ReasonPeerCertificateInvalid: {Certificate},
		v1alpha1.ReasonPeerRejectsCertificate: {External, AsksForOurs},
		v1alpha1.ReasonPeerRejectsDialback:    {DialbackCall, DialbackOffer},
		v1alpha1.ReasonPeerRefused:            {Policy},
		v1alpha1.ReasonPeerDenied:             {Policy},
		v1alpha1.ReasonPeerSilent:             {RoundTrip},
		v1alpha1.ReasonPeerHostsOurDomain:     {HostedThere, RefusedAsOwn},
		v1alpha1.ReasonPeerStreamError:        {StreamOpens, RoundTrip},
		v1alpha1.ReasonNotChecked:             {""},
	}
	if !slices.Contains(fitting[v.Reason], v.ID) {
		t.Errorf("reason %s comes with check %q", v.Reason, v.ID)
	}
	if v.Status == metav1.ConditionTrue {
		return ""
	}
	return tag(v.ID)
}
