// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// loseStatus plays that the Federation was restored from a backup, which has no status.
func (w *world) loseStatus(name string) {
	w.t.Helper()
	fed := w.get(name)
	fed.Status = v1alpha1.FederationStatus{}
	w.Expect(w.api.Status().Update(w.t.Context(), fed)).To(gomega.Succeed())
}

// anotherZone is example.com, which the operator may write to as well.
func (w *world) anotherZone() *dnstest.Memory {
	w.t.Helper()
	return w.addZone("example.com", "127.0.0.3")
}

func TestDeletionFindsWhatItOwnsWithoutStatus(t *testing.T) {
	for name, before := range map[string]func(*world){
		"deleted at once": func(*world) {},
		"reconciled before it had an address again": func(w *world) {
			w.assignAddress("cup")
			w.reconcile("cup")
			w.reconcile("cup")
		},
		"suspended": func(w *world) {
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
			w.reconcile("cup")
		},
		"kept out by its zone, which allows the namespace no more": func(w *world) {
			zone := w.getZone("cupdomain-com")
			zone.Spec.Namespaces = nil
			w.Expect(w.api.Update(w.t.Context(), zone)).To(gomega.Succeed())
			w.reconcileZone("cupdomain-com")
			w.reconcile("cup")
		},
		"restored with the status of an earlier object": func(w *world) {
			fed := w.get("cup")
			withdrawn := metav1.NewTime(w.now.Add(-time.Hour))
			fed.Status.JournalUID, fed.Status.ServiceRecordsWithdrawn = "5f0c2f5e-6d0f-4b8e-9c39-000000000000", &withdrawn
			w.Expect(w.api.Status().Update(w.t.Context(), fed)).To(gomega.Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.loseStatus("cup")
			before(w)
			w.startDeletion("cup")
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
				"no service record of this Federation stands any more; the address stays until 5m0s after that")
			w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())
			w.pass(5 * time.Minute)
			w.reconcile("cup")
			w.reconcile("cup")
			w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
			w.Expect(w.zone.Dump()).To(gomega.HaveLen(1), "only the name server is left")
		})
	}
}

func TestWithoutStatusAZoneThatCoversTheNamesHasToAnswer(t *testing.T) {
	w := newWorldWithZone(t)
	owner := w.createReady("cup").Status.DNSOwner
	w.loseStatus("cup")
	w.startDeletion("cup")
	w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable,
		"no server of the zone answers", "annotate the Federation with xmppfed.io/abandon-records-in=cupdomain.com")
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())

	w.takeEvents()
	w.change("cup", abandon("cupdomain.com"))
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix(
		"Warning RecordsAbandoned left in zone cupdomain.com: what TXT " + owner + "._xmppfed.cupdomain.com lists")))
}

func TestWithoutStatusADeadZoneOfOthersHoldsNothingUp(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.anotherZone()
	w.createReady("cup")
	w.loseStatus("cup")
	other.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	w.takeEvents()
	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.And(
		gomega.HavePrefix("Warning ZonesNotSearched zones that cover none of this Federation's names (1) could not be asked"),
		gomega.Not(gomega.ContainSubstring("example.com")))), "whose zones there are is not for everybody")
}

func TestWithoutStatusWhatStandsInAnyZoneIsFound(t *testing.T) {
	for name, delete := range map[string]bool{"by deletion": true, "by a Federation that lives": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			other := w.anotherZone()
			w.createRunning("cup", "cupdomain.com", "chat.example.com")
			nothing := 1 // but the name server
			w.Expect(len(other.Dump())).To(gomega.BeNumerically(">", nothing))
			w.loseStatus("cup")
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
			if delete {
				w.deleteCompletely("cup")
				w.Expect(w.records()).To(gomega.BeEmpty())
			} else {
				w.reconcile("cup")
				w.reconcile("cup")
				w.Expect(w.get("cup").Status.Zones).To(gomega.Equal([]string{"cupdomain.com"}))
				w.Expect(w.get("cup").Status.JournalUID).To(gomega.Equal(w.get("cup").UID))
				w.Expect(w.records()).To(gomega.HaveLen(2))
			}
			w.Expect(other.Dump()).To(gomega.HaveLen(nothing))
		})
	}
}

// What a search found must not be forgotten because it could not be written down.
func TestWithoutStatusAFederationThatLivesSearchesAgainAfterAConflict(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.anotherZone()
	w.createRunning("cup", "cupdomain.com", "chat.example.com")
	w.loseStatus("cup")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	noting := w.feds.Client
	patches := 0
	w.feds.Client = interceptor.NewClient(noting.(client.WithWatch), interceptor.Funcs{SubResourcePatch: func(
		ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
	) error {
		if patches++; patches == 2 { // the first notes the zone that it publishes in
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Labels = map[string]string{"changed": "meanwhile"} })
		}
		return c.SubResource(sub).Patch(ctx, obj, p, opts...)
	}})
	_, err := w.tryReconcileWithoutContract(w.key("cup"))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.feds.Client = noting
	w.Expect(w.get("cup").Status.Zones).To(gomega.Equal([]string{"cupdomain.com"}))
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(other.Dump()).To(gomega.HaveLen(1), "only the name server is left")
	w.Expect(w.get("cup").Status.JournalUID).To(gomega.Equal(w.get("cup").UID))
}

