// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/test/hostile"
)

// attacks are all that once ended the server of a Federation within seconds, in sizes that are played within a minute and a half.
var attacks = testkit.Campaign(
	[]hostile.Attack{
		hostile.WildcardDialback(1), hostile.WildcardDialback(4), hostile.PlainDialback(4), hostile.Crowd(200), hostile.Crowd(1000),
		hostile.SlowReaders(8), hostile.BidiFlood(5), hostile.Idle(1000),
		hostile.Unacknowledged(120), hostile.StreamsFlood(250, 10),
		hostile.UnfinishedByStrangers(1000), hostile.UnfinishedByPartners(30), hostile.NewNames(30, 10),
	},
	[]hostile.Attack{
		hostile.WildcardDialback(1), hostile.WildcardDialback(4), hostile.PlainDialback(4), hostile.Crowd(600), hostile.Crowd(1000),
		hostile.SlowReaders(8), hostile.BidiFlood(60), hostile.Idle(3000),
		hostile.Unacknowledged(120), hostile.StreamsFlood(250, 60),
		hostile.UnfinishedByStrangers(1000), hostile.UnfinishedByPartners(30), hostile.NewNames(30, 60),
	},
)

// briefly is the pause around attacks that take no time.
const briefly = 50 * time.Millisecond

// Whatever strangers, partners, users and crowds do, the pod stays in its memory limit and a healthy partner loses nothing.
func TestHostile(t *testing.T) {
	needs(t, usual, exclusive(processor, attackersAddresses))
	s := newAllowedSite(t)
	fed := s.attacked("hostile")
	a := s.attackers()
	var results []hostile.Result
	for _, attack := range attacks {
		result, err := hostile.Run(s.ctx, a.target(fed), attack)
		s.must(err)
		results = append(results, result)
		t.Logf("%s\nbefore: %s\nduring: %s\nafter: %s", attack.Name, result.Before, result.During, result.After)
		if err := result.Verdict(); err != nil {
			t.Errorf("%s: %v", attack.Name, err)
		}
		s.replacePod(fed) // so that the next attack finds no traces in its memory
	}
	t.Logf("in the pod of a Federation, whose memory limit is %s\n%s", s.memoryLimit(fed), hostile.Table(results))
}

// Nobody gets to speak for another, gets the policy of another, or harms who reads what they send.
func TestHostileRefused(t *testing.T) {
	needs(t, usual, exclusive(attackersAddresses))
	s := newAllowedSite(t)
	target := s.attackers().target(s.attacked("hostile-refused"))
	groups, err := hostile.Refused(s.ctx, target)
	s.must(err)
	var list []hostile.Attack
	for _, group := range groups {
		list = append(list, group.Attacks...)
	}
	results, err := hostile.RunAll(s.ctx, target, briefly, list...)
	s.must(err)
	t.Logf("\n%s", hostile.Table(results))
	for _, result := range results {
		if err := result.Verdict(); err != nil {
			t.Errorf("%s: %v", result.Attack, err)
		}
	}
	s.Expect(results).To(HaveLen(len(list)), "the server was there until the end")
}

// attacked is a Federation with users, rooms, direct TLS, and the partners that attackers try to be.
func (s *site) attacked(name string) *v1alpha1.Federation {
	s.Helper()
	domain := name + "." + zone
	s.furnish(domain, map[string]string{"alice": "alices-password", "mallory": "mallorys-password"})
	withRooms := s.certificate(domain, "conference."+domain)
	change(s, &corev1.Secret{ObjectMeta: withRooms.ObjectMeta}, func(secret *corev1.Secret) { secret.Data = withRooms.Data })
	fed := s.furnished(domain)
	fed.Spec.Server.GroupChat = &v1alpha1.GroupChatSpec{Subdomain: "conference", Access: v1alpha1.AudienceEveryone} // as attacks in rooms need it
	fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{}
	for name, policy := range hostile.Peers {
		fed.Spec.Peers = append(fed.Spec.Peers, v1alpha1.Peer{
			Domain: v1alpha1.DomainName(name), Access: policy.Access, TLS: policy.TLS, Authentication: policy.Authentication,
			AcknowledgeInsecure: true,
		})
	}
	s.create(fed)
	s.awaitReady(fed)
	return fed
}

// replacePod deletes the server's pod and waits until the new one is ready.
func (s *site) replacePod(fed *v1alpha1.Federation) {
	s.Helper()
	before := s.pod(fed)
	s.must(cluster.Delete(s.ctx, before, client.GracePeriodSeconds(0)))
	s.awaitOtherPod(fed, before.UID)
}

// memoryLimit returns the memory limit of the server's container.
func (s *site) memoryLimit(fed *v1alpha1.Federation) string {
	return s.pod(fed).Spec.Containers[0].Resources.Limits.Memory().String()
}
