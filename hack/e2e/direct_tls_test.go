// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/capture"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Direct TLS (XEP-0368) is switched on while a server runs: the address and the streams stay, the service records are
// checked from the wire, and a partner that looks for them comes in by the new port, as a capture of the packets shows.
func TestDirectTLS(t *testing.T) {
	needs(t, usual, exclusive(gmail.server()))
	s := newAllowedSite(t)
	const domain = "directtls." + zone
	fed := s.peered(domain, 5*time.Minute, func(spec *v1alpha1.FederationSpec) { spec.Peers = []v1alpha1.Peer{gmail.peer()} })
	s.awaitPeers(fed, readyWithin)
	before, pod, stream := s.publicService(fed), s.pod(fed), streamsWith(s.live(fed), "outgoing", gmail.domain)
	s.Expect(stream).To(HaveLen(1))

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{} })
	s.awaitReady(fed)
	s.mentions(s.await(fed, soon, v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable).Message,
		"by direct TLS at port 5270 as well")
	after := s.publicService(fed)
	s.Expect(after.UID).To(Equal(before.UID))
	s.Expect(after.Status.LoadBalancer).To(Equal(before.Status.LoadBalancer))
	s.Expect(after.Spec.Ports[0]).To(Equal(before.Spec.Ports[0]), "the port for STARTTLS, with its node port")
	s.Expect(s.pod(fed).UID).To(Equal(pod.UID), "nothing restarts")
	s.Expect(streamsWith(s.live(fed), "outgoing", gmail.domain)[0].Age).To(BeNumerically(">=", stream[0].Age), "the stream that stood")

	s.lab("partner", "switch", gmail.name) // it forgets what it looked up, and opens its streams anew
	packets, err := capture.Start(s.ctx, gmail.address)
	s.must(err)
	t.Cleanup(func() { s.must(packets.Stop()) })
	alice, user := s.loginTo(fed, "alice"), s.login(gmail.account())
	s.must(conversation.Say(s.ctx, user, alice, "by direct TLS"))
	ports := map[uint16]int{}
	s.Eventually(func(g Gomega) {
		streams, err := packets.Streams()
		g.Expect(err).NotTo(HaveOccurred())
		clear(ports)
		for _, stream := range streams {
			if stream.From.Addr().String() == gmail.address && stream.To.Addr().String() == before.Status.LoadBalancer.Ingress[0].IP {
				ports[stream.To.Port()]++
			}
		}
		g.Expect(ports).To(HaveKey(uint16(5270)))
	}, soon, poll).Should(Succeed())
	t.Logf("connections of %s to the public address, by port: %v", gmail.domain, ports)
	s.Expect(ports).NotTo(HaveKey(uint16(5269)))

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = nil })
	s.awaitReady(fed)
	for _, name := range []string{domain, "conference." + domain} {
		s.Expect(s.records(lab.Primary, "_xmpps-server._tcp."+name, dns.TypeSRV)).To(BeEmpty())
	}
	s.Eventually(func() []corev1.ServicePort { return s.publicService(fed).Spec.Ports }, soon, poll).Should(Equal(before.Spec.Ports),
		"the port stays open until no resolver leads there")
	s.must(conversation.Say(s.ctx, user, alice, "by STARTTLS again, or the stream that stands"))
}
