// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func withHostname(name v1alpha1.DomainName) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = name }
}

// formerHosts of Federation cup.
func (w *world) formerHosts() []string {
	w.t.Helper()
	var names []string
	for _, former := range w.get("cup").Status.FormerHosts {
		names = append(names, former.Hostname)
	}
	return names
}

func TestAnotherHostNameLeavesTheFormerOneItsAddressForOneTTL(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	renamed := []string{
		"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup2.cupdomain.com.",
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup2.cupdomain.com.",
		"cup1.cupdomain.com. 300 A " + publicAddress,
		"cup2.cupdomain.com. 300 A " + publicAddress,
	}
	result := w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(renamed))
	w.Expect(w.get("cup").Status.Hostname).To(gomega.Equal("cup2.cupdomain.com"))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished,
		"4 record sets", "the former host name cup1.cupdomain.com keeps its address")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 301*time.Second))

	w.pass(299 * time.Second)
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "waiting is quiet")
	w.restartOperator()
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(renamed))

	w.assignAddress("cup", "203.0.113.131")
	result = w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131", "cup2.cupdomain.com. 300 A 203.0.113.131"),
		"it follows the public address")

	w.pass(result.RequeueAfter)
	w.reconcile("cup")
	w.Expect(w.zone.Dump()).NotTo(gomega.ContainElement(gomega.ContainSubstring("cup1")), "nor its ownership record")
	w.Expect(w.records()).To(gomega.HaveLen(3))
	w.Expect(w.formerHosts()).To(gomega.BeEmpty())
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished,
		"3 record sets are served by every authoritative server")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}

func TestTheTTLOfFormerServiceRecordsCountsAndNotThatOfTheNewOnes(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 5 })
	w.reconcile("cup")
	w.pass(299 * time.Second)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A "+publicAddress, "cup2.cupdomain.com. 5 A "+publicAddress))
	w.pass(2 * time.Second)
	w.reconcile("cup")
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("cup1")))
}

// secondZone has the group chat domain in a zone of its own, with a name server of its own.
func (w *world) secondZone() *dnstest.Memory {
	w.t.Helper()
	return w.addZone("conference.cupdomain.com", "127.0.0.2")
}

// addZone creates a DNSZone with one name server, at an address of the loopback interface that no other zone has.
func (w *world) addZone(apex, server string) *dnstest.Memory {
	w.t.Helper()
	zone := dnstest.NewMemory(apex)
	zone.SetNameServers("ns1." + apex)
	zone.Edit(dns.Change{Put: []dns.RRset{addressRecord("ns1."+apex, server)}})
	dnstest.Serve(w.t, fmt.Sprintf("%s:%d", server, w.feds.Verifier.(signing).Port), dnstest.Authority(zone), nil)
	others := w.zones.NewProvider
	w.zones.NewProvider = func(spec v1alpha1.DNSZoneSpec, secrets controllers.ZoneSecrets) (controllers.ZoneProvider, error) {
		if string(spec.Zone) == apex {
			return zoneProvider{zone, w}, nil
		}
		return others(spec, secrets)
	}
	name := strings.ReplaceAll(apex, ".", "-")
	w.createZone(name, nil)
	w.reconcileZone(name)
	return zone
}

func TestTheFormerHostKeepsItsAddressAsLongAsAnyZoneStillNamesIt(t *testing.T) {
	w := newWorldWithZone(t)
	second := w.secondZone()
	w.createReady("cup")
	second.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	w.change("cup", withHostname("cup2.cupdomain.com"))
	for range 3 {
		w.reconcile("cup")
		w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable)
		w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A "+publicAddress, "cup2.cupdomain.com. 300 A "+publicAddress))
		w.pass(time.Hour)
		w.restartOperator()
	}
	w.change("cup", withHostname("cup3.cupdomain.com"))
	w.reconcile("cup")
	w.Expect(w.formerHosts()).To(gomega.Equal([]string{"cup1.cupdomain.com", "cup2.cupdomain.com"}))

	second.Fail(nil)
	w.reconcile("cup")
	w.Expect(second.Dump()).To(gomega.ContainElement("_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup3.cupdomain.com."))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A "+publicAddress), "it may be in caches still")
	w.pass(301 * time.Second)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal([]string{
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup3.cupdomain.com.", "cup3.cupdomain.com. 300 A " + publicAddress,
	}))
}

