// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// addressed assigns a public address by the spec, so that nothing has to be played for it.
func addressed(address string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Spec.Exposure.PublicAddresses = []string{address} }
}

// named is a Federation for domains with a host name of its own, and without group chat.
func named(host v1alpha1.DomainName, domains ...v1alpha1.DomainName) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Spec.Domains, fed.Spec.DNS.Hostname, fed.Spec.Server.GroupChat = domains, host, nil
	}
}

// rounds reconciles Federations in their order, so many times.
func (w *world) rounds(count int, names ...string) {
	w.t.Helper()
	for range count {
		for _, name := range names {
			w.reconcile(name)
		}
	}
}

// acceptedOf are those of the Federations that are accepted.
func (w *world) acceptedOf(names ...string) []string {
	w.t.Helper()
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !meta.IsStatusConditionTrue(w.get(name).Status.Conditions, v1alpha1.ConditionAccepted)
	})
}

// Fault: restored in another order and without status, the one that came first was accepted as the older, got OwnershipConflict,
// and kept the one out that has the name in the DNS.
func TestAfterARestoreWhoHasTheNameInTheDNSHasIt(t *testing.T) {
	for _, order := range [][]string{{"late", "cup"}, {"cup", "late"}} {
		t.Run(order[0]+" is looked at first", func(t *testing.T) {
			w := newWorldWithZone(t)
			older := w.create("late", named("late.cupdomain.com", "late.cupdomain.com"), addressed("203.0.113.7"))
			w.nextSecond(older.CreationTimestamp)
			w.create("cup", addressed(publicAddress))
			w.rounds(2, "cup")
			records := w.records()
			w.loseStatus("cup")
			w.change("late", func(fed *v1alpha1.Federation) { fed.Spec.Domains = []v1alpha1.DomainName{"cupdomain.com"} })
			w.rounds(4, order...)
			w.Expect(w.acceptedOf("cup", "late")).To(gomega.Equal([]string{"cup"}))
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
			w.expectCondition(w.get("late"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainClaimed,
				"cupdomain.com belongs to Federation cup")
			w.Expect(w.records()).To(gomega.ContainElements(records))
			versions := w.versions()
			w.restartOperator()
			w.rounds(2, order...)
			w.Expect(w.versions()).To(gomega.Equal(versions), "nothing goes to and fro")
		})
	}
}

// Fault: records that were only to be published counted as a hold of one that may not publish any more.
func TestWhoMayNoLongerPublishKeepsOnlyWhatItHas(t *testing.T) {
	for name, kept := range map[string]bool{"published": true, "somebody else's record was in the way": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			other := w.another()
			if !kept {
				w.edit(dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: "old.cupdomain.com"}))
			}
			first := w.create("revoked", inNamespace(other.namespace), addressed(publicAddress))
			for range 2 {
				other.reconcile("revoked")
			}
			w.Expect(other.get("revoked").Status.Records).NotTo(gomega.BeEmpty())
			w.changeZone(func(zone *v1alpha1.DNSZone) {
				zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{
					MatchLabels: map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": v1alpha1.LabelValue(w.namespace)},
				}}
			})
			other.reconcile("revoked")
			w.nextSecond(first.CreationTimestamp)
			w.create("cup", withHostname("cup2.cupdomain.com"))
			w.reconcile("cup")
			w.Expect(w.acceptedOf("cup")).To(gomega.HaveLen(map[bool]int{true: 0, false: 1}[kept]))
		})
	}
}

