// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// left are the commands of nsupdate in the events about records that were left behind.
func (w *world) left() []string {
	var commands []string
	for {
		select {
		case event := <-w.events.Events:
			note, list, found := strings.Cut(event, " (nsupdate): ")
			if found {
				w.Expect(note).To(gomega.ContainSubstring("RecordsAbandoned left in zone cupdomain.com; its administrator removes them"))
				commands = append(commands, strings.Split(list, "; ")...)
			}
		default:
			return commands
		}
	}
}

func abandon(zones string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Annotations = map[string]string{v1alpha1.AnnotationAbandonRecordsIn: zones}
	}
}

func TestADeletionThatAZoneHoldsUpEndsWhenTheZoneIsGivenUp(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.zone.Dump()
	w.Expect(w.api.DeleteAllOf(t.Context(), &v1alpha1.DNSZone{})).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonZoneNotProbed,
		"annotate the Federation with xmppfed.io/abandon-records-in=cupdomain.com")

	w.change("cup", abandon("example.org"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonZoneNotProbed)
	w.Expect(w.left()).To(gomega.BeEmpty(), "another zone was given up")

	w.change("cup", abandon("example.org, cupdomain.com"))
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.zone.Dump()).To(gomega.Equal(records))

	left := w.left()
	for _, record := range records {
		name, rest, _ := strings.Cut(record, " ")
		if name == "ns1.cupdomain.com." {
			continue
		}
		w.Expect(left).To(gomega.ContainElement("update delete "+name+" "+strings.Fields(rest)[1]), "all that is left is listed")
	}
}

func TestGivingAZoneUpChangesNothingWhileTheFederationLives(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", abandon("cupdomain.com"))
	w.assignAddress("cup", "203.0.113.131")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.131"))
	w.Expect(w.left()).To(gomega.BeEmpty())
}

func TestATransferThatAZoneHoldsUpEndsWhenTheZoneIsGivenUp(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.createReady("cup")
	w.change("cup", transferringTo(other.ID))
	w.reconcile("cup")
	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	accepted := w.zone.Dump()
	w.Expect(w.api.DeleteAllOf(t.Context(), &v1alpha1.DNSZone{})).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonZoneNotProbed,
		"annotate the Federation with xmppfed.io/abandon-records-in=cupdomain.com")

	owner := w.get("cup").Status.DNSOwner
	w.change("cup", abandon("cupdomain.com"))
	w.takeEvents()
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.zone.Dump()).To(gomega.Equal(accepted))
	events := w.takeEvents()
	w.Expect(events).To(gomega.ContainElement(gomega.And(
		gomega.HavePrefix("Warning RecordsAbandoned left in zone cupdomain.com"), gomega.ContainSubstring("o="+owner))))
	w.Expect(events).NotTo(gomega.ContainElement(gomega.ContainSubstring("update delete")), "the records are the other owner's by now")
}

func TestWhatIsLeftOfASharedDomainIsListedWithoutThePartsOfOthers(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Shared = true })
	w.Expect(other.converge(other.sharing()...)).To(gomega.Succeed())
	owner := w.get("cup").Status.DNSOwner
	w.change("cup", abandon("cupdomain.com"))
	w.startDeletion("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.left()).To(gomega.ConsistOf(
		"update delete _xmpp-server._tcp.cupdomain.com. SRV 0 0 5269 cup1.cupdomain.com.",
		"update delete _xmpp-server._tcp.conference.cupdomain.com. SRV 0 0 5269 cup1.cupdomain.com.",
		"update delete cup1.cupdomain.com. A",
		"update delete own._xmppfed.cup1.cupdomain.com. TXT",
		"update delete "+owner+"._xmppfed.cupdomain.com. TXT"))
}

func TestWhatAnotherOwnerHasIsNotListedAsLeft(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	w.create("cup", abandon("cupdomain.com"))
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	w.startDeletion("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.left()).To(gomega.BeEmpty())
}

func TestALongListOfWhatIsLeftIsSpreadOverSeveralEvents(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", abandon("cupdomain.com"), func(fed *v1alpha1.Federation) {
		fed.Spec.Server.GroupChat = nil
		for _, label := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			fed.Spec.Domains = append(fed.Spec.Domains, v1alpha1.DomainName(strings.Repeat(label, 60)+".cupdomain.com"))
		}
	})
	lines := len(w.zone.Dump()) - 1 // without the name server's address
	w.startDeletion("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.left()).To(gomega.HaveLen(lines))
}

func TestAFormerZoneThatIsGoneForGoodCanBeGivenUp(t *testing.T) {
	w := newWorldWithZone(t)
	w.createZone("example-com", nil)
	w.reconcileZone("example-com")
	w.createRunning("cup", "cupdomain.com", "chat.example.com")
	w.Expect(w.api.Delete(t.Context(), w.getZone("example-com"))).To(gomega.Succeed())
	w.reconcileZone("example-com")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotProbed,
		"no name of this Federation lies in zone example.com any more", "annotate the Federation with xmppfed.io/abandon-records-in=example.com")
	w.takeEvents()

	w.change("cup", abandon("cupdomain.com,example.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.get("cup").Status.Zones).To(gomega.Equal([]string{"cupdomain.com"}), "where names lie is not given up")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.And(
		gomega.ContainSubstring("RecordsAbandoned left in zone example.com"),
		gomega.ContainSubstring("update delete _xmpp-server._tcp.chat.example.com. SRV"))))
	w.reconcile("cup")
	w.Expect(w.takeEvents()).To(gomega.BeEmpty(), "that is told once")
}

// createRunning creates a Federation with these domains, each in a zone of its own, and runs it.
func (w *world) createRunning(name string, domains ...v1alpha1.DomainName) {
	w.t.Helper()
	w.create(name, func(fed *v1alpha1.Federation) { fed.Spec.Domains, fed.Spec.Server.GroupChat = domains, nil })
	w.reconcile(name)
	w.assignAddress(name, publicAddress)
	w.runServer(name)
	w.reconcile(name)
	w.Expect(w.get(name).Status.Zones).To(gomega.HaveLen(len(domains)))
}
