// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// direct is an attempt of the partner, which has the certificate of an authority, by direct TLS.
func direct(t *testing.T, ca *prosodytest.CA) prosodytest.Attempt {
	t.Helper()
	certificate := ca.KeyPair(t, partner)
	return prosodytest.Attempt{From: partner, To: domain, Certificate: &certificate, Direct: true, External: true}
}

func TestServerTakesDirectTLSOnceItIsSwitchedOnAndDropsNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		standing := r.federate(t, domain)
		defer standing.Close()
		attempt := direct(t, r.ca)
		_, err := attempt.Open()
		r.Expect(err).To(MatchError(ContainSubstring("connection refused")))

		r.input.DirectTLS = true
		r.deliverConfig(t)
		stream := r.open(attempt)
		defer stream.Close()
		r.Expect(stream.PeerSerial()).To(Equal("A1"))
		var kinds []string
		for _, session := range r.status().Sessions {
			r.Expect(session.Secure).To(BeTrue())
			kinds = append(kinds, session.Authentication)
		}
		r.Expect(kinds).To(Equal([]string{"EXTERNAL", "EXTERNAL"}))

		r.input.DirectTLS = false
		r.deliverConfig(t)
		_, err = attempt.Open()
		r.Expect(err).To(MatchError(ContainSubstring("connection refused")))
		r.Expect(stream.Alive(partner, domain)).To(Succeed())
		r.Expect(standing.Alive(partner, domain)).To(Succeed())
	})
}

func TestServerHoldsDirectTLSToThePolicies(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.input.DirectTLS = true
		r.deliverConfig(t)
		stranger := direct(t, prosodytest.NewCA(t))
		_, err := stranger.Open()
		r.Expect(err).To(HaveOccurred(), "a certificate of an authority that nobody trusts")
		elsewhere := direct(t, r.ca)
		elsewhere.To = "other.example"
		_, err = elsewhere.Open()
		r.Expect(err).To(MatchError(ContainSubstring("unrecognized name")))
		r.open(direct(t, r.ca)).Close()
		r.input.PeerDefaults.Access = v1alpha1.PeerAccessDeny
		r.deliverConfig(t)
		_, err = direct(t, r.ca).Open()
		r.Expect(err).To(MatchError(ContainSubstring("policy-violation")))
	})
}

func TestServerServesARenewedCertificateByDirectTLS(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.input.DirectTLS = true
		r.deliverConfig(t)
		before := r.open(direct(t, r.ca))
		defer before.Close()
		r.secrets.Cert, r.secrets.Key = r.ca.Issue(t, 0xB2, domain, "conference."+domain)
		r.deliverSecret(t)
		for _, to := range []string{domain, "conference." + domain} {
			attempt := direct(t, r.ca)
			attempt.To = to
			after := r.open(attempt)
			r.Expect(after.PeerSerial()).To(Equal("B2"))
			after.Close()
		}
		r.Expect(before.Alive(partner, domain)).To(Succeed())
	})
}

func TestServerTakesClientsByDirectTLS(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		_, err := prosodytest.LoginDirect(engine.PortNumberC2STLS, domain, "cupuser1", "pw1")
		r.Expect(err).To(MatchError(ContainSubstring("connection refused")))
		standing := r.login("cupuser2", "pw2")
		defer standing.Close()
		r.input.ClientDirectTLS = true
		r.deliverConfig(t)
		client, err := prosodytest.LoginDirect(engine.PortNumberC2STLS, domain, "cupuser1", "pw1")
		r.Expect(err).NotTo(HaveOccurred())
		defer client.Close()
		r.Expect(client.PeerSerial()).To(Equal("A1"))
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(standing.Ping(domain)).To(Succeed())
		_, err = prosodytest.LoginDirect(engine.PortNumberC2STLS, domain, "cupuser1", "wrong")
		r.Expect(err).To(HaveOccurred())
	})
}
