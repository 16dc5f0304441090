// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// Where only listed partners may come in, those may, and nobody else can open a stream to us or be reached by our users;
// whoever tries gets an error and not silence. The reverse, where one partner is denied and everybody else is not, works
// the same way, at once and without a restart.
func TestPeerDenyByDefault(t *testing.T) {
	needs(t, usual, shared(gmail.server(), ejabberd.server()))
	s := newAllowedSite(t)
	fed := s.peered("peeraccess."+zone, 5*time.Minute, func(spec *v1alpha1.FederationSpec) {
		spec.PeerDefaults = v1alpha1.PeerDefaults{Access: v1alpha1.PeerAccessDeny}
		spec.Peers = []v1alpha1.Peer{gmail.peer()}
	})
	pod := s.pod(fed)
	alice, jdoe1, emma := s.loginTo(fed, "alice"), s.login(gmail.account()), s.login(ejabberd.account())
	rows := [][]string{{"DEFAULT", "LISTED", "PEER", "ITS STREAM TO US", "OUR USER HEARS", "ITS USER HEARS"}}

	rows = append(rows, s.shutOut(fed, "Deny", "gmail.com: Allow", alice, emma, ejabberd))
	s.talk(alice, jdoe1)

	change(s, fed, func(fed *v1alpha1.Federation) {
		denied := ejabberd.peer()
		denied.Access = v1alpha1.PeerAccessDeny
		fed.Spec.PeerDefaults.Access, fed.Spec.Peers = v1alpha1.PeerAccessAllow, []v1alpha1.Peer{denied}
	})
	s.awaitReady(fed)
	rows = append(rows, s.shutOut(fed, "Allow", "ejabberd.example: Deny", alice, emma, ejabberd))
	s.talk(alice, jdoe1)
	s.Expect(s.peerStatus(fed, ejabberd.domain).Reason).To(Equal(v1alpha1.ReasonPeerDenied))

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Peers = nil })
	s.awaitReady(fed)
	s.Eventually(func() error { return conversation.Say(s.ctx, emma, alice, "let in") }, time.Minute, poll).Should(Succeed())
	s.talk(alice, emma)
	s.sameServer(fed, pod)
	table(t, "who is denied", rows)
}

// talk has two users exchange messages.
func (s *site) talk(a, b *conversation.Client) {
	s.Helper()
	s.must(conversation.Say(s.ctx, a, b, "hello"))
	s.must(conversation.Say(s.ctx, b, a, "hello, too"))
}

// shutOut makes sure that a partner's server is refused, and that both its user and ours are told.
func (s *site) shutOut(fed *v1alpha1.Federation, defaults, listed string, ours, theirs *conversation.Client, p partner) []string {
	s.Helper()
	refusal := s.streamRefused(fed, p.domain)
	s.must(ours.Send("message %s anybody there?", theirs.JID))
	outgoing := s.bounces(ours, theirs.JID)
	s.Expect(outgoing.Condition).To(Equal("not-allowed"))
	s.Expect(outgoing.Text).To(And(ContainSubstring("policy"), ContainSubstring(p.domain)))
	s.must(theirs.Send("message %s anybody there?", ours.JID))
	incoming := s.bounces(theirs, ours.JID)
	return []string{
		defaults, listed, p.domain, refusal.Condition + ": " + refusal.Text, outgoing.Condition + ": " + outgoing.Text,
		incoming.Condition + ": " + incoming.Text,
	}
}

// streamRefused opens a stream to the public address in the name of a domain, and returns the error that ends it.
func (s *site) streamRefused(fed *v1alpha1.Federation, from string) *xmpp.StreamError {
	s.Helper()
	ctx, cancel := contextWithin(s, soon)
	defer cancel()
	address := s.publicService(fed).Status.LoadBalancer.Ingress[0].IP
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(address, "5269"))
	s.must(err)
	_, err = xmpp.Open(ctx, conn, xmpp.Names{From: from, To: string(fed.Spec.Domains[0])})
	var refusal *xmpp.StreamError
	s.Expect(errors.As(err, &refusal)).To(BeTrue(), "a stream of %s: %v", from, err)
	s.Expect(refusal.Condition).To(Equal("policy-violation"))
	return refusal
}
