// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// steal removes a record set of ours, as somebody else does.
func (w *world) steal(name string) { w.zone.Edit(dropping(name)) }

func TestARecordThatSomebodyElseRemovedIsBackWithinSeconds(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.reconcileZone("cupdomain-com")
	records := w.records()
	w.takeNews()
	w.takeEvents()
	w.pass(3 * time.Second)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.takeNews()).To(gomega.BeEmpty(), "what the operator wrote is no news")

	w.steal("SRV _xmpp-server._tcp.cupdomain.com")
	w.pass(3 * time.Second)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.takeNews()).To(gomega.Equal([]string{"cupdomain-com"}), "the next probe sees it")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(records))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonRecordsChangedByOthers,
		"SRV _xmpp-server._tcp.cupdomain.com in zone cupdomain.com", "what was put back")
	w.Expect(strings.Join(w.takeEvents(), "\n")).To(gomega.And(
		gomega.ContainSubstring("Warning RecordsChangedByOthers"), gomega.ContainSubstring("SRV _xmpp-server._tcp.cupdomain.com")))

	w.pass(3 * time.Second)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.takeNews()).To(gomega.BeEmpty(), "the repair itself is no news")
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.BeNumerically("<=", time.Hour))
	w.Expect(w.journal).To(gomega.BeEmpty())
	w.Expect(w.takeEvents()).To(gomega.BeEmpty())

	w.pass(time.Hour)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

func TestWhoGoesOnRemovingRecordsIsNamed(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.reconcileZone("cupdomain-com")
	w.takeEvents()
	for range 3 {
		w.steal("A cup1.cupdomain.com")
		w.pass(15 * time.Second)
		w.takeNews()
		w.reconcileZone("cupdomain-com")
		w.Expect(w.takeNews()).NotTo(gomega.BeEmpty(), "as soon as before")
		w.reconcile("cup")
	}
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonRecordsChangedByOthers,
		"A cup1.cupdomain.com in zone cupdomain.com: 3 times", "find out who")
	w.Expect(w.takeEvents()).To(gomega.HaveLen(3), "one for each time")
}

func TestWhatTheFederationChangesItselfIsNoRepair(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.reconcileZone("cupdomain-com")
	w.takeEvents()
	w.assignAddress("cup", "203.0.113.200")
	w.reconcile("cup")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 60 })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(strings.Join(w.takeEvents(), "\n")).NotTo(gomega.ContainSubstring("RecordsChangedByOthers"))
}

// What is wanted did not change, and nobody changed the zone: then a pod that starts is no reason to read the whole DNS.
func TestTheDNSIsReadAgainOnlyWhenItMayHaveChanged(t *testing.T) {
	w := newWorldWithZone(t)
	w.feds.DNSBelief = time.Hour
	w.createReady("cup")
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	queries := func(about string) int64 {
		before := w.queries.Load()
		w.reconcile("cup")
		t.Logf("%s: %d queries", about, w.queries.Load()-before)
		return w.queries.Load() - before
	}
	w.server.silent = true
	w.Expect(queries("the server does not answer")).To(gomega.BeZero())
	w.server.silent = false
	w.Expect(queries("it answers again")).To(gomega.BeZero())
	w.pass(150 * time.Second)
	w.Expect(queries("half of the interval is over")).To(gomega.BeNumerically(">", 0))

	w.edit(addressRecord("www.cupdomain.com", "203.0.113.80"))
	w.pass(3 * time.Second)
	w.reconcileZone("cupdomain-com")
	w.Expect(queries("somebody else changed the zone")).To(gomega.BeNumerically(">", 0))
	w.assignAddress("cup", "203.0.113.200")
	w.Expect(queries("there is another address")).To(gomega.BeNumerically(">", 0))
	w.probe = &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "it does not answer"}
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady)
}
