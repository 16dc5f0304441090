// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

var byHand = v1alpha1.DNSProvider{Manual: &v1alpha1.ManualProvider{}}

// serviceRecords are those of Federation cup, as the administrator of the zone types them.
func serviceRecords(target string) []dns.RRset {
	server := dns.SRV{Port: 5269, Target: target}
	return []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, server),
		dns.SRVRecord(dns.ServiceXMPPServer, "conference.cupdomain.com", 300, server),
	}
}

// states of the records of Federation cup, by type and name.
func (w *world) states() map[string]v1alpha1.RecordState {
	states := map[string]v1alpha1.RecordState{}
	for _, record := range w.get("cup").Status.Records {
		states[record.Type+" "+record.Name] = record.State
	}
	return states
}

// createByHand brings a Federation to Ready whose records people create.
func (w *world) createByHand() {
	w.t.Helper()
	w.edit(append(serviceRecords("cup1.cupdomain.com"), addressRecord("cup1.cupdomain.com", publicAddress))...)
	w.createReady("cup")
}

func TestWherePeopleWriteTheRecordsAreToldAndWatchedFor(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "its administrator creates what status.records")
	w.Expect(w.getZone("cupdomain-com").Status.Guarantee).To(gomega.Equal(v1alpha1.GuaranteeNone))
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordsToCreate,
		"cup1.cupdomain.com. 300 IN A "+publicAddress, "_xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.conference.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.")
	w.Expect(w.states()).To(gomega.And(gomega.HaveLen(3), gomega.HaveEach(v1alpha1.RecordPending)))
	w.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", 30*time.Second)))

	w.edit(serviceRecords("cup1.cupdomain.com")...)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordsToCreate,
		"creates cup1.cupdomain.com. 300 IN A "+publicAddress+";")
	w.Expect(w.states()).To(gomega.Equal(map[string]v1alpha1.RecordState{
		"A cup1.cupdomain.com": v1alpha1.RecordPending, "SRV _xmpp-server._tcp.cupdomain.com": v1alpha1.RecordPublished,
		"SRV _xmpp-server._tcp.conference.cupdomain.com": v1alpha1.RecordPublished,
	}), "what is done is ticked off")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "waiting is quiet")

	w.edit(addressRecord("cup1.cupdomain.com", publicAddress))
	w.reconcile("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.states()).To(gomega.HaveEach(v1alpha1.RecordPublished))
	w.Expect(w.zone.Updates()).To(gomega.BeZero(), "nothing is ever written")
}

func TestARecordThatPeopleRemovedByMistakeIsToldAgain(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.createByHand()
	w.zone.Edit(dropping("SRV _xmpp-server._tcp.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordsToCreate,
		"creates _xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.;")
	w.Expect(w.states()).To(gomega.HaveKeyWithValue("SRV _xmpp-server._tcp.cupdomain.com", v1alpha1.RecordPending))
}

func TestWherePeopleWriteAnotherHostNameLeavesNoStaleRecord(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.createByHand()
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = "cup2.cupdomain.com" })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordsToCreate,
		"creates cup2.cupdomain.com. 300 IN A "+publicAddress, "and replaces what stands there now by _xmpp-server._tcp")
	w.Expect(w.states()).To(gomega.HaveKeyWithValue("A cup1.cupdomain.com", v1alpha1.RecordLeftover))

	w.edit(append(serviceRecords("cup2.cupdomain.com"), addressRecord("cup2.cupdomain.com", publicAddress))...)
	w.restartOperator()
	for range 2 {
		w.reconcile("cup")
		w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordsToRemove,
			"its administrator removes cup1.cupdomain.com. 300 IN A "+publicAddress+";")
	}
	w.Expect(w.journal).To(gomega.BeEmpty(), "waiting is quiet")

	w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no name server of the zone answers"})
	w.reconcile("cup")
	w.Expect(w.states()).To(gomega.HaveKeyWithValue("A cup1.cupdomain.com", v1alpha1.RecordLeftover), "it is not forgotten meanwhile")
	w.zone.Fail(nil)

	w.zone.Edit(dropping("A cup1.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.states()).NotTo(gomega.HaveKey("A cup1.cupdomain.com"))
}

func TestWherePeopleWriteDeletionKeepsTheAddressUntilTheyHaveRemovedTheRecords(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.createByHand()
	w.startDeletion("cup")
	result := w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRecordsToRemove,
		"_xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.", "set spec.dns.deletionPolicy to Retain")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0))

	w.zone.Edit(dropping("SRV _xmpp-server._tcp.cupdomain.com", "SRV _xmpp-server._tcp.conference.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
		"no service record of this Federation stands any more; the address stays until 5m0s after that")
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRecordsToRemove,
		"removes cup1.cupdomain.com. 300 IN A "+publicAddress+";")
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue(), "nobody else may get the address yet")

	w.edit(addressRecord("cup1.cupdomain.com", "203.0.113.99"))
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse(), "what the name leads to by now is somebody else's")
	w.Expect(w.zone.Updates()).To(gomega.BeZero())
}

func TestWherePeopleWriteRetainEndsTheDeletion(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.createByHand()
	records := w.records()
	w.startDeletion("cup")
	w.reconcile("cup")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.records()).To(gomega.Equal(records))
}

func TestThroughAWebhookRecordsComeAndGoWithBestEffort(t *testing.T) {
	w := newWorldOf(t, v1alpha1.DNSProvider{Webhook: &v1alpha1.WebhookProvider{URL: "http://localhost:8888"}})
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "the webhook answers and is for cupdomain.com")
	status := w.getZone("cupdomain-com").Status
	w.Expect(status.Provider).To(gomega.Equal(v1alpha1.DNSProviderWebhook))
	w.Expect(status.Guarantee).To(gomega.Equal(v1alpha1.GuaranteeBestEffort))
	w.createReady("cup")
	w.Expect(w.records()).To(gomega.HaveLen(3))
	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
}
