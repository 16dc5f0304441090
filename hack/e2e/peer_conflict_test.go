// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// A partner, or a hosted service, that still hosts our domain is found within one verification interval, whether it
// refuses our streams loudly, as Prosody and GoogleTalk do, or takes them and keeps the answers, as ejabberd does. The
// message can be forwarded to its support; when they have removed the domain, it is gone.
func TestPeerHostsOurDomain(t *testing.T) {
	needs(t, usual, exclusive(cup8.server(), googletalk.server(), ejabberd.server(), webex.server()))
	const interval = 30 * time.Second
	const domain = "peerconflict." + zone
	s := newAllowedSite(t)
	fed := s.peered(domain, interval, func(spec *v1alpha1.FederationSpec) {
		spec.Peers = []v1alpha1.Peer{cup8.peer(), googletalk.peer(), ejabberd.peer()}
		spec.Verification.HostedServices = []v1alpha1.DomainName{v1alpha1.DomainName(webex.domain)}
	})
	s.awaitPeers(fed, peersWithin)
	s.Expect(s.peerStatus(fed, webex.domain)).To(BeZero(), "a hosted service that doesn't host our domain")

	var rows faultTable
	t.Run("services", func(t *testing.T) {
		for name, p := range map[string]partner{
			"loud, Prosody": cup8, "loud, GoogleTalk": googletalk, "silent, ejabberd": ejabberd, "hosted service": webex,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := s.of(t)
				fed := fed.DeepCopy()
				t.Cleanup(func() { s.heal(p) })
				s.switchTo(p, "hosts-us", domain)
				began := time.Now()
				status := s.awaitPeer(fed, interval, p.domain, v1alpha1.ReasonPeerHostsOurDomain)
				found := time.Since(began)
				s.Expect(status.Message).To(And(ContainSubstring(p.domain), ContainSubstring(domain), ContainSubstring("support")))

				s.heal(p)
				began = time.Now()
				healthy := v1alpha1.ReasonPeerReachable
				if p == webex {
					healthy = "" // it is no partner, so there is nothing to tell
				}
				s.awaitPeer(fed, interval+healedWithin, p.domain, healthy)
				rows.add([]string{p.domain, name, status.Reason, seconds(found), seconds(time.Since(began)), status.Message})
			})
		}
	})
	rows.print(t, "services that host our domain, interval "+interval.String())
	s.awaitPeers(fed, healedWithin)
}