// Who is kept out of a name looks in the DNS whether what it noted of its other names still holds, for its word counts for others.
func TestWhoIsKeptOutForgetsWhoHadItsOtherNames(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("holder", named("holder.cupdomain.com", "held.cupdomain.com"), addressed("203.0.113.7"))
	older := w.create("older", named("older.cupdomain.com", "cupdomain.com"), addressed("203.0.113.8"))
	w.nextSecond(older.CreationTimestamp)
	w.create("younger", named("younger.cupdomain.com", "cupdomain.com"), addressed("203.0.113.9"))
	w.create("cup", named("cup1.cupdomain.com", "cupdomain.com", "held.cupdomain.com"), addressed(publicAddress))
	w.rounds(2, "holder", "younger")
	cup := w.get("cup")
	cup.Status.Conflicts = []v1alpha1.NameConflict{{Name: "cupdomain.com", Owner: w.get("younger").Status.DNSOwner}}
	w.Expect(w.api.Status().Update(t.Context(), cup)).To(gomega.Succeed())
	w.reconcile("cup")
	w.Expect(w.get("cup").Status.Conflicts).To(gomega.Equal(
		[]v1alpha1.NameConflict{{Name: "held.cupdomain.com", Owner: w.get("holder").Status.DNSOwner}}), "as the DNS says")
	w.rounds(2, "younger", "older")
	w.Expect(w.acceptedOf("holder", "cup", "younger", "older")).To(gomega.Equal([]string{"holder", "older"}))
}

// Fault: nobody could learn what to write to spec.dns.transferTo, as the new one was not accepted, nor could it be.
func TestAFederationMovesWithinTheClusterWithoutAGap(t *testing.T) {
	for name, namespace := range map[string]func(*world) string{
		"to another name":      func(w *world) string { return w.namespace },
		"to another namespace": func(w *world) string { return w.another().namespace },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			to := another{w, namespace(w)}
			first := w.createReady("cup")
			before := w.zone.Dump()
			w.nextSecond(first.CreationTimestamp)
			w.create("new", inNamespace(to.namespace), addressed("203.0.113.140"))
			to.reconcile("new")
			owner := to.get("new").Status.DNSOwner
			w.Expect(owner).NotTo(gomega.BeEmpty())
			w.expectCondition(to.get("new"), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainClaimed,
				"to move the name here without a gap, have that one name this one in spec.dns.transferTo: "+owner)

			w.change("cup", transferringTo(owner))
			to.reconcile("new")
			w.expectCondition(to.get("new"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
			w.Expect(w.zone.Dump()).To(gomega.Equal(before), "what is not offered yet is not accepted")
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonTransferOffered,
				"accepts them by itself as soon as it can serve them")
			to.reconcile("new")
			w.Expect(slices.DeleteFunc(w.journal, func(line string) bool { return !strings.HasPrefix(line, "dns drop") })).To(gomega.BeEmpty())
			w.expectCondition(to.get("new"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
			w.Expect(w.records()).To(gomega.Equal([]string{
				"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
				"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
				"cup1.cupdomain.com. 300 A 203.0.113.140",
			}))
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonTransferred, "delete it")
			after := w.zone.Dump()
			w.deleteCompletely("cup")
			w.Expect(w.zone.Dump()).To(gomega.Equal(after))
			to.reconcile("new")
			w.expectCondition(to.get("new"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		})
	}
}

// Without the word of the one that has the names, nobody gets them by naming somebody.
func TestWhoNamesARecipientGetsNothingByIt(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	owner, records := w.get("cup").Status.DNSOwner, w.zone.Dump()
	other := w.another()
	w.create("thief", inNamespace(other.namespace), addressed("203.0.113.66"), transferringTo(owner))
	for range 3 {
		other.reconcile("thief")
		w.reconcile("cup")
	}
	w.Expect(w.zone.Dump()).To(gomega.Equal(records))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

// The namespaces of other teams in the zone are not held up by one that makes and deletes Federations.
func TestOneTeamsRemovalsDoNotHoldUpAnothers(t *testing.T) {
	w := newWorldWithBrake(t)
	other := w.another()
	w.create("theirs", inNamespace(other.namespace), named("h.cupdomain.com", "theirs.cupdomain.com"), addressed("203.0.113.7"))
	other.reconcile("theirs")
	for _, name := range []string{"a", "b"} {
		w.startDeletion(name)
		w.reconcile(name)
	}
	w.expectCondition(w.get("b"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused, "of this namespace")
	w.Expect(w.api.Delete(t.Context(), other.get("theirs"))).To(gomega.Succeed())
	other.reconcile("theirs")
	w.expectCondition(other.get("theirs"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting)
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.HavePrefix("_xmpp-server._tcp.theirs")))
}
