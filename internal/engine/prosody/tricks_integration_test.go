// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// TestNobodyGetsThePolicyOfAnother has a partner whose policy is lax try to be one whose policy is strict.
func TestNobodyGetsThePolicyOfAnother(t *testing.T) {
	const lax, certified, shut = "lax.example", "certified.example", "shut.example"
	either := allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificateOrDialback)
	each(t, func(t *testing.T, r *rig) {
		r.peer(r.partner(t, lax, plain).Listen(t), plain)
		r.peer(r.partner(t, certified, strict).Listen(t), strict)
		r.peer(r.partner(t, shut, deny).Listen(t), deny)
		r.peer(r.partner(t, "either.example", either).Listen(t), either)
		r.peer(r.partner(t, "xn--mnchen-3ya.example", deny).Listen(t), deny)
		r.deliverConfig(t)
		stranger := prosodytest.NewCA(t).KeyPair(t, certified, "either.example")
		otherName := r.ca.KeyPair(t, "other.example")
		shutName := r.ca.KeyPair(t, shut, "conference."+shut)
		for name, test := range map[string]struct {
			prosodytest.Attempt
			want string
		}{
			"plaintext under a lax name, dialback under a strict one": {
				prosodytest.Attempt{From: lax, Name: certified, Plain: true}, "requires encryption"},
			"an old server under a lax name, dialback under a strict one": {
				prosodytest.Attempt{From: lax, Name: certified, Legacy: true}, "requires encryption"},
			"plaintext without a name, dialback under a strict one": {
				prosodytest.Attempt{Name: certified, Plain: true}, "requires encryption"},
			"an old server without addresses in the header, dialback under a strict name": {
				prosodytest.Attempt{Name: certified, Legacy: true, Bare: true}, "policy of cupdomain.com requires encryption"},
			"an old server without addresses in the header, dialback under a shut name": {
				prosodytest.Attempt{Name: shut, Legacy: true, Bare: true}, "policy of cupdomain.com does not allow"},
			"an invalid certificate under a lenient name, dialback under a strict one": {
				prosodytest.Attempt{From: "either.example", Name: certified, Certificate: &stranger}, "requires a valid certificate"},
			"an invalid certificate and no name, dialback under a strict one": {
				prosodytest.Attempt{Name: certified, Certificate: &stranger}, "requires a valid certificate"},
			"a certificate of another name, dialback under a strict one": {
				prosodytest.Attempt{From: "other.example", Name: certified, Certificate: &otherName}, "requires a valid certificate"},
			"a lax name in the header, dialback under a shut one":     {prosodytest.Attempt{From: lax, Name: shut, Plain: true}, "does not allow"},
			"no name in the header, dialback under a shut one":        {prosodytest.Attempt{Name: shut, Certificate: &shutName}, "does not allow"},
			"a shut name in upper case":                               {prosodytest.Attempt{From: "SHUT.Example", Certificate: &shutName}, "does not allow"},
			"a shut name with a dot at the end":                       {prosodytest.Attempt{From: shut + ".", Certificate: &shutName}, "does not allow"},
			"dialback under a shut name with a dot at the end":        {prosodytest.Attempt{From: lax, Name: shut + ".", Plain: true}, "does not allow"},
			"a subdomain of a shut name":                              {prosodytest.Attempt{From: "conference." + shut, Certificate: &shutName}, "does not allow"},
			"a subdomain of a shut name, to the room service":         {prosodytest.Attempt{From: "a.b." + shut, To: "conference." + domain}, "does not allow"},
			"a shut name in its own script":                           {prosodytest.Attempt{From: "münchen.example"}, "does not allow"},
			"a shut name in its own script, upper case":               {prosodytest.Attempt{From: "MÜNCHEN.example"}, "does not allow"},
			"a shut name with another kind of dot":                    {prosodytest.Attempt{From: "shut。example"}, "does not allow"},
			"dialback under a shut name in its own script":            {prosodytest.Attempt{From: lax, Name: "münchen.example", Plain: true}, "does not allow"},
			"a name that ends like a lax one, in plaintext":           {prosodytest.Attempt{From: "not" + lax, Plain: true}, "requires encryption"},
			"a lax name's parent, in plaintext":                       {prosodytest.Attempt{From: "example", Plain: true}, "requires encryption"},
			"a name that can't be one":                                {prosodytest.Attempt{From: "a_b.example", Plain: true}, "does not allow"},
			"an address in place of a name":                           {prosodytest.Attempt{From: "[::1]", Plain: true}, "does not allow"},
			"a subdomain of a lax name, to the room service":          {prosodytest.Attempt{From: "sub." + lax, To: "conference." + domain, Plain: true}, ""},
			"a lax name in upper case":                                {prosodytest.Attempt{From: "LAX.example", Plain: true}, ""},
			"a lax name that is told by dialback only":                {prosodytest.Attempt{Name: lax, Plain: true}, ""},
			"a lax name that is told by dialback only, to no address": {prosodytest.Attempt{Name: lax, Legacy: true, Bare: true}, ""},
		} {
			attempt := test.Attempt
			if attempt.To == "" {
				attempt.To = domain
			}
			stream, err := attempt.Open()
			if test.want != "" {
				r.Expect(err).To(MatchError(ContainSubstring(test.want)), name)
				continue
			}
			r.Expect(err).NotTo(HaveOccurred(), name)
			stream.Close()
		}
	})
}

