// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// sample is what stands at one moment during a deletion. The parts are read in the order in which they go last to
// first, so that what is missing in an earlier part can't be explained by the time between the readings.
type sample struct{ service, address, srv bool }

// A deleted Federation goes in the order in which partners lose it: service records, a time to live later addresses,
// then the load balancer. What others have in the zone stays, byte for byte.
func TestDeletionOrder(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	domain := "deletion." + zone
	s := newAllowedSite(t).in(zone)
	s.foreignRecords(domain)
	before := s.transfer()

	fed := s.federation(domain)
	fed.Spec.Server.GroupChat = &v1alpha1.GroupChatSpec{}
	fed.Spec.DNS.TTL = 5
	fed = withoutPods(fed)
	s.create(fed)
	s.awaitPublished(fed)
	s.Expect(without(s.transfer(), before)).NotTo(BeEmpty())
	began := time.Now()
	s.must(cluster.Delete(s.ctx, fed))

	gone := map[string]time.Duration{}
	note := func(what string, there bool) {
		if _, noted := gone[what]; !there && !noted {
			gone[what] = time.Since(began)
		}
	}
	s.Eventually(func() bool {
		now := s.sample(fed, domain)
		note("SRV", now.srv)
		note("A", now.address)
		note("Service", now.service)
		s.Expect(now.address || !now.srv).To(BeTrue(), "the address went before the service record: %+v", now)
		s.Expect(now.service || !now.address).To(BeTrue(), "the load balancer went before the address record: %+v", now)
		return apierrors.IsNotFound(cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), &v1alpha1.Federation{}))
	}, goneWithin, closely).Should(BeTrue(), "the Federation to be gone")

	t.Logf("after the deletion: SRV gone at %v, A at %v, Service at %v", gone["SRV"], gone["A"], gone["Service"])
	s.Expect(gone["SRV"]).To(BeNumerically("<", gone["A"]))
	s.Expect(gone["A"]).To(BeNumerically("<", gone["Service"]))
	s.Expect(gone["A"]-gone["SRV"]).To(BeNumerically(">", 3*time.Second), "resolvers may have had the service record for its TTL of 5 s")
	s.Expect(s.transfer()).To(Equal(before))
}

// sample reads all servers; a record is there when any has it. A Service that is being deleted counts as gone.
func (s *site) sample(fed *v1alpha1.Federation, domain string) sample {
	var now sample
	var service corev1.Service
	err := cluster.Get(s.ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-s2s"}, &service)
	s.must(client.IgnoreNotFound(err))
	now.service = err == nil && service.DeletionTimestamp.IsZero()
	for _, server := range []string{lab.Secondary, lab.Primary} {
		now.address = now.address || len(s.records(server, "xmpp."+domain, dns.TypeA)) > 0
	}
	for _, server := range []string{lab.Primary, lab.Secondary} {
		for _, name := range []string{domain, "conference." + domain} {
			now.srv = now.srv || len(s.records(server, "_xmpp-server._tcp."+name, dns.TypeSRV)) > 0
		}
	}
	return now
}

// foreignRecords has somebody else publish around a domain until the end of the test.
func (s *site) foreignRecords(domain string) {
	s.Helper()
	var add, remove []string
	for _, record := range []string{
		domain + ". 60 MX 10 mail." + zone + ".",
		domain + `. 60 TXT "v=spf1 mx -all"`,
		domain + ". 60 A 203.0.113.61",
		"xmpp." + domain + `. 60 TXT "the host of the chat"`,
		"_xmpp-client._tcp." + domain + ". 60 SRV 5 10 5222 mail." + domain + ".",
		"_sip._tls." + domain + ". 60 SRV 5 10 5061 mail." + domain + ".",
	} {
		add, remove = append(add, "update add "+record), append(remove, "update delete "+strings.Replace(record, " 60 ", " ", 1))
	}
	s.must(lab.Update(s.ctx, add...))
	s.Cleanup(func() { s.must(lab.Update(s.ctx, remove...)) })
}

// With deletionPolicy Retain the records stay as they are when the Federation goes; created again, it has them back.
func TestRetainedRecords(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	var s *site
	var before []string
	t.Cleanup(func() { // after the Federations are gone
		if before != nil { // or all that others have would count as left over
			s.discard(without(s.transfer(), before))
		}
	})
	s = newAllowedSite(t).in(zone)
	before = s.transfer()
	fed := withoutPods(s.federation("retained." + zone))
	fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain
	s.create(fed)
	s.awaitPublished(fed)
	published := s.transfer()

	s.must(cluster.Delete(s.ctx, fed))
	s.Eventually(func() bool {
		return apierrors.IsNotFound(cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), fed))
	}, goneWithin, poll).Should(BeTrue())
	s.Expect(s.transfer()).To(Equal(published))

	again := withoutPods(s.federation("retained." + zone))
	s.create(again)
	s.awaitPublished(again)
	s.Expect(normalize(without(s.transfer(), before))).To(Equal(s.expectedRecords(again)))
}

// discard deletes records of the zone.
func (s *site) discard(records []string) {
	s.Helper()
	if len(records) == 0 {
		return
	}
	var commands []string
	for _, record := range records {
		fields := strings.Split(record, "\t")
		commands = append(commands, "update delete "+fields[0]+" "+fields[3])
	}
	s.must(lab.Update(s.ctx, commands...))
}
