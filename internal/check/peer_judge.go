// SPDX-License-Identifier: Apache-2.0

package check

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// maxRead is how many bytes of a server's own words are looked at.
const maxRead = 1024

// judgePong finds the cause, and the words of whoever ended the attempt where they add to it.
func judgePong(t PeerTarget, p engine.Pong) (c cause, said string) {
	switch {
	case t.Policy.Access == v1alpha1.PeerAccessDeny:
		return denied, ""
	case p.Answered:
		return judgeAnswer(t, p)
	case strings.HasPrefix(p.Failure, "dialback: "):
		return judgeDialback(t, p)
	case p.Received != nil:
		return judgeReceived(t, p, *p.Received)
	case strings.HasPrefix(p.Failure, "EXTERNAL: "):
		return rejectsCertificate, quoted("", p.Failure)
	case p.Sent != nil:
		return judgeSent(t, p, *p.Sent)
	case p.Failure != "" && p.Failure != "timeout":
		return judgeFailure(t, p)
	case p.Failure == "" && p.Condition == "not-allowed":
		return denied, "" // by the policy that the server has in force
	case p.Stage == "" && p.Condition != "":
		return undelivered, quoted(p.Condition, p.Text)
	}
	return judgeStall(t, p), ""
}

// judgeAnswer accepts every answer but that of a gateway whose domain is not there: users behind it get nothing either.
func judgeAnswer(t PeerTarget, p engine.Pong) (cause, string) {
	switch {
	case p.Condition == "remote-server-not-found", p.Condition == "remote-server-timeout":
		return gateway, quoted(p.Condition, p.Text)
	case t.Policy.TLS == v1alpha1.PeerTLSRequired && p.Session != nil && !p.Session.Secure:
		return offersNoTLS, ""
	}
	return answers, ""
}

// judgeDialback understands how a partner turns our dialback key down (XEP-0220 section 2.4), ejabberd's ways included.
func judgeDialback(t PeerTarget, p engine.Pong) (cause, string) {
	why := strings.TrimPrefix(p.Failure, "dialback: ")
	said := quoted(why, "")
	switch why {
	case "invalid":
		if p.Unasked {
			return hostsUsUnasked, ""
		}
		return keyInvalid, ""
	case "error":
		return rejectsDialback, ""
	case "host-unknown", "item-not-found":
		return t.foreign(), said
	case "remote-server-not-found", "remote-server-timeout", "remote-connection-failed":
		return cannotCallBack, said
	case "forbidden", "not-allowed", "policy-violation", "not-acceptable", "not-authorized":
		return refuses, said
	}
	return rejectsDialback, said
}

// judgeReceived understands the stream error with which the partner closed our stream.
func judgeReceived(t PeerTarget, p engine.Pong, e engine.StreamError) (cause, string) {
	text, said := lower(e.Text), quoted(e.Condition, e.Text)
	if has(text, "host we serve") {
		return hostsUs, ""
	}
	switch e.Condition {
	case "host-unknown", "host-gone":
		return t.foreign(), e.Condition
	case "policy-violation", "not-authorized", "undefined-condition", "unsupported-feature":
		return judgeRefusal(t, p, e)
	case "invalid-from":
		return refuses, said
	case "remote-connection-failed":
		return cannotCallBack, said
	case "connection-timeout":
		return judgeStall(t, p), ""
	case "system-shutdown", "reset":
		return restarting, said
	case "resource-constraint":
		return overloaded, said
	}
	return closesStream, said
}

// judgeRefusal understands the conditions that servers use for several things, told apart by their words.
func judgeRefusal(t PeerTarget, p engine.Pong, e engine.StreamError) (cause, string) {
	text, said := lower(e.Text), quoted(e.Condition, e.Text)
	plain := t.Policy.TLS == v1alpha1.PeerTLSDisabled && text == ""
	switch {
	case has(text, "certificate"), has(text, "self signed", "self-signed"):
		return rejectsCertificate, said
	case demandsTLS(text), e.Condition == "policy-violation" && plain && p.Stage != engine.StageAnswer:
		return t.withoutTLS(), said
	case has(text, "dialback"):
		return rejectsDialback, said
	case e.Condition == "policy-violation":
		return refuses, said
	case e.Condition == "not-authorized":
		return t.unproven(), said
	}
	return closesStream, said
}

// judgeSent understands the stream error with which our server closed the stream.
func judgeSent(t PeerTarget, p engine.Pong, e engine.StreamError) (cause, string) {
	text, said := lower(e.Text), quoted(e.Condition, e.Text)
	switch e.Condition {
	case "policy-violation":
		switch {
		case has(text, "valid certificate", "verify certificate"):
			return judgeCertificateTrouble(p.CertificateTrouble, e.Text)
		case has(text, "insists on encryption"):
			return t.withoutTLS(), ""
		case has(text, "offers no encryption", "requires encryption", "communication is required"):
			return offersNoTLS, ""
		case has(text, "does not allow federation"):
			return denied, ""
		}
	case "not-authorized":
		if has(text, "certificate") || t.blamesCertificate(p) {
			return judgeCertificateTrouble(p.CertificateTrouble, e.Text)
		}
		return t.unproven(), ""
	case "unsupported-feature":
		return judgeNoAuthentication(t, p)
	case "connection-timeout":
		return judgeStall(t, p), ""
	case "not-well-formed", "invalid-namespace", "invalid-xml", "bad-format", "bad-namespace-prefix", "restricted-xml",
		"unsupported-encoding":
		return notXMPP, said
	case "system-shutdown", "host-gone":
		return restarted, ""
	}
	return weClose, said
}

