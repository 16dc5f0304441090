// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// allow is the policy of a domain that may come in.
func allow(tls v1alpha1.PeerTLS, authentication v1alpha1.PeerAuthentication) v1alpha1.PeerPolicy {
	return v1alpha1.PeerPolicy{Access: v1alpha1.PeerAccessAllow, TLS: tls, Authentication: authentication}
}

var (
	plain = allow(v1alpha1.PeerTLSDisabled, v1alpha1.PeerAuthenticationDialback)
	deny  = v1alpha1.PeerPolicy{
		Access: v1alpha1.PeerAccessDeny, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
	}
)

const (
	pong        = "<iq type='result' id='ID' from='FROM' to='TO'/>"
	unavailable = "<iq type='error' id='ID' from='FROM' to='TO'><error type='cancel'>" +
		"<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text " +
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>nobody here</text></error></iq>"
)

// policies are all that make sense, by the name of the domain they are for.
var policies = map[string]v1alpha1.PeerPolicy{
	"certificate.example":     strict,
	"either.example":          allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificateOrDialback),
	"dialback.example":        allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationDialback),
	"optional-either.example": allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationCertificateOrDialback),
	"optional.example":        allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationDialback),
	"plain.example":           plain,
	"denied.example":          deny,
}

// peer makes partner known by a policy and a route to where it listens.
func (r *rig) peer(partner *prosodytest.Partner, policy v1alpha1.PeerPolicy) {
	r.input.Peers = append(r.input.Peers, engine.Peer{
		Domain: partner.Domain, Policy: policy, Route: &engine.Route{Host: "127.0.0.1", Port: partner.Port()},
	})
}

// partner is a server that does everything right, as far as policy wants it.
func (r *rig) partner(t *testing.T, name string, policy v1alpha1.PeerPolicy) *prosodytest.Partner {
	p := &prosodytest.Partner{Domain: name, External: true, Dialback: "valid", Answer: pong}
	p.Reply = &prosodytest.Attempt{From: name, To: domain}
	if policy.TLS == v1alpha1.PeerTLSDisabled {
		p.Legacy, p.Reply.Legacy = true, true
		return p
	}
	certificate := r.ca.KeyPair(t, name)
	p.Certificate, p.Reply.Certificate = &certificate, &certificate
	p.Reply.External = policy.Authentication != v1alpha1.PeerAuthenticationDialback
	return p
}

func (r *rig) ping(to string) engine.Pong {
	answer, err := engine.Ping(context.Background(), "127.0.0.1", token, domain, to)
	r.Expect(err).NotTo(HaveOccurred())
	return answer
}

func TestStreamsOfPartnersAreHeldToTheirPolicy(t *testing.T) {
	const (
		refused      = "policy of cupdomain.com"
		untrusted    = "certificate is not trusted"
		noExternal   = `expecting "<success"`
		noEncryption = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
	)
	// In the order of attempts below; empty: let in.
	outcomes := map[string][6]string{
		"certificate.example":     {"", "", untrusted, untrusted, refused, refused},
		"either.example":          {"", "", "", "", refused, refused},
		"dialback.example":        {noExternal, "", "", "", refused, refused},
		"optional-either.example": {"", "", "", "", "", ""},
		"optional.example":        {noExternal, "", "", "", "", ""},
		"plain.example":           {noEncryption, noEncryption, noEncryption, noEncryption, "", ""},
		"denied.example":          {refused, refused, refused, refused, refused, refused},
	}
	each(t, func(t *testing.T, r *rig) {
		for name, policy := range policies {
			r.peer(r.partner(t, name, policy).Listen(t), policy)
		}
		r.deliverConfig(t)
		stranger := prosodytest.NewCA(t)
		for name := range policies {
			valid, invalid := r.ca.KeyPair(t, name), stranger.KeyPair(t, name)
			attempts := []struct {
				name string
				prosodytest.Attempt
			}{
				{"SASL EXTERNAL", prosodytest.Attempt{Certificate: &valid, External: true}},
				{"dialback beside a valid certificate", prosodytest.Attempt{Certificate: &valid}},
				{"dialback beside an untrusted certificate", prosodytest.Attempt{Certificate: &invalid}},
				{"an untrusted certificate and a hidden name", prosodytest.Attempt{Certificate: &invalid, Name: name}},
				{"no encryption", prosodytest.Attempt{Plain: true}},
				{"a server older than XMPP 1.0", prosodytest.Attempt{Legacy: true}},
			}
			for i, attempt := range attempts {
				attempt.From, attempt.To = name, domain
				stream, err := attempt.Open()
				want := outcomes[name][i]
				if want != "" {
					r.Expect(err).To(MatchError(ContainSubstring(want)), "%s: %s", name, attempt.name)
					continue
				}
				r.Expect(err).NotTo(HaveOccurred(), "%s: %s", name, attempt.name)
				stream.Close()
			}
		}
	})
}

func TestStreamsToPartnersAreHeldToTheirPolicy(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for name, policy := range policies {
			r.peer(r.partner(t, name, policy).Listen(t), policy)
		}
		r.deliverConfig(t)
		for name, policy := range policies {
			got := r.ping(name)
			if policy.Access == v1alpha1.PeerAccessDeny {
				r.Expect(got.Answered).To(BeFalse(), "%s: %+v", name, got)
				r.Expect(got.Condition).To(Equal("not-allowed"), "%+v", got)
				continue
			}
			r.Expect(got.Answered).To(BeTrue(), "%s: %+v", name, got)
			r.Expect(got.Session).NotTo(BeNil(), "%s: %+v", name, got)
			r.Expect(got.Session.Secure).To(Equal(policy.TLS != v1alpha1.PeerTLSDisabled), "%s: %+v", name, got)
			want := "EXTERNAL"
			if policy.Authentication == v1alpha1.PeerAuthenticationDialback {
				want = "dialback"
			}
			r.Expect(got.Session.Authentication).To(Equal(want), "%s: %+v", name, got)
		}
		rooms, err := engine.Ping(context.Background(), "127.0.0.1", token, "conference."+domain, "certificate.example")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(rooms.Answered).To(BeTrue(), "%+v", rooms)
	})
}