// TestNamelessStreamsAreOfferedEncryption opens a stream as an outside check does, which is nobody's.
func TestNamelessStreamsAreOfferedEncryption(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, defaults := range []v1alpha1.PeerPolicy{strict, plain, deny} {
			r.input.PeerDefaults = defaults
			r.deliverConfig(t)
			r.open(prosodytest.Attempt{To: domain, Unproven: true}).Close()
		}
	})
}

func TestStreamThatStandsDoesNotLetInNamesThatAreNotAllowed(t *testing.T) {
	const shut = "shut.example"
	each(t, func(t *testing.T, r *rig) {
		r.peer(r.partner(t, partner, strict).Listen(t), strict)
		r.peer(r.partner(t, shut, deny).Listen(t), deny)
		r.deliverConfig(t)
		stream := r.federate(t, domain)
		defer stream.Close()
		err := stream.Dialback(shut, domain)
		r.Expect(err).To(MatchError(And(ContainSubstring("type='error'"), ContainSubstring("policy-violation"))))
		r.Expect(stream.Ack()).To(Succeed(), "the stream of the partner stays")
		r.Expect(stream.Send("<message from='a@" + shut + "' to='cupuser1@" + domain + "'><body>x</body></message>")).To(Succeed())
		_, err = stream.Expect("<not-authorized")
		r.Expect(err).NotTo(HaveOccurred(), "what is sent all the same ends it")
	})
}

// TestStreamCarriesNothingForANameItHasNotProven has a partner write another's name into the header of a bidirectional
// stream, for which mod_s2s would send it the other's stanzas.
func TestStreamCarriesNothingForANameItHasNotProven(t *testing.T) {
	const lenient, thief = "lenient.example", "thief.example"
	either := allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificateOrDialback)
	each(t, func(t *testing.T, r *rig) {
		victim := r.partner(t, lenient, either)
		r.peer(victim.Listen(t), either)
		r.peer(r.partner(t, thief, either).Listen(t), either)
		r.deliverConfig(t)
		pair := r.ca.KeyPair(t, thief)
		stream, err := prosodytest.Attempt{From: lenient, Name: thief, To: domain, Certificate: &pair, Bidi: true}.Open()
		r.Expect(err).NotTo(HaveOccurred())
		defer stream.Close()
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		r.Expect(client.Send("<message to='a@" + lenient + "'><body>secret</body></message>")).To(Succeed())
		r.Eventually(func() string { return strings.Join(victim.Seen(), ",") }).Should(ContainSubstring("message"))
		for _, session := range r.status().Sessions {
			if session.Direction == "incoming" {
				r.Expect(session.Remote).To(Equal(thief), "status tells the name that is proven")
			}
		}
	})
}
