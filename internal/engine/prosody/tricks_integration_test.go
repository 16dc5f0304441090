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

// saidByPolicy is what Prosody says to those who try to get the policy of another (test/hostile), by the name of the attack.
var saidByPolicy = map[string]string{
	"plaintext under a lax name, dialback under a strict one":                     "requires encryption",
	"an old server under a lax name, dialback under a strict one":                 "requires encryption",
	"plaintext without a name, dialback under a strict one":                       "requires encryption",
	"an old server without addresses in the header, dialback under a strict name": "policy of cupdomain.com requires encryption",
	"an old server without addresses in the header, dialback under a shut name":   "policy of cupdomain.com does not allow",
	"an invalid certificate under a lenient name, dialback under a strict one":    "requires a valid certificate",
	"an invalid certificate and no name, dialback under a strict one":             "requires a valid certificate",
	"a certificate of another name, dialback under a strict one":                  "requires a valid certificate",
	"a lax name in the header, dialback under a shut one":                         "does not allow",
	"no name in the header, dialback under a shut one":                            "does not allow",
	"a shut name in upper case":                                                   "does not allow",
	"a shut name with a dot at the end":                                           "does not allow",
	"dialback under a shut name with a dot at the end":                            "does not allow",
	"a subdomain of a shut name":                                                  "does not allow",
	"a subdomain of a shut name, to the room service":                             "does not allow",
	"a shut name in its own script":                                               "does not allow",
	"a shut name in its own script, upper case":                                   "does not allow",
	"a shut name with another kind of dot":                                        "does not allow",
	"a shut name in wide letters":                                                 "does not allow",
	"dialback under a shut name in wide letters":                                  "does not allow",
	"dialback under a shut name in its own script":                                "does not allow",
	"a name that ends like a lax one, in plaintext":                               "requires encryption",
	"a lax name's parent, in plaintext":                                           "requires encryption",
	"a name that can't be one":                                                    "does not allow",
	"an address in place of a name":                                               "does not allow",
	"dialback of a denied domain on another's stream":                             "does not allow",
	"dialback of a domain that has to have a certificate":                         "requires a valid certificate",
	"dialback of the healthy partner on another's stream":                         "requires a valid certificate",
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
