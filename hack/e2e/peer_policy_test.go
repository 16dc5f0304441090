// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// changes of one partner's policy, and how long each may take to be in force.
const (
	changes        = 100
	inForceWithin  = 10 * time.Second
	messagesPeriod = 40 * time.Millisecond
	// changingPeer is the domain whose policy changes; its server is the same, its streams are others.
	changingPeer = "conference.gmail.com"
)

// A partner's policy is changed 100 times while users of two other domains talk: each change is in force within seconds,
// no stream is dropped, and every message arrives exactly once and in order.
func TestPeerPolicyChanges(t *testing.T) {
	needs(t, usual, shared(gmail.server()))
	s := newAllowedSite(t)
	fed := s.peered("peerpolicy."+zone, 5*time.Minute, func(spec *v1alpha1.FederationSpec) {
		spec.Peers = []v1alpha1.Peer{gmail.peer(), {Domain: changingPeer, AcknowledgeInsecure: true}}
	})
	s.awaitPeers(fed, peersWithin) // which opens streams with both
	alice, jdoe1 := s.loginTo(fed, "alice"), s.login(gmail.account())
	s.talk(alice, jdoe1)
	before, ids, began := s.live(fed), s.streamIDs(fed), time.Now()
	talk := conversation.Chatter(alice, jdoe1, messagesPeriod)
	s.Cleanup(func() { talk.Stop() })

	var took []time.Duration
	for i := range changes {
		took = append(took, s.changePolicy(fed, i))
	}
	counts, err := talk.Stop()
	s.must(err)

	after := s.live(fed)
	s.Expect(s.streamIDs(fed)).To(ConsistOf(ids), "streams between the servers")
	lasted := int64(time.Since(began).Seconds())
	for _, stream := range before.Sessions {
		s.Expect(after.Sessions).To(ContainElement(Satisfy(func(now engine.Session) bool {
			return now.Direction == stream.Direction && now.Remote == stream.Remote && now.Age >= stream.Age+lasted-1
		})), "%s stream with %s, as old as it has to be", stream.Direction, stream.Remote)
	}
	slices.Sort(took)
	t.Logf("%d changes of the policy for %s in %d s, in force after %d ms (median), %d ms (slowest)\n"+
		"%s meanwhile; none lost, doubled or out of order\n%d streams before, the same %d after",
		changes, changingPeer, lasted, took[changes/2].Milliseconds(), took[changes-1].Milliseconds(), counts, len(ids), len(ids))
}

// policies that the streams with the partner meet, so that not even those have to go.
var policies = []v1alpha1.PeerPolicy{
	{TLS: v1alpha1.PeerTLSOptional, Authentication: v1alpha1.PeerAuthenticationCertificateOrDialback},
	{TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificateOrDialback},
	{TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate},
}

// changePolicy makes the i-th change and returns how long it took to be in force.
func (s *site) changePolicy(fed *v1alpha1.Federation, i int) time.Duration {
	s.Helper()
	generation := s.live(fed).Generation
	began := time.Now()
	change(s, fed, func(fed *v1alpha1.Federation) {
		policy := policies[i%len(policies)]
		fed.Spec.Peers[1].TLS, fed.Spec.Peers[1].Authentication = policy.TLS, policy.Authentication
	})
	var inForce time.Duration
	s.Eventually(func() string {
		inForce = time.Since(began)
		return s.live(fed).Generation
	}, inForceWithin, poll).ShouldNot(Equal(generation), "change %d in force", i)
	s.await(fed, inForceWithin, v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
	s.Expect(s.peerStatus(fed, changingPeer).Policy.TLS).To(Equal(policies[i%len(policies)].TLS))
	return inForce
}

// streamIDs are the server's own names of the streams with partners.
func (s *site) streamIDs(fed *v1alpha1.Federation) []string {
	s.Helper()
	list, err := lab.ProsodySessions(s.ctx, fed.Namespace, fed.Name+"-0")
	s.must(err)
	var ids []string
	for _, session := range lab.ParseSessions(list) {
		ids = append(ids, session.ID+" "+session.Direction+" "+session.Remote)
	}
	s.Expect(ids).NotTo(BeEmpty(), list)
	return ids
}