func TestAHostNameThatComesBackStays(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.change("cup", withHostname("cup1.cupdomain.com"))
	w.reconcile("cup")
	w.Expect(w.formerHosts()).To(gomega.Equal([]string{"cup2.cupdomain.com"}))
	w.pass(301 * time.Second)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.HaveLen(3))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
}

// The former name never got as far as the zone, so it must not keep the right one from getting there.
func TestAFormerHostThatIsInTheWayIsLetGo(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.edit(addressRecord("www.cupdomain.com", "203.0.113.80"))
	w.change("cup", withHostname("www.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordExistsUnowned, "www.cupdomain.com")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A "+publicAddress), "all stays as it was")
	w.Expect(w.formerHosts()).To(gomega.Equal([]string{"cup1.cupdomain.com"}))

	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.records()).To(gomega.ContainElements("cup2.cupdomain.com. 300 A "+publicAddress, "www.cupdomain.com. 300 A 203.0.113.80"))
	w.Expect(w.formerHosts()).To(gomega.Equal([]string{"cup1.cupdomain.com"}))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A "+publicAddress), "which is in nobody's way")
}

func TestAFormerHostThatMayNotBePublishedAnyMoreIsLetGo(t *testing.T) {
	w := newWorldWithZone(t)
	second := w.secondZone()
	w.createReady("cup", withHostname("xmpp.conference.cupdomain.com"), func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil })
	w.Expect(second.Dump()).To(gomega.ContainElement("xmpp.conference.cupdomain.com. 300 A " + publicAddress))
	zone := w.getZone("conference-cupdomain-com")
	zone.Spec.Namespaces = nil
	w.Expect(w.api.Update(t.Context(), zone)).To(gomega.Succeed())
	w.reconcileZone("conference-cupdomain-com")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.formerHosts()).To(gomega.BeEmpty())
	w.Expect(second.Dump()).NotTo(gomega.ContainElement(gomega.ContainSubstring("xmpp.")))
}

func TestAFederationWithAFormerHostIsDeletedAsAnyOther(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal([]string{
		"cup1.cupdomain.com. 300 A " + publicAddress, "cup2.cupdomain.com. 300 A " + publicAddress,
	}), "whatever service record is cached leads somewhere")
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.records()).To(gomega.BeEmpty())
}

func TestWhoeverWantsAFormerNameHasItAfterOneTTL(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.create("next", withDomains("next.cupdomain.com"), withHostname("cup1.cupdomain.com"), func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.PublicAddresses = []string{"203.0.113.131"}
	})
	w.reconcile("next")
	w.expectCondition(w.get("next"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict, "cup1.cupdomain.com")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))

	w.pass(301 * time.Second)
	w.reconcile("cup")
	w.reconcile("next")
	w.expectCondition(w.get("next"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131", "cup2.cupdomain.com. 300 A "+publicAddress))
}

// What was offered to another cluster before the former host's time was over stays with this one, and goes with it.
func TestAFormerHostIsNotInTheWayOfATransfer(t *testing.T) {
	w := newWorldWithZone(t)
	other := w.elsewhere()
	w.createReady("cup")
	w.change("cup", withHostname("cup2.cupdomain.com"))
	w.reconcile("cup")
	w.change("cup", transferringTo(other.ID))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonTransferOffered)
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
	w.change("cup", transferringTo(""))
	w.pass(301 * time.Second)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("cup1")))
}
