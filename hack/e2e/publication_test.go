// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// The live service record of a server that is to be taken over stays as it is as long as the Federation has no certificate, and
// thus no server; and until that server has answered for the domain, from then on.
func TestTakeoverWaitsForTheServer(t *testing.T) {
	s := newAllowedSite(t)
	const domain = "adopted." + zone
	const service, live = "_xmpp-server._tcp." + domain, "5 10 5269 old." + domain + "."
	change(s, testZone("e2e", zone), func(zone *v1alpha1.DNSZone) { zone.Spec.Takeover = v1alpha1.TakeoverAllow })
	s.Cleanup(func() {
		change(s, testZone("e2e", zone), func(zone *v1alpha1.DNSZone) { zone.Spec.Takeover = v1alpha1.TakeoverDeny })
	})
	s.must(lab.Update(s.ctx, fmt.Sprintf("update add %s. 60 SRV %s", service, live)))
	s.Cleanup(func() { s.must(lab.Update(s.ctx, fmt.Sprintf("update delete %s. SRV %s", service, live))) })

	fed := s.furnished(domain)
	fed.Spec.DNS.Takeover = []v1alpha1.RecordKey{{Name: service, Type: "SRV"}}
	updated := s.watchUpdates()
	s.create(fed)
	s.await(fed, soon, v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned)
	s.mentions(s.await(fed, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer).Message,
		service, "see condition ServerReady")
	err := cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), &appsv1.StatefulSet{})
	s.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "there is no server")
	s.Consistently(func() []string { return s.records(lab.Primary, service, dns.TypeSRV) }, 20*time.Second, poll).Should(Equal([]string{live}))
	s.Expect(updated()).NotTo(ContainElement(ContainSubstring(domain)))

	s.furnish(domain, nil)
	s.awaitReady(fed)
	s.Expect(s.records(lab.Primary, service, dns.TypeSRV)).To(Equal([]string{"0 0 5269 xmpp." + domain + "."}))
}

// The records of a new Federation are published after its pod is ready, and soon.
func TestPublicationWaitsForTheServer(t *testing.T) {
	s := newAllowedSite(t)
	const domain = "published." + zone
	updated := s.watchUpdates()
	pods, err := cluster.Watch(s.ctx, &corev1.PodList{}, client.InNamespace(s.namespace))
	s.must(err)
	defer pods.Stop()
	fed := s.federation(domain)
	s.create(fed)
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	for ready := false; !ready; {
		select {
		case event := <-pods.ResultChan():
			ready = isReady(event)
			if !ready {
				s.Expect(updated()).NotTo(ContainElement(ContainSubstring(domain)), "published without a server")
			}
		case <-deadline.C:
			t.Fatal("no pod is ready")
		}
	}
	began := time.Now()
	s.Eventually(func() []string { return s.records(lab.Primary, "_xmpp-server._tcp."+domain, dns.TypeSRV) }, soon, poll).
		Should(Equal([]string{"0 0 5269 xmpp." + domain + "."}))
	t.Logf("published %.1f s after the pod was ready", time.Since(began).Seconds())
	s.awaitReady(fed)
}

// isReady reports whether an event tells of a pod that is ready.
func isReady(event watch.Event) bool {
	pod, ok := event.Object.(*corev1.Pod)
	if !ok {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// Two Federations swap their domains: it completes by itself, and whatever partners find in the DNS meanwhile, the server there
// knows the domain. In the end each drops the domain that it gave away.
func TestDomainsAreSwapped(t *testing.T) {
	s := newAllowedSite(t)
	domains := []v1alpha1.DomainName{"swap1." + zone, "swap2." + zone}
	var feds []*v1alpha1.Federation
	for i, domain := range domains {
		fed := s.federation(string(domain))
		fed.Spec.DNS.Hostname = v1alpha1.DomainName(fmt.Sprintf("host%d.swap.%s", i+1, zone))
		s.create(fed)
		feds = append(feds, fed)
	}
	for _, fed := range feds {
		s.awaitReady(fed)
	}
	for i, fed := range feds {
		change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Domains[0] = domains[1-i] })
	}
	s.Eventually(func(g Gomega) {
		for i, fed := range feds {
			name := "_xmpp-server._tcp." + string(domains[1-i])
			g.Expect(s.records(lab.Primary, name, dns.TypeSRV)).To(Equal([]string{"0 0 5269 " + string(fed.Spec.DNS.Hostname) + "."}))
		}
		for i, fed := range feds {
			g.Expect(s.condition(fed, v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
			g.Expect(fed.Status.FormerDomains).To(BeEmpty())
			hosts := strings.Join(s.live(fed).Hosts, " ")
			g.Expect(hosts).To(ContainSubstring(string(domains[1-i])))
			g.Expect(hosts).NotTo(ContainSubstring(string(domains[i])))
		}
	}, readyWithin, poll).Should(Succeed())
}
