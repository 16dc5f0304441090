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

// elsewhere is a Federation in another cluster, whose operator has a signing key of its own.
type elsewhere struct {
	*world
	dns.Owner
	address string
}

func (w *world) elsewhere() elsewhere {
	return elsewhere{w, dns.Owner{ID: "0123456789abcdef0123"}, "203.0.113.230"}
}

func (e elsewhere) units() []dns.Unit {
	target := dns.SRV{Port: 5269, Target: "cup1.cupdomain.com"}
	return []dns.Unit{
		{Anchor: "cupdomain.com", Accept: true, Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, target),
			dns.SRVRecord(dns.ServiceXMPPServer, "conference.cupdomain.com", 300, target),
		}},
		{Anchor: "cup1.cupdomain.com", Accept: true, Records: []dns.RRset{addressRecord("cup1.cupdomain.com", e.address)}},
	}
}

func (e elsewhere) converge(units ...dns.Unit) error {
	signer, err := dns.NewSigner([]byte("the signing key of another cluster"))
	e.Expect(err).NotTo(gomega.HaveOccurred())
	result, err := dns.Converge(e.t.Context(), e.zone, signer, e.Owner, units)
	if err == nil {
		err = result.Err()
	}
	return err
}

func transferringTo(id string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Spec.DNS.TransferTo = id }
}

func TestAFederationHandsItsNamesOver(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before, other := w.records(), w.elsewhere()
	w.Expect(other.converge(other.units()...)).To(gomega.MatchError(gomega.ContainSubstring("spec.dns.transferTo: " + other.ID)))

	w.change("cup", transferringTo(other.ID))
	w.takeEvents()
	result := w.reconcile("cup")
	w.Expect(result.RequeueAfter.Seconds()).To(gomega.BeNumerically("<=", 15))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonTransferOffered,
		"3 record sets are offered to owner "+other.ID)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.records()).To(gomega.Equal(before))
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "what is offered is offered once")

	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	accepted := w.zone.Dump()
	w.takeEvents()
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonTransferred, other.ID, "delete it")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Normal Transferred ")))
	w.Expect(w.zone.Dump()).To(gomega.HaveLen(len(accepted)-1), "only the index goes")
	w.Expect(w.states()).To(gomega.HaveEach(v1alpha1.RecordPending))
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
	accepted = w.zone.Dump()
	w.deleteCompletely("cup")
	w.Expect(w.zone.Dump()).To(gomega.Equal(accepted))
}

func TestAnOfferThatIsWithdrawnLeavesEverythingAsItWas(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	before, other := w.records(), w.elsewhere()
	w.change("cup", transferringTo(other.ID))
	w.reconcile("cup")
	w.change("cup", transferringTo(""))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(other.converge(other.units()...)).NotTo(gomega.Succeed())
	w.Expect(w.records()).To(gomega.Equal(before))
	w.change("cup", transferringTo(w.get("cup").Status.DNSOwner))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

func TestDeletionWaitsUntilTheOtherClusterHasTheServiceRecords(t *testing.T) {
	for name, end := range map[string]func(*world, elsewhere) string{
		"they are accepted": func(w *world, other elsewhere) string {
			w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
			return "cup1.cupdomain.com. 300 A " + other.address
		},
		"the service records are accepted, and the host name is not": func(w *world, other elsewhere) string {
			w.Expect(other.converge(other.units()[0])).To(gomega.Succeed())
			return "_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."
		},
		"the offer is withdrawn": func(w *world, _ elsewhere) string {
			w.change("cup", transferringTo(""))
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			other := w.elsewhere()
			w.createReady("cup", transferringTo(""))
			before := w.records()
			w.change("cup", transferringTo(other.ID))
			w.startDeletion("cup")
			for range 2 {
				w.reconcile("cup")
				w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTransferOffered,
					"offered to owner "+other.ID)
				w.Expect(w.records()).To(gomega.Equal(before))
			}
			stays := end(w, other)
			w.deleteCompletely("cup")
			if stays == "" {
				w.Expect(w.records()).To(gomega.BeEmpty())
				return
			}
			w.Expect(w.records()).To(gomega.ContainElement(stays))
			w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring(publicAddress)))
		})
	}
}

// After a handover the service records stand and belong to the other Federation, so deletion must not say that they are gone.
func TestDeletionAfterAHandoverSpeaksOfItsOwnRecordsOnly(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.createReady("cup")
	w.change("cup", transferringTo(other.ID))
	w.reconcile("cup")
	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	w.startDeletion("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
		"no service record of this Federation stands any more; the address stays until 5m0s after that")
	w.expectLapsed("cup")
	w.Expect(w.records()).To(gomega.HaveLen(3))
}

func TestAFederationAcceptsNamesWhenThePlatformTeamAllowsIt(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	w.reconcile("cup")
	owner := w.get("cup").Status.DNSOwner
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict,
		"spec.dns.transferTo: "+owner)
	other.TransferTo = owner
	w.Expect(other.converge(other.units()...)).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict,
		"the platform team sets spec.takeover of the DNSZone to Allow")
	w.setTakeover(v1alpha1.TakeoverAllow)
	w.takeEvents()
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Normal Published took over in zone cupdomain.com: ")))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
}

func TestATransferNeedsAProviderThatGuaranteesIt(t *testing.T) {
	w := newWorldOf(t, v1alpha1.DNSProvider{Webhook: &v1alpha1.WebhookProvider{URL: "http://localhost:8888"}})
	w.createReady("cup")
	w.change("cup", transferringTo(w.elsewhere().ID))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonUnsupportedByProvider,
		"spec.dns.transferTo")
}

// Fault: a Federation that was restored from a backup before it had offered its names said that it has none, and kept them for ever.
func TestAFederationWithoutStatusOffersWhatItHas(t *testing.T) {
	w := newWorldWithZone(t)
	fed := w.createReady("cup")
	fed.Status = v1alpha1.FederationStatus{}
	w.Expect(w.api.Status().Update(t.Context(), fed)).To(gomega.Succeed())
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TransferTo = "be1844e5754bd88e4717" })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonTransferOffered, "3 record sets")
}
