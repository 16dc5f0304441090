// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// judgeProbe says what a server did, check by check, up to the first that fails.
func (s Subject) judgeProbe(pr probe, now time.Time) []Result {
	subject := pr.address.String()
	if isUnroutable(pr.dial) {
		return []Result{skipped(s.id(TCP), subject, "this machine has no route to such addresses")}
	}
	failed, ok := judgeTrial(s.target(), pr.trial, now)
	failed.ID = s.id(failed.ID)
	chain := s.afterRecords()
	if !ok && s.tolerates(pr) {
		return append(s.passes(pr, chain[:2]), s.judgePlain(pr)...)
	}
	reached := len(chain)
	if !ok {
		reached = slices.Index(chain, failed.ID)
		if failed.ID == Clock { // it is the certificate that tells
			reached = len(chain) - 1
		}
	}
	results := s.passes(pr, chain[:min(reached, 2)])
	if reached > 2 {
		results = append(results, s.judgeOffer(pr))
	}
	if reached > 3 {
		results = append(results, s.judgeHandshake(pr))
	}
	if ok {
		results = append(results, s.judgeChain(pr, now)...)
		return append(results, s.judgeProofs(pr)...)
	}
	failed.Subject = subject
	if failed.ID == Certificate && s.trustsDNS() {
		failed.Mark, failed.Words = Warn, failed.Words+"; dialback does without, as the policy says"
	}
	if pr.leaf != nil {
		failed.Evidence = describe(pr.state.PeerCertificates)
	}
	rest := chain[reached+1:]
	if failed.ID == Clock {
		rest = chain[reached:]
	}
	return append(append(results, s.adapt(failed, pr.trial)), hidden(failed.ID, subject, rest...)...)
}

// passes are the results of connection and stream.
func (s Subject) passes(pr probe, ids []ID) []Result {
	subject := pr.address.String()
	var results []Result
	for i, id := range ids {
		words := "TCP connections are accepted"
		if i > 0 {
			words = "it opens a stream to " + s.Domain + ", XMPP " + pr.header.Version
		}
		results = append(results, passed(id, subject, words))
	}
	if len(ids) > 1 && !pr.header.Modern() {
		old := &results[1]
		old.Words = "it opens a stream to " + s.Domain + " of a time before XMPP 1.0: no encryption, no certificates, only dialback"
		if s.Partner == "" {
			old.Mark, old.Fix = Warn, s.remedy("replace or configure the server so that it speaks XMPP 1.0")
		}
	}
	return results
}

// tolerates tells whether the policy for a partner allows for the lack of encryption.
func (s Subject) tolerates(pr probe) bool {
	tls := s.Policy.TLS
	return s.Partner != "" && pr.noTLS && (tls == v1alpha1.PeerTLSOptional || tls == v1alpha1.PeerTLSDisabled)
}

// trustsDNS tells whether a partner's certificate need not be right.
func (s Subject) trustsDNS() bool {
	way := s.Policy.Authentication
	return s.Partner != "" && (way == v1alpha1.PeerAuthenticationDialback || way == v1alpha1.PeerAuthenticationCertificateOrDialback)
}

// judgePlain is for a partner without encryption that may be without.
func (s Subject) judgePlain(pr probe) []Result {
	subject := pr.address.String()
	return []Result{
		passed(EncryptionKept, subject, "it offers no encryption, and the policy says tls: "+string(s.Policy.TLS)),
		skipped(Handshake, subject, "there is no encryption"), skipped(Certificate, subject, "there is no encryption"),
	}
}

// judgeOffer compares the offer of encryption with the policy.
func (s Subject) judgeOffer(pr probe) Result {
	r := passed(EncryptionKept, pr.address.String(), "it offers encryption (STARTTLS)")
	if pr.offered.TLSRequired {
		r.Words = "it requires encryption (STARTTLS)"
		if s.Policy.TLS == v1alpha1.PeerTLSDisabled {
			r.Mark, r.Reason = Fail, v1alpha1.ReasonPeerRequiresTLS
			r.Words = s.Domain + " requires encryption, but the policy for it says tls: Disabled"
			r.Fix = "Set tls: Required for it in spec.peers, or another profile"
		}
	}
	return r
}

const whoSendsNone = ", and old servers such as Prosody 0.12 send none"

