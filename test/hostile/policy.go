// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Domains of [Peers].
const (
	lax           = "lax.example"
	certified     = "certified.example"
	either        = "either.example"
	shut          = "shut.example"
	international = "xn--mnchen-3ya.example"
)

// Peers are the partners that the server has to know, with their policies.
var Peers = map[string]v1alpha1.PeerPolicy{
	lax:           allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationDialback),
	certified:     allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
	either:        allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificateOrDialback),
	shut:          deny,
	international: deny,
}

var deny = v1alpha1.PeerPolicy{
	Access: v1alpha1.PeerAccessDeny, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
}

func allow(tls v1alpha1.PeerTLS, authentication v1alpha1.PeerAuthentication) v1alpha1.PeerPolicy {
	return v1alpha1.PeerPolicy{Access: v1alpha1.PeerAccessAllow, TLS: tls, Authentication: authentication}
}

// takeOver has the DNS lead everybody who asks about the peers, and about names like theirs, to a server of the attackers.
func takeOver(ctx context.Context, target Target) error {
	h := &host{issue: target.Issue, stanzas: map[string]int{}}
	address, err := listen(ctx, target, h.serve)
	if err != nil {
		return err
	}
	return target.Names.Point(address, lax, "sub."+lax, "not"+lax, certified, either, shut, "conference."+shut, "a.b."+shut,
		international, thief, healthyPartner, "other.example")
}

// policies are attempts to get the policy of another, the last ones of partners who are to be let in. They need what
// takeOver sets up.
func policies() []Attack {
	var attacks []Attack
	add := func(name string, in bool, a attempt, prepare func(a *attempt, target Target)) {
		attacks = append(attacks, trick(name, func(ctx context.Context, target Target) (string, error) {
			a := a
			prepare(&a, target)
			if a.dialback == "" {
				a.dialback = a.from
			}
			s, err := a.open(ctx, target)
			switch {
			case err == nil:
				_ = s.Close()
				if in {
					return "let in, as it is to be", nil
				}
			case in:
				return "", fmt.Errorf("not let in: %w", err)
			}
			return refused(err)
		}))
	}
	as := func(*attempt, Target) {}
	toRooms := func(a *attempt, target Target) { a.to = target.Rooms }
	for _, c := range confusions {
		add(c.name, false, c.attempt, as)
	}
	invalid := showing(func(Target) tls.Certificate { return selfSigned(certified, either) })
	add("an invalid certificate under a lenient name, dialback under a strict one", false,
		attempt{from: either, dialback: certified}, invalid)
	add("an invalid certificate and no name, dialback under a strict one", false, attempt{dialback: certified}, invalid)
	add("a certificate of another name, dialback under a strict one", false, attempt{from: "other.example", dialback: certified},
		showing(func(target Target) tls.Certificate { return target.Issue("other.example") }))
	ofShut := showing(func(target Target) tls.Certificate { return target.Issue(shut, "conference."+shut) })
	add("no name in the header, dialback under a shut one", false, attempt{dialback: shut}, ofShut)
	add("a shut name in upper case", false, attempt{from: "SHUT.Example"}, ofShut)
	add("a shut name with a dot at the end", false, attempt{from: shut + "."}, ofShut)
	add("a subdomain of a shut name", false, attempt{from: "conference." + shut}, ofShut)
	add("a subdomain of a shut name, to the room service", false, attempt{from: "a.b." + shut}, toRooms)
	add("a subdomain of a lax name, to the room service", true, attempt{from: "sub." + lax, plain: true}, toRooms)
	add("a lax name in upper case", true, attempt{from: "LAX.example", plain: true}, as)
	add("a lax name that is told by dialback only", true, attempt{dialback: lax, plain: true}, as)
	add("a lax name that is told by dialback only, to no address", true, attempt{dialback: lax, bare: true}, as)
	return attacks
}

// showing has an attempt show a certificate.
func showing(certificate func(target Target) tls.Certificate) func(a *attempt, target Target) {
	return func(a *attempt, target Target) {
		pair := certificate(target)
		a.certificate = &pair
	}
}

// confusions are attempts without a certificate.
var confusions = []struct {
	name    string
	attempt attempt
}{
	{"plaintext under a lax name, dialback under a strict one", attempt{from: lax, dialback: certified, plain: true}},
	{"an old server under a lax name, dialback under a strict one", attempt{from: lax, dialback: certified, legacy: true}},
	{"plaintext without a name, dialback under a strict one", attempt{dialback: certified, plain: true}},
	{"an old server without addresses in the header, dialback under a strict name", attempt{dialback: certified, bare: true}},
	{"an old server without addresses in the header, dialback under a shut name", attempt{dialback: shut, bare: true}},
	{"a lax name in the header, dialback under a shut one", attempt{from: lax, dialback: shut, plain: true}},
	{"dialback under a shut name with a dot at the end", attempt{from: lax, dialback: shut + ".", plain: true}},
	{"a shut name in its own script", attempt{from: "münchen.example"}},
	{"a shut name in its own script, upper case", attempt{from: "MÜNCHEN.example"}},
	{"a shut name with another kind of dot", attempt{from: "shut。example"}},
	{"a shut name in wide letters", attempt{from: "ｓｈｕｔ.example"}},
	{"dialback under a shut name in wide letters", attempt{from: lax, dialback: "ｓｈｕｔ.example", plain: true}},
	{"dialback under a shut name in its own script", attempt{from: lax, dialback: "münchen.example", plain: true}},
	{"a name that ends like a lax one, in plaintext", attempt{from: "not" + lax, plain: true}},
	{"a lax name's parent, in plaintext", attempt{from: "example", plain: true}},
	{"a name that can't be one", attempt{from: "a_b.example", plain: true}},
	{"an address in place of a name", attempt{from: "[::1]", plain: true}},
}
