// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// stateOf returns the state of a record in status of Federation cup.
func (w *world) stateOf(name, recordType string) v1alpha1.RecordState {
	w.t.Helper()
	for _, record := range w.get("cup").Status.Records {
		if record.Name == name && record.Type == recordType {
			return record.State
		}
	}
	return ""
}

// A foreign record at a new domain keeps nothing else from being published, changed and withdrawn.
func TestAForeignRecordAtOneDomainKeepsNothingElseBack(t *testing.T) {
	w := newWorldWithZone(t)
	serving := func(names ...v1alpha1.DomainName) func(*v1alpha1.Federation) {
		return func(fed *v1alpha1.Federation) { fed.Spec.Domains = names }
	}
	w.createReady("cup", serving("cupdomain.com", "old.cupdomain.com"))
	foreign := dns.SRVRecord(dns.ServiceXMPPServer, "b.cupdomain.com", 300, dns.SRV{Port: 1, Target: "elsewhere.example"})
	w.edit(foreign)
	w.change("cup", serving("cupdomain.com", "b.cupdomain.com", "c.cupdomain.com"))
	w.assignAddress("cup", "203.0.113.131")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordExistsUnowned,
		"3 of 4 names are kept up to date in the DNS; b.cupdomain.com is not", "SRV _xmpp-server._tcp.b.cupdomain.com exists already")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131",
		"_xmpp-server._tcp.c.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.b.cupdomain.com. 300 SRV 0 0 1 elsewhere.example."))
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("old.")))
	w.Expect(w.stateOf("cup1.cupdomain.com", "A")).To(gomega.Equal(v1alpha1.RecordPublished))
	w.Expect(w.stateOf("_xmpp-server._tcp.c.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordPublished))
	w.Expect(w.stateOf("_xmpp-server._tcp.b.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordPending))

	w.zone.Edit(dns.Change{Drop: []dns.Key{foreign.Key()}})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.stateOf("_xmpp-server._tcp.b.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordPublished))
}

// A domain that is held is looked at although one of its records is in the way.
func TestOfAHeldDomainOnlyTheRecordInTheWayIsPending(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil })
	w.edit(dns.SRVRecord(dns.ServiceXMPPServer, "conference.cupdomain.com", 300, dns.SRV{Port: 1, Target: "elsewhere.example"}))
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = &v1alpha1.GroupChatSpec{} })
	w.assignAddress("cup", "203.0.113.131")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordExistsUnowned,
		"1 of 2 names are kept up to date in the DNS; cupdomain.com is not", "_xmpp-server._tcp.conference.cupdomain.com")
	w.Expect(w.stateOf("_xmpp-server._tcp.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordPublished))
	w.Expect(w.stateOf("_xmpp-server._tcp.conference.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordPending))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.131"))
}
