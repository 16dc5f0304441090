// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// peersWithin is for the first try of a handful of partners. It takes seconds, unless a partner can't call back yet.
const peersWithin = 90 * time.Second

// secured is how streams with a partner have to be.
type secured struct{ tls, authentication string }

// sixPartners are those of the field, and how streams with each have to be, in both directions.
var sixPartners = []struct {
	partner
	secured
}{
	{gmail, secured{"TLSv1.3", "EXTERNAL"}},
	{ejabberd, secured{"TLSv1.3", "EXTERNAL"}},
	{cup8, secured{"TLSv1.3", "EXTERNAL"}},
	{sametime, secured{"TLSv1.3", "EXTERNAL"}},
	{webex, secured{"TLSv1.3", "dialback"}},
	{googletalk, secured{"", "dialback"}},
}

// Each partner of the field works by its domain and profile alone: users find each other and talk in both directions, and
// every stream is as safe as the partner allows.
func TestPeers(t *testing.T) {
	needs(t, usual, shared(gmail.server(), ejabberd.server(), cup8.server(), sametime.server(), webex.server(), googletalk.server()))
	for name, image := range map[string]string{
		"p13":  "localhost/xmppfed/prosody:13.0",
		"p012": "localhost/xmppfed/prosody:0.12",
	} {
		t.Run(name, func(t *testing.T) {
			s := newAllowedSite(t)
			domain := name + "." + zone
			s.furnish(domain, map[string]string{"alice": "alices-password"})
			s.apply("peers.yaml", map[string]string{"NAMESPACE": s.namespace, "DOMAIN": domain, "IMAGE": image})
			fed := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "peers"}}
			s.awaitReady(fed)
			s.awaitPeers(fed, peersWithin)

			alice := s.loginTo(fed, "alice")
			for _, p := range sixPartners {
				user := s.login(p.account())
				s.must(conversation.Hold(s.ctx, alice, user, t.Output()))
				user.Close()
			}
			s.comparePeers(fed, "six partners of Prosody "+fed.Status.Server.Version)

			out := s.lab("kubectl", "-n", s.namespace, "get", "fed", "peers")
			s.Log(out)
			s.Expect(out).To(MatchRegexp(`NAME +DOMAIN +ADDRESS +AVAILABLE +READY +STATUS +PEERS +AGE`))
			s.Expect(out).To(MatchRegexp(`peers +\S+ +\S+ +True +True +Ready +6/6 `))
		})
	}
}

// comparePeers compares status and the server's live streams with what they have to be, and prints them.
func (s *site) comparePeers(fed *v1alpha1.Federation, title string) {
	s.Helper()
	live := s.live(fed)
	rows := [][]string{{"PEER", "PROFILE", "ACCESS", "TLS", "AUTHENTICATION", "TLS OUT", "TLS IN", "AUTH OUT", "AUTH IN", "ROUND TRIP"}}
	for i, p := range sixPartners {
		status := s.peerStatus(fed, p.domain)
		s.Expect(status.Policy).NotTo(BeNil(), p.domain)
		expected := fed.Spec.Peers[i].Policy(fed.Spec.PeerDefaults)
		s.Expect(*status.Policy).To(Equal(expected), p.domain)
		s.Expect(status.Encrypted).To(Equal(p.tls != ""), p.domain)
		s.Expect(status.Authentication).To(Equal(p.authentication), p.domain)
		s.Expect(status.RoundTrip).NotTo(BeNil(), p.domain)
		out := s.expectStreams(live, "outgoing", p.domain, p.secured)
		in := s.expectStreams(live, "incoming", p.domain, p.secured)
		rows = append(rows, []string{
			p.domain, string(p.profile), string(expected.Access), string(expected.TLS), string(expected.Authentication),
			orNone(out.tls), orNone(in.tls), out.authentication, in.authentication, status.RoundTrip.Duration.String(),
		})
	}
	table(s.T, title, rows)
}

// expectStreams makes sure that there are streams with a partner, and that all of them are as they have to be.
func (s *site) expectStreams(live engine.LiveStatus, direction, domain string, want secured) secured {
	s.Helper()
	streams := streamsWith(live, direction, domain)
	s.Expect(streams).NotTo(BeEmpty(), "%s streams with %s among %+v", direction, domain, live.Sessions)
	for _, stream := range streams {
		s.Expect(secured{stream.TLSVersion, stream.Authentication}).To(Equal(want), "%s stream with %s", direction, domain)
	}
	return want
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}
