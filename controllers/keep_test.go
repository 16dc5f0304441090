// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// nobody may publish in a zone with this selector.
var nobody = &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"nobody": "has-it"}}

// Fault: one further name that can't be had, and the address of all others stayed as it was for ever.
func TestAFederationThatIsNotAcceptedKeepsUpWhatItHasPublished(t *testing.T) {
	for reason, bad := range map[string]func(w *world) v1alpha1.DomainName{
		v1alpha1.ReasonZoneNotFound: func(*world) v1alpha1.DomainName { return "example.org" },
		v1alpha1.ReasonDomainClaimed: func(w *world) v1alpha1.DomainName {
			w.create("other", named("h.other.cupdomain.com", "other.cupdomain.com"), addressed("203.0.113.7"))
			w.rounds(2, "other")
			return "other.cupdomain.com"
		},
		v1alpha1.ReasonDomainNotAllowed: func(w *world) v1alpha1.DomainName {
			w.createZone("conference-cupdomain-com", nobody)
			return "conference.cupdomain.com"
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorldWithZone(t)
			refused := bad(w)
			w.createReady("cup", named("cup1.cupdomain.com", "cupdomain.com", "old.cupdomain.com"))
			server := read[corev1.ConfigMap](w, "cup-server").Data
			w.change("cup", func(fed *v1alpha1.Federation) {
				fed.Spec.Domains = []v1alpha1.DomainName{"cupdomain.com", refused, "new.cupdomain.com"}
				fed.Spec.DNS.Hostname = "cup2.cupdomain.com"
			})
			w.assignAddress("cup", "203.0.113.131")
			w.rounds(2, "cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, reason, string(refused))
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonNotAccepted,
				"2 record sets", "nothing new is published")
			w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131",
				"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."))
			w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("old.")), "what is not wanted is released")
			w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("new.")))
			w.Expect(read[corev1.ConfigMap](w, "cup-server").Data).To(gomega.Equal(server), "the server goes on as it is")
			w.Expect(w.get("cup").Spec.DNS.Hostname).To(gomega.BeEquivalentTo("cup2.cupdomain.com"))

			w.change("cup", func(fed *v1alpha1.Federation) {
				fed.Spec.Domains = []v1alpha1.DomainName{"cupdomain.com", "new.cupdomain.com"}
			})
			w.rounds(3, "cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
			w.Expect(w.records()).To(gomega.ContainElements("cup2.cupdomain.com. 300 A 203.0.113.131",
				"_xmpp-server._tcp.new.cupdomain.com. 300 SRV 0 0 5269 cup2.cupdomain.com."))
		})
	}
}

// A DNSZone that is made for a name, and is not for this namespace, takes nothing from it.
func TestAZoneThatIsClosedToANameReleasesNothing(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.records()
	w.createZone("conference-cupdomain-com", nobody)
	w.rounds(2, "cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainNotAllowed, "conference.cupdomain.com")
	w.Expect(w.records()).To(gomega.Equal(records))
	w.assignAddress("cup", "203.0.113.131")
	w.rounds(2, "cup")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131",
		"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."))
}
