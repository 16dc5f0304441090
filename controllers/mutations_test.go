// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// mutations change a spec, one thing after another, in every part that may be changed.
var mutations = []struct {
	name string
	edit func(*v1alpha1.FederationSpec)
}{
	{"another port", func(s *v1alpha1.FederationSpec) { s.Exposure.Port = 15269 }},
	{"source ranges", func(s *v1alpha1.FederationSpec) { s.Exposure.LoadBalancer.SourceRanges = []string{"198.51.100.0/24"} }},
	{"more source ranges", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.SourceRanges = []string{"198.51.100.0/24", "10.0.0.0/8"}
	}},
	{"no source ranges", func(s *v1alpha1.FederationSpec) { s.Exposure.LoadBalancer.SourceRanges = nil }},
	{"both IP families", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyPreferDualStack)
	}},
	{"as many IP families as before", func(s *v1alpha1.FederationSpec) { s.Exposure.LoadBalancer.IPFamilyPolicy = nil }},
	{"one IP family", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicySingleStack)
	}},
	{"traffic policy Local", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}},
	{"traffic policy Cluster", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}},
	{"annotations", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.Annotations = map[string]string{"a.example/b": "c"}
	}},
	{"other annotations", func(s *v1alpha1.FederationSpec) {
		s.Exposure.LoadBalancer.Annotations = map[string]string{"a.example/d": "e"}
	}},
	{"no annotations", func(s *v1alpha1.FederationSpec) { s.Exposure.LoadBalancer.Annotations = nil }},
	{"public addresses", func(s *v1alpha1.FederationSpec) { s.Exposure.PublicAddresses = []string{"203.0.113.5"} }},
	{"no public addresses", func(s *v1alpha1.FederationSpec) { s.Exposure.PublicAddresses = nil }},
	{"the usual port", func(s *v1alpha1.FederationSpec) { s.Exposure.Port = 5269 }},
	{"another host name", func(s *v1alpha1.FederationSpec) { s.DNS.Hostname = "cup2.cupdomain.com" }},
	{"the default host name", func(s *v1alpha1.FederationSpec) { s.DNS.Hostname = "" }},
	{"another TTL", func(s *v1alpha1.FederationSpec) { s.DNS.TTL = 60 }},
	{"priority and weight", func(s *v1alpha1.FederationSpec) { s.DNS.Priority, s.DNS.Weight = 10, 5 }},
	{"retention of records", func(s *v1alpha1.FederationSpec) { s.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain }},
	{"another domain", func(s *v1alpha1.FederationSpec) { s.Domains = append(s.Domains, "team.cupdomain.com") }},
	{"domains in another order", func(s *v1alpha1.FederationSpec) { slices.Reverse(s.Domains) }},
	{"one domain less", func(s *v1alpha1.FederationSpec) { s.Domains = s.Domains[1:] }},
	{"another group chat", func(s *v1alpha1.FederationSpec) { s.Server.GroupChat.Subdomain = "rooms" }},
	{"no group chat", func(s *v1alpha1.FederationSpec) { s.Server.GroupChat = nil }},
	{"group chat", func(s *v1alpha1.FederationSpec) {
		s.Server.GroupChat = &v1alpha1.GroupChatSpec{Subdomain: "conference"}
	}},
	{"another image", func(s *v1alpha1.FederationSpec) { s.Server.Image = "registry.example/prosody:0.12" }},
	{"accounts", func(s *v1alpha1.FederationSpec) {
		s.Server.Accounts = &v1alpha1.AccountsSpec{SecretRef: v1alpha1.SecretName{Name: "cup-accounts"}}
	}},
	{"no accounts", func(s *v1alpha1.FederationSpec) { s.Server.Accounts = nil }},
	{"resources", func(s *v1alpha1.FederationSpec) {
		s.Server.PodTemplate = &v1alpha1.PodTemplateSpec{Resources: v1alpha1.ResourcesSpec{
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}}
	}},
	{"labels of pods", func(s *v1alpha1.FederationSpec) { s.Server.PodTemplate.Labels = map[string]string{"team": "chat"} }},
	{"no pod template", func(s *v1alpha1.FederationSpec) { s.Server.PodTemplate = nil }},
	{"a Secret that is not there", func(s *v1alpha1.FederationSpec) {
		s.TLS = &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "cup-tls"}}
	}},
	{"the operator's own CA again", func(s *v1alpha1.FederationSpec) { s.TLS = nil }},
	{"a domain of no zone", func(s *v1alpha1.FederationSpec) { s.Domains = append(s.Domains, "example.org") }},
	{"only domains of a zone", func(s *v1alpha1.FederationSpec) { s.Domains = s.Domains[:1] }},
	{"other checks", func(s *v1alpha1.FederationSpec) {
		s.Verification.Interval = metav1.Duration{Duration: time.Minute}
		s.Verification.Resolvers = []v1alpha1.ServerAddress{"203.0.113.53:53"}
	}},
	{"suspension", func(s *v1alpha1.FederationSpec) { s.Suspend = true }},
	{"no suspension", func(s *v1alpha1.FederationSpec) { s.Suspend = false }},
}

func TestNoChangeOfTheSpecLosesThePublicAddress(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(map[string]string{"cupuser1": "secret"})
	w.createReady("cup")
	before := read[corev1.Service](w, "cup-s2s")
	for _, mutation := range mutations {
		w.change("cup", func(fed *v1alpha1.Federation) { mutation.edit(&fed.Spec) })
		for range 2 {
			w.reconcile("cup")
			w.Expect(w.journal).NotTo(gomega.ContainElement(gomega.HavePrefix("delete")), mutation.name)
			w.Expect(w.journal).NotTo(gomega.ContainElement(gomega.HavePrefix("create")), mutation.name)
		}
		w.reconcile("cup")
		w.Expect(w.journal).To(gomega.BeEmpty(), "after %s nothing comes to rest", mutation.name)
		w.pass(302 * time.Second) // until nobody is led to former ports any more
		w.reconcile("cup")
		service := read[corev1.Service](w, "cup-s2s")
		w.Expect(service.UID).To(gomega.Equal(before.UID), mutation.name)
		w.Expect(service.Spec.ClusterIP).To(gomega.Equal(before.Spec.ClusterIP), mutation.name)
		w.Expect(service.Status).To(gomega.Equal(before.Status), mutation.name)
		w.Expect(service.Spec.Ports).To(gomega.HaveLen(1), mutation.name)
	}
	w.Expect(len(mutations)).To(gomega.BeNumerically(">=", 30))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRollingOut)
}

func TestSuspensionStopsEveryChange(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Suspend = true
		fed.Spec.Exposure.Port = 15269
	})
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.Equal([]string{"patch status of Federation cup"}))
	fed := w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended, "nothing is changed or checked")
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.records()).To(gomega.ContainElement(gomega.ContainSubstring("5269 cup1")))
	w.assignAddress("cup", "203.0.113.131")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Suspend = false })
	w.reconcile("cup")
	w.Expect(namesOf(w.get("cup").Status.Conditions)).NotTo(gomega.ContainElement(v1alpha1.ConditionSuspended))
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131",
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 15269 cup1.cupdomain.com."))
}

func TestAFederationThatIsBornSuspendedWritesNothing(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.Equal([]string{"patch status of Federation cup"}))
	fed := w.get("cup")
	w.Expect(fed.Finalizers).To(gomega.BeEmpty())
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "spec.suspend")
}
