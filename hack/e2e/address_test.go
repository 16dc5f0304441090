// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// When the cloud changes the address, the A record follows, in under a second as the median of 20, and the service
// record is not even written again.
func TestReaddress(t *testing.T) {
	needs(t, usual, exclusive(processor))
	const rounds = 20
	s := newAllowedSite(t)
	fed := withoutPods(s.federation("readdress." + zone))
	s.create(fed)
	s.awaitPublished(fed)
	service := client.ObjectKeyFromObject(s.publicService(fed))
	written := s.watchUpdates()

	var took []time.Duration
	for range rounds {
		began := time.Now() // before the cloud is asked, so its own part counts as well
		address, err := lab.Readdress(s.ctx, service)
		s.Expect(err).NotTo(HaveOccurred())
		s.Eventually(func() []string { return s.records(lab.Primary, "xmpp.readdress."+zone, dns.TypeA) },
			soon, closely).Should(Equal([]string{address}))
		took = append(took, time.Since(began))
		s.Expect(s.records(lab.Primary, "_xmpp-server._tcp.readdress."+zone, dns.TypeSRV)).
			To(Equal([]string{"0 0 5269 xmpp.readdress." + zone + "."}))
		s.Eventually(func() []string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.Addresses }, soon, poll).
			Should(Equal([]string{address}))
	}
	t.Logf("address changed at the cloud -> A record at the primary, %d times: %v", rounds, milliseconds(took))
	slices.Sort(took)
	median := (took[rounds/2-1] + took[rounds/2]) / 2
	t.Logf("readdress: median %d ms, slowest %d ms of %d", median.Milliseconds(), took[rounds-1].Milliseconds(), rounds)
	s.Expect(median).To(BeNumerically("<", time.Second))
	updates := written()
	s.Expect(updates).To(ContainElement(ContainSubstring("adding an RR at 'xmpp.readdress." + zone + "' A")))
	s.Expect(updates).NotTo(ContainElement(ContainSubstring("'_xmpp-server._tcp.readdress."+zone+"' SRV")), "updates of the service record")

	s.Eventually(func() []string { return s.records(lab.Secondary, "xmpp.readdress."+zone, dns.TypeA) }, soon, poll).
		Should(Equal(s.records(lab.Primary, "xmpp.readdress."+zone, dns.TypeA)))
}

// A change of the public port moves Service and service record together, keeps the address, and leaves nothing behind.
func TestPortChange(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	s := newAllowedSite(t).in(zone)
	before := s.transfer()
	fed := withoutPods(s.federation("portchange." + zone))
	s.create(fed)
	s.awaitPublished(fed)
	service := s.publicService(fed)

	for _, port := range []int32{15269, 443, 5269} {
		change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = port })
		s.awaitPublished(fed)
		after := s.publicService(fed)
		s.Expect(after.Spec.Ports[0].Port).To(Equal(port))
		s.Expect(after.UID).To(Equal(service.UID))
		s.Expect(after.Status.LoadBalancer).To(Equal(service.Status.LoadBalancer))
		for _, server := range []string{lab.Primary, lab.Secondary} {
			s.Expect(s.records(server, "_xmpp-server._tcp.portchange."+zone, dns.TypeSRV)).
				To(Equal([]string{fmt.Sprintf("0 0 %d xmpp.portchange.%s.", port, zone)}))
		}
		s.Expect(normalize(without(s.transfer(), before))).To(Equal(s.expectedRecords(fed)))
	}
}

// A change of the host name moves the address record. The former name keeps its own as long as a resolver may have the service
// record cached that names it.
func TestHostnameChange(t *testing.T) {
	needs(t, usual)
	const ttl = 5
	zone := ownZone(t)
	service, former := "_xmpp-server._tcp.hostname."+zone, "xmpp.hostname."+zone
	s := newAllowedSite(t).in(zone)
	before := s.transfer()
	fed := withoutPods(s.federation("hostname." + zone))
	fed.Spec.DNS.TTL = ttl
	s.create(fed)
	s.awaitPublished(fed)
	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = v1alpha1.DomainName("chat.hostname." + zone) })

	servers, named := []string{lab.Primary, lab.Secondary}, time.Now()
	s.Eventually(func() bool {
		gone := 0
		for _, server := range servers {
			if slices.Equal(s.records(server, service, dns.TypeSRV), []string{"0 0 5269 " + former + "."}) {
				named = time.Now()
			}
		}
		for _, server := range servers {
			if len(s.records(server, former, dns.TypeA)) == 0 {
				s.Expect(time.Since(named)).To(BeNumerically(">=", ttl*time.Second), "%s lets go of the former host name too early", server)
				gone++
			}
		}
		return gone == len(servers)
	}, goneWithin, closely).Should(BeTrue())
	t.Logf("the former host name had an address until %s after the last service record that named it", time.Since(named))
	s.Eventually(func() []string { s.condition(fed, v1alpha1.ConditionReady); return hostnames(fed) }, soon, poll).
		Should(Equal([]string{"chat.hostname." + zone}))
	s.awaitPublished(fed)
	s.Expect(normalize(without(s.transfer(), before))).To(Equal(s.expectedRecords(fed)))
}

// hostnames of a Federation, with those that it had before.
func hostnames(fed *v1alpha1.Federation) []string {
	names := []string{fed.Status.Hostname}
	for _, former := range fed.Status.FormerHosts {
		names = append(names, former.Hostname)
	}
	return names
}

// While the cloud gives no address, the condition repeats why, in the cloud's own words; later it heals by itself.
func TestAddressPending(t *testing.T) {
	needs(t, usual)
	const annotation = "lab.xmppfed.io/no-address"
	s := newAllowedSite(t)
	fed := withoutPods(s.federation("pending." + zone))
	fed.Spec.Exposure.LoadBalancer.Annotations = map[string]string{annotation: "true"}
	s.create(fed)
	s.Eventually(func() string { return s.condition(fed, v1alpha1.ConditionAddressAssigned).Message }, soon, poll).
		Should(ContainSubstring("quota of public addresses is used up"))
	s.await(fed, soon, v1alpha1.ConditionAddressAssigned, metav1.ConditionFalse, v1alpha1.ReasonAddressPending)
	s.await(fed, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonWaitingForAddress)

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.LoadBalancer.Annotations = nil })
	s.await(fed, readyWithin, v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	s.awaitPublished(fed)
}

func milliseconds(durations []time.Duration) []int64 {
	var all []int64
	for _, d := range durations {
		all = append(all, d.Milliseconds())
	}
	return all
}