// judgeHandshake judges version and cipher, and what those see who send no server name.
func (s Subject) judgeHandshake(pr probe) Result {
	version, cipher := tls.VersionName(pr.state.Version), tls.CipherSuiteName(pr.state.CipherSuite)
	r := passed(Handshake, pr.address.String(), version+", "+cipher)
	weak := slices.ContainsFunc(tls.InsecureCipherSuites(), func(c *tls.CipherSuite) bool { return c.ID == pr.state.CipherSuite })
	switch {
	case pr.state.Version < tls.VersionTLS12:
		r.Mark, r.Reason = Fail, v1alpha1.ReasonTLSFailed
		r.Words = "it speaks " + version + " at best, which servers of today refuse (RFC 8996)"
		r.Fix = s.remedy("switch on TLS 1.2 and 1.3 in the server")
	case weak:
		r.Mark, r.Words = Warn, "it chooses the weak cipher "+cipher
		r.Fix = s.remedy("switch on ciphers with ECDHE and AES-GCM or ChaCha20 in the server")
	case pr.unnamedErr != nil:
		r.Mark = Warn
		r.Words += "; but without a server name the handshake fails (" + explain(pr.unnamedErr) + ")" + whoSendsNone
		r.Fix = s.remedy("let the server show its certificate for the domain also to those who name no server")
	case pr.unnamed != nil && !bytes.Equal(pr.unnamed.Raw, pr.leaf.Raw) && !pki.Covers(pr.unnamed, s.Domain):
		r.Mark = Warn
		r.Words += "; but without a server name it shows a certificate for " + namesOf(pr.unnamed) + whoSendsNone
		r.Fix = s.remedy("let the server show its certificate for the domain also to those who name no server")
	}
	return r
}

// judgeProofs judges what the server lets others prove their domain by, and whether it knows its own dialback keys.
// Servers that insist on certificates close the stream of a stranger without one, which is no fault.
func (s Subject) judgeProofs(pr probe) []Result {
	subject := pr.address.String()
	if s.isRooms {
		return nil
	}
	certificates := passed(AsksForOurs, subject, "it asks other servers for a certificate")
	if !pr.asked {
		certificates.Mark, certificates.Words = Warn, "it asks other servers for no certificate, so only dialback can prove a domain to it"
		certificates.Fix = s.remedy("switch on SASL EXTERNAL, or the check of certificates of other servers")
	}
	dialback := passed(DialbackOffer, subject, "it offers dialback")
	byDialback := s.Policy.Authentication == v1alpha1.PeerAuthenticationDialback
	switch {
	case pr.after.Dialback:
	case pr.asked && !byDialback && (pr.restart == nil || insists(pr.restart)):
		dialback.Words = "it offers no dialback to those without a certificate that it trusts"
	case pr.restart != nil:
		dialback.Mark, dialback.Words = Fail, "the encrypted stream does not open ("+explain(pr.restart)+")"
		dialback.Fix = s.remedy("look at the server's log for this connection")
	default:
		dialback.Mark, dialback.Words = Fail, "it offers no dialback, and nothing else that would do"
		dialback.Fix = s.remedy("switch dialback on, or ask other servers for certificates")
	}
	if s.Partner != "" && dialback.Mark == Fail {
		dialback.Reason = v1alpha1.ReasonPeerRejectsDialback
	}
	results := []Result{certificates, dialback}
	if s.Partner != "" {
		return results
	}
	return append(results, s.judgeKeys(pr))
}

// judgeKeys judges the answers to dialback keys.
func (s Subject) judgeKeys(pr probe) Result {
	r := passed(DialbackKey, pr.address.String(), "it knows its own dialback keys, and rejects others")
	switch {
	case s.DialbackSecret == "":
		return skipped(DialbackKey, pr.address.String(), "the dialback secret is not known here")
	case pr.restart != nil:
		return skipped(DialbackKey, pr.address.String(), "it talks to nobody without a certificate")
	case pr.dialback != nil:
		r.Words = "it does not answer for dialback keys (" + explain(pr.dialback) + ")"
	case pr.right != "valid":
		r.Words = fmt.Sprintf("it answers %s to a key made from the Federation's dialback secret: it has another secret, or is "+
			"not our server", phrase.Quote(pr.right, maxRecord))
	case pr.wrong == "valid":
		r.Words = "it takes any dialback key for its own, so anybody can pass for " + s.Domain
	default:
		return r
	}
	r.Mark, r.Fix = Fail, s.remedy("look at the server's log; D34 tells which pod has another secret")
	return r
}

// describe is a certificate chain as evidence.
func describe(chain []*x509.Certificate) []string {
	const layout = "2006-01-02"
	var lines []string
	for i, cert := range chain[:min(len(chain), maxRecords)] {
		line := fmt.Sprintf("%s, issued by %s, valid from %s to %s, serial number %s", nameOf(cert), issuerOf(cert),
			cert.NotBefore.UTC().Format(layout), cert.NotAfter.UTC().Format(layout), pki.Serial(cert))
		if i == 0 && len(cert.DNSNames) > 0 {
			line += ", DNS names " + phrase.List(cert.DNSNames, maxRecords)
		}
		lines = append(lines, line)
	}
	return lines
}

func nameOf(cert *x509.Certificate) string { return orUnnamed(cert.Subject.String()) }

func issuerOf(cert *x509.Certificate) string { return orUnnamed(cert.Issuer.String()) }

func orUnnamed(name string) string {
	if strings.TrimSpace(name) == "" {
		return "(no subject)"
	}
	return phrase.Clean(name, maxRecord)
}
