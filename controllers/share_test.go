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

// sharing is what a Federation of another cluster publishes that shares the domain.
func (e elsewhere) sharing() []dns.Unit {
	target := dns.SRV{Priority: 10, Port: 5269, Target: "cup2.cupdomain.com"}
	unit := dns.Unit{Anchor: "cupdomain.com"}
	for _, name := range []string{"cupdomain.com", "conference.cupdomain.com"} {
		set := dns.SRVRecord(dns.ServiceXMPPServer, name, 300, target)
		set.Shared = true
		unit.Records = append(unit.Records, set)
	}
	return []dns.Unit{unit, {Anchor: "cup2.cupdomain.com", Records: []dns.RRset{addressRecord("cup2.cupdomain.com", e.address)}}}
}

func TestADomainThatSeveralClustersServe(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.createReady("cup")
	w.Expect(other.converge(other.sharing()...)).To(gomega.MatchError(gomega.ContainSubstring("set spec.dns.shared of that owner's Federation")))
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Shared = true })
	w.reconcile("cup")
	w.Expect(other.converge(other.sharing()...)).To(gomega.Succeed())
	both := []any{
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 10 0 5269 cup2.cupdomain.com.",
	}
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "what the other has beside ours is none of our business")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.records()).To(gomega.ContainElements(both...))

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Shared = false })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict,
		"is shared by other owners, "+other.ID)
	w.Expect(w.records()).To(gomega.ContainElements(both...))

	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.ConsistOf(
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 10 0 5269 cup2.cupdomain.com.",
		"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 10 0 5269 cup2.cupdomain.com.",
		"cup2.cupdomain.com. 300 A "+other.address), "only what was ours is gone")
}
