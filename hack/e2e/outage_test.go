// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// A stopped DNS server makes one condition unknown, within 10 seconds, and nothing else; what was asked for meanwhile is
// published as soon as it is back.
func TestDNSOutage(t *testing.T) {
	needs(t, shared(theOperator), exclusive(publicDNS))
	s := newAllowedSite(t)
	fed, doomed := s.federation("outage."+zone), withoutPods(s.federation("doomed."+zone))
	s.create(fed, doomed)
	s.awaitReady(fed)
	s.awaitPublished(doomed)

	s.Cleanup(func() { s.lab("dns", "start", "primary") })
	s.lab("dns", "stop", "primary")
	stopped := time.Now()
	message := s.await(fed, 10*time.Second, v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady).Message
	t.Logf("DNSPublished=Unknown %.1f s after the server stopped: %s", time.Since(stopped).Seconds(), message)
	s.Expect(message).To(ContainSubstring(lab.Primary))
	s.await(fed, soon, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady)
	for _, unaffected := range []string{
		v1alpha1.ConditionAccepted, v1alpha1.ConditionCertificateReady, v1alpha1.ConditionServerReady,
		v1alpha1.ConditionAddressAssigned, v1alpha1.ConditionInboundReachable, v1alpha1.ConditionAvailable,
	} {
		s.Expect(s.condition(fed, unaffected).Status).To(Equal(metav1.ConditionTrue), unaffected)
	}

	// Everything but the zone goes on: changes of the server, new Federations; deletion waits and says for what.
	late := s.federation("late." + zone)
	s.create(late)
	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 })
	s.must(cluster.Delete(s.ctx, doomed))
	s.await(late, readyWithin, v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
	s.await(late, soon, v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	s.await(late, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable)
	s.Eventually(func() string { return s.condition(doomed, v1alpha1.ConditionReady).Message }, soon, poll).
		Should(And(ContainSubstring("deleting"), ContainSubstring(lab.Primary)))
	s.Expect(s.publicService(fed).Spec.Ports[0].Port).To(Equal(int32(15269)))

	started := time.Now()
	s.lab("dns", "start", "primary")
	s.awaitPublished(fed)
	t.Logf("healed %.1f s after the start of the server", time.Since(started).Seconds())
	s.awaitReady(fed)
	s.awaitReady(late)
	s.Expect(s.records(lab.Primary, "_xmpp-server._tcp.outage."+zone, dns.TypeSRV)).
		To(Equal([]string{"0 0 15269 xmpp.outage." + zone + "."}))
	s.Eventually(func() bool {
		return apierrors.IsNotFound(cluster.Get(s.ctx, client.ObjectKeyFromObject(doomed), doomed))
	}, goneWithin, poll).Should(BeTrue())
}

// A DNS server that drops the packets of the cluster is told within the same time, although nothing refuses the
// connection. Its secondary still reaches it: BIND would not ask again for 10 minutes.
func TestDNSUnreachable(t *testing.T) {
	needs(t, shared(theOperator), exclusive(publicDNS))
	s := newAllowedSite(t)
	fed := withoutPods(s.federation("unreachable." + zone))
	s.create(fed)
	s.awaitPublished(fed)

	reconnect := func() { s.lab("exec", "internet", "--", "nft", "add table ip e2e; delete table ip e2e") }
	s.Cleanup(reconnect)
	s.lab("exec", "internet", "--", "nft", "table ip e2e { chain in { type filter hook input priority 0; "+
		"ip saddr 198.51.100.10 ip daddr 203.0.113.53 drop; }; }")
	cut := time.Now()
	message := s.await(fed, 10*time.Second, v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady).Message
	t.Logf("DNSPublished=Unknown %.1f s after the packets were dropped: %s", time.Since(cut).Seconds(), message)
	s.Expect(message).To(ContainSubstring(lab.Primary))

	reconnect()
	s.awaitPublished(fed)
}
