// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// A second Federation with the same domain, in another namespace, is kept out and changes nothing; when the first is
// deleted, it takes over by itself.
func TestDomainClaimed(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	s := newAllowedSite(t).in(zone)
	before := s.transfer()
	first := s.federation("claimed." + zone)
	s.create(first)
	s.awaitReady(first)
	published := s.transfer()
	generation, service := first.Generation, s.publicService(first)

	rival := newSite(t, "rival", allowed).in(zone)
	second := rival.federation("claimed." + zone)
	rival.create(second)
	message := rival.await(second, soon, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainClaimed).Message
	t.Log(message)
	s.Expect(message).To(And(ContainSubstring("claimed."+zone), Not(ContainSubstring(s.namespace))),
		"names the domain, but not who has it in another namespace")
	rival.await(second, soon, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDomainClaimed)
	rival.await(second, soon, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDomainClaimed)
	rival.hasNothing()
	s.Expect(s.condition(first, v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
	s.Expect(first.Generation).To(Equal(generation))
	s.Expect(s.publicService(first).Status).To(Equal(service.Status))
	s.Expect(s.transfer()).To(Equal(published))

	s.must(cluster.Delete(s.ctx, first))
	rival.awaitReady(second)
	s.Expect(normalize(without(s.transfer(), before))).To(Equal(s.expectedRecords(second)))
}

// What no DNSZone allows is refused: nothing is created, nothing written; once the namespace is allowed, it goes on.
func TestDomainNotAllowed(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	s := newSite(t, "", nil).in(zone)
	before := s.transfer()
	fed := withoutPods(s.federation("notallowed." + zone))
	s.create(fed)
	t.Log(s.await(fed, soon, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainNotAllowed).Message)
	s.hasNothing()
	s.Expect(s.transfer()).To(Equal(before))

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	change(s, namespace, func(n *corev1.Namespace) { n.Labels[labelAllowed] = "true" })
	s.awaitPublished(fed)
}

// A domain that no DNSZone covers is refused with the name of it.
func TestZoneNotFound(t *testing.T) {
	needs(t, usual)
	s := newAllowedSite(t)
	fed := withoutPods(s.federation("elsewhere.example.org"))
	s.create(fed)
	message := s.await(fed, soon, v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonZoneNotFound).Message
	s.Expect(message).To(ContainSubstring("elsewhere.example.org"))
	s.hasNothing()
}

// hasNothing makes sure that nothing was created for the Federations of the namespace.
func (s *site) hasNothing() {
	s.Helper()
	var services corev1.ServiceList
	s.must(cluster.List(s.ctx, &services, client.InNamespace(s.namespace)))
	s.Expect(services.Items).To(BeEmpty())
	var pods corev1.PodList
	s.must(cluster.List(s.ctx, &pods, client.InNamespace(s.namespace)))
	s.Expect(pods.Items).To(BeEmpty())
	var secrets corev1.SecretList
	s.must(cluster.List(s.ctx, &secrets, client.InNamespace(s.namespace)))
	s.Expect(secrets.Items).To(BeEmpty())
}