func TestWithoutStatusANameThatIsRefusedKeepsNothingElsewhere(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.anotherZone()
	w.createRunning("cup", "cupdomain.com", "chat.example.com")
	w.loseStatus("cup")
	w.edit(dns.SRVRecord(dns.ServiceXMPPServer, "b.cupdomain.com", 300, dns.SRV{Port: 1, Target: "elsewhere.example"}))
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains[1] = "b.cupdomain.com" })
	for range 3 {
		w.reconcile("cup")
	}
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordExistsUnowned)
	w.Expect(other.Dump()).To(gomega.HaveLen(1), "only the name server is left")
}

func TestWithoutStatusAZoneThatIsAboutToBeProbedIsSearchedSoon(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.anotherZone()
	w.createRunning("cup", "cupdomain.com", "chat.example.com")
	w.loseStatus("cup")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	w.restartOperator()
	w.feds.Zones = controllers.NewZones(func() time.Time { return w.now })
	w.zones.Zones = w.feds.Zones
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.BeNumerically("<=", 10*time.Second))
	w.reconcileZone("example-com")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(other.Dump()).To(gomega.HaveLen(1), "only the name server is left")
}

func TestAFederationThatNeverPublishedIsDeletedAtOnceThoughZonesOfOthersAreDead(t *testing.T) {
	w := newWorldWithZone(t)
	w.anotherZone().Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	w.create("cup")
	w.reconcile("cup")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestAJournalThatIsCompleteIsNotSearchedForAgain(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.anotherZone()
	fed := w.createReady("cup")
	w.Expect(fed.Status.JournalUID).To(gomega.Equal(fed.UID))
	other.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	w.takeEvents()
	w.deleteCompletely("cup")
	w.Expect(w.takeEvents()).NotTo(gomega.ContainElement(gomega.ContainSubstring("ZonesNotSearched")))
}

func TestWithoutStatusRecordsThatPeopleCreatedAreAskedToBeRemoved(t *testing.T) {
	w := newWorldOf(t, v1alpha1.DNSProvider{Manual: &v1alpha1.ManualProvider{}})
	service := dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com."})
	w.edit(service)
	w.create("cup", noGroupChat)
	w.reconcile("cup")
	w.loseStatus("cup")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRecordsToRemove,
		"its administrator removes _xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.")
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())

	w.zone.Edit(dropping("SRV _xmpp-server._tcp.cupdomain.com"))
	for range 5 {
		w.pass(5 * time.Minute)
		if w.reconcile("cup"); !w.exists(&v1alpha1.Federation{}, "cup") {
			return
		}
	}
	t.Errorf("it is not gone: %v", w.get("cup").Status.Conditions)
}

func noGroupChat(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil }

// Somebody removes what says whose records are.
func TestDeletionKeepsTheAddressWhileItCannotProveWhatStands(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.zone.Edit(dropping("TXT own._xmppfed.cupdomain.com"))
	w.startDeletion("cup")
	for range 3 {
		w.reconcile("cup")
		w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonOwnershipLost,
			"SRV _xmpp-server._tcp.cupdomain.com", "the administrator of the zone removes it (nsupdate: ",
			"update delete _xmpp-server._tcp.cupdomain.com. SRV", "xmppfed.io/abandon-records-in=cupdomain.com", "deletionPolicy to Retain")
		w.pass(10 * time.Minute)
	}
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())
	w.zone.Edit(dropping("SRV _xmpp-server._tcp.cupdomain.com", "SRV _xmpp-server._tcp.conference.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting, "no service record of this Federation stands any more")
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.zone.Dump()).To(gomega.HaveLen(1))
}

func TestDeletionFindsWhatItOwnsWithoutItsIndex(t *testing.T) {
	w := newWorldWithZone(t)
	fed := w.createReady("cup")
	w.zone.Edit(dropping("TXT " + fed.Status.DNSOwner + "._xmppfed.cupdomain.com"))
	w.deleteCompletely("cup")
	w.Expect(w.zone.Dump()).To(gomega.HaveLen(1))
}

func TestWhatLeadsElsewhereByNowHoldsNoDeletionUp(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", noGroupChat)
	w.zone.Edit(dropping("TXT own._xmppfed.cupdomain.com", "TXT own._xmppfed.cup1.cupdomain.com"))
	w.edit(dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: "other.example.com."}),
		addressRecord("cup1.cupdomain.com", "203.0.113.99"))
	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.HaveLen(2))
}