// judgeNoAuthentication tells which way to authenticate the partner does not offer.
func judgeNoAuthentication(t PeerTarget, p engine.Pong) (cause, string) {
	switch {
	case t.blamesCertificate(p):
		return judgeCertificateTrouble(p.CertificateTrouble, "")
	case t.Policy.Authentication == v1alpha1.PeerAuthenticationDialback:
		return offersNoDialback, ""
	}
	return offersNoExternal, ""
}

// judgeCertificateTrouble understands what our server says is wrong with the partner's certificate, or else what it tells
// the partner.
func judgeCertificateTrouble(trouble, told string) (cause, string) {
	if trouble == "" {
		trouble = told
	}
	text := lower(trouble)
	switch {
	case has(text, "expired"):
		return expired, ""
	case has(text, "self-signed"):
		return selfSigned, ""
	case has(text, "trusted"):
		return untrusted, ""
	case has(text, "wrong name", "for this name"):
		return wrongName, ""
	}
	return invalid, quoted("", trouble)
}

// judgeFailure understands an error below XMPP. Alerts come first: with TLS 1.3 the partner's verdict on our certificate
// arrives when the handshake is over for us.
func judgeFailure(t PeerTarget, p engine.Pong) (cause, string) {
	text, said := lower(p.Failure), quoted("", p.Failure)
	if has(text, "alert") && has(text, "certificate", "unknown ca", "access denied") {
		return rejectsCertificate, said
	}
	switch p.Stage {
	case engine.StageResolve, engine.StageConnect, "":
		return judgeConnect(t, p, text), said
	case engine.StageStream:
		return closesEarly, said
	case engine.StageTLS:
		return failsTLS, said
	case engine.StageAuthenticate:
		return t.unproven(), said
	default:
		return closesStream, said
	}
}

func judgeConnect(t PeerTarget, p engine.Pong, text string) cause {
	switch {
	case has(text, "refused"):
		return refusedTCP
	case p.Stage == engine.StageResolve, has(text, "resolve", "nxdomain", "servfail", "srv", "lookup"):
		return t.unresolved()
	case has(text, "timeout", "timed out"):
		return t.dropped()
	}
	return unroutable
}

// judgeStall is for an attempt that ended because nothing came any more.
func judgeStall(t PeerTarget, p engine.Pong) cause {
	switch p.Stage {
	case engine.StageResolve:
		return t.unresolved()
	case engine.StageConnect:
		return t.dropped()
	case engine.StageStream:
		return closesEarly
	case engine.StageTLS:
		return failsTLS
	case engine.StageAuthenticate:
		if t.Policy.Authentication == v1alpha1.PeerAuthenticationCertificate {
			return slow
		}
		return noCallBack
	case engine.StageAnswer:
		return silent
	}
	return unexplained
}

// foreign is for a server that does not serve the partner's domain.
func (t PeerTarget) foreign() cause {
	if t.Route != "" {
		return routeServesNot
	}
	return servesNot
}

func (t PeerTarget) unresolved() cause {
	if t.Route != "" {
		return noRoute
	}
	return noServer
}

// dropped is for connections that get no answer. The server's NetworkPolicy opens the port of a route by name to the route's ranges only.
func (t PeerTarget) dropped() cause {
	host, port, err := net.SplitHostPort(t.Route)
	if err != nil || port == strconv.Itoa(int(engine.PortNumberS2S)) || port == strconv.Itoa(int(engine.PortNumberS2STLS)) {
		return timeoutTCP
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return timeoutTCP
	}
	return timeoutRange
}

// withoutTLS is for a partner that insists on encryption.
func (t PeerTarget) withoutTLS() cause {
	if t.Policy.TLS == v1alpha1.PeerTLSDisabled {
		return requiresTLS
	}
	return missesTLS
}

// unproven is for a domain of ours, or its partner's, that the only proof in use did not prove.
func (t PeerTarget) unproven() cause {
	if t.Policy.Authentication == v1alpha1.PeerAuthenticationDialback {
		return rejectsDialback
	}
	return rejectsCertificate
}

// blamesCertificate tells whether trouble with the partner's certificate matters: with dialback it does not.
func (t PeerTarget) blamesCertificate(p engine.Pong) bool {
	return p.CertificateTrouble != "" && t.Policy.Authentication == v1alpha1.PeerAuthenticationCertificate
}

// demandsTLS knows the words of servers that insist on encryption: ejabberd's and Prosody's.
func demandsTLS(text string) bool {
	return has(text, "starttls", "encrypt", "tls") && has(text, "requir", "must", "need", "mandatory")
}

// lower joins texts for comparison.
func lower(texts ...string) string {
	return phrase.Clean(strings.ToLower(strings.TrimSpace(strings.Join(texts, " "))), maxRead)
}

func has(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// prefixes that Prosody puts before the cause proper.
var prefixes = []string{"Server-to-server connection failed: ", "Error during negotiation of encrypted connection: "}

// quoted are a server's own words, fit for a message. Words with four digits or more, such as times, ports and ids, are
// left out, for they would change from try to try.
func quoted(condition, text string) string {
	text = phrase.Clean(text, maxRead)
	for _, prefix := range prefixes {
		text = strings.TrimPrefix(text, prefix)
	}
	words := strings.Fields(text)
	for i, word := range words {
		digits := strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsDigit(r) })
		if len(strings.Join(digits, "")) >= 4 {
			words[i] = "#"
		}
	}
	said := phrase.Clean(condition, maxName)
	if len(words) > 0 {
		said = strings.TrimSpace(said + " " + phrase.Quote(strings.Join(words, " "), maxSaid))
	}
	return said
}
