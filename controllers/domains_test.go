// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// inNamespace creates the Federation in another namespace.
func inNamespace(name string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Namespace = name }
}

func withDomains(names ...v1alpha1.DomainName) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Spec.Domains = names
		fed.Spec.DNS.Hostname = "xmpp." + names[0]
	}
}

// another is a second namespace with a Federation in it, and how to reconcile and read that.
type another struct {
	*world
	namespace string
}

func (w *world) another() another { return another{w, w.newNamespace("other-")} }

func (a another) reconcile(name string) {
	a.t.Helper()
	_, err := a.tryReconcile(client.ObjectKey{Namespace: a.namespace, Name: name})
	a.Expect(err).NotTo(gomega.HaveOccurred())
}

func (a another) get(name string) *v1alpha1.Federation {
	a.t.Helper()
	fed := &v1alpha1.Federation{}
	a.Expect(a.api.Get(a.t.Context(), client.ObjectKey{Namespace: a.namespace, Name: name}, fed)).To(gomega.Succeed())
	return fed
}

// nextSecond waits until the API server's clock gives the next object a later creation time.
func (w *world) nextSecond(after metav1.Time) {
	w.Eventually(time.Now, "2s", "10ms").Should(gomega.BeTemporally(">=", after.Add(time.Second)))
}

func TestADomainBelongsToTheOldestFederation(t *testing.T) {
	w := newWorldWithZone(t)
	first := w.createReady("cup")
	records := w.records()
	w.nextSecond(first.CreationTimestamp)
	other := w.another()
	w.create("late", inNamespace(other.namespace))
	other.reconcile("late")
	w.expectNotReady(other.get("late"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainClaimed,
		"belongs to a Federation in another namespace", "take it out", "takes over by itself")
	w.Expect(w.journal).To(gomega.ConsistOf("patch Federation late", "patch status of Federation late"), "nothing is built or published")
	for _, secret := range []string{w.namespace, "cup,"} {
		for _, condition := range other.get("late").Status.Conditions {
			w.Expect(condition.Message).NotTo(gomega.ContainSubstring(secret), "who it is remains the other namespace's secret")
		}
	}
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "the first is undisturbed")
	w.Expect(w.records()).To(gomega.Equal(records))

	w.deleteCompletely("cup")
	other.reconcile("late")
	w.expectCondition(other.get("late"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}

func TestARivalInTheSameNamespaceIsNamed(t *testing.T) {
	w := newWorldWithZone(t)
	first := w.createReady("cup")
	w.nextSecond(first.CreationTimestamp)
	w.create("late")
	w.reconcile("late")
	w.expectNotReady(w.get("late"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainClaimed,
		"belongs to Federation cup")
}

func TestNamesThatFollowFromDomainsAreClaimedToo(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Federation){
		"the group chat of the first as a domain": withDomains("conference.cupdomain.com"),
		"the host name of the first as a domain":  withDomains("cup1.cupdomain.com"),
		"the host name of the first":              withDomains("a.cupdomain.com"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			first := w.createReady("cup")
			w.nextSecond(first.CreationTimestamp)
			w.create("late", edit, func(fed *v1alpha1.Federation) {
				fed.Spec.Server.GroupChat = nil
				if fed.Spec.Domains[0] == "a.cupdomain.com" {
					fed.Spec.DNS.Hostname = "cup1.cupdomain.com"
				}
			})
			w.reconcile("late")
			w.expectNotReady(w.get("late"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainClaimed)
		})
	}
}

func TestAFederationThatServesADomainKeepsItAgainstAnOlderOne(t *testing.T) {
	w := newWorldWithZone(t)
	older := w.create("old", withDomains("old.cupdomain.com"), func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil })
	w.reconcile("old")
	w.nextSecond(older.CreationTimestamp)
	w.createReady("cup")

	w.change("old", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "cupdomain.com") })
	w.reconcile("old")
	w.expectNotReady(w.get("old"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainClaimed, "cupdomain.com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.journal).To(gomega.BeEmpty())
}

func TestTwoYoungFederationsAgreeOnWhoIsFirst(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.create("two")
	for range 2 {
		w.reconcile("two")
		w.reconcile("cup")
	}
	accepted := func(name string) metav1.ConditionStatus { return w.get(name).Status.Conditions[0].Status }
	w.Expect([]metav1.ConditionStatus{accepted("cup"), accepted("two")}).To(gomega.ConsistOf(
		metav1.ConditionTrue, metav1.ConditionFalse))
}

func TestWhoMayNotPublishADomainDoesNotBlockIt(t *testing.T) {
	w := newWorld(t)
	w.createKey(goodKey)
	w.createZone("cupdomain-com", &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{
		corev1.LabelMetadataName: v1alpha1.LabelValue(w.namespace),
	}})
	w.reconcileZone("cupdomain-com")
	squatter := w.another()
	first := w.create("squatter", inNamespace(squatter.namespace))
	squatter.reconcile("squatter")
	w.expectNotReady(squatter.get("squatter"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed,
		"lies in DNSZone cupdomain-com, which does not let namespace "+squatter.namespace+" publish", "spec.namespaces")
	w.Expect(w.journal).To(gomega.ConsistOf("patch Federation squatter", "patch status of Federation squatter"), "nothing is written")
	w.Expect(w.records()).To(gomega.BeEmpty())

	w.nextSecond(first.CreationTimestamp)
	w.createReady("cup")
}

func TestANamespaceThatIsAllowedLaterPublishesThen(t *testing.T) {
	w := newWorld(t)
	w.createKey(goodKey)
	w.createZone("cupdomain-com", &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"xmpp": "yes"}})
	w.reconcileZone("cupdomain-com")
	w.create("cup")
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed)

	namespace := &corev1.Namespace{}
	w.Expect(w.api.Get(t.Context(), client.ObjectKey{Name: w.namespace}, namespace)).To(gomega.Succeed())
	namespace.Labels["xmpp"] = "yes"
	w.Expect(w.api.Update(t.Context(), namespace)).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}

func TestAFederationThatIsNotAllowedAnyMoreKeepsWhatItHas(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.records()
	zone := &v1alpha1.DNSZone{}
	w.Expect(w.api.Get(t.Context(), client.ObjectKey{Name: "cupdomain-com"}, zone)).To(gomega.Succeed())
	zone.Spec.Namespaces = nil
	w.Expect(w.api.Update(t.Context(), zone)).To(gomega.Succeed())
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed)
	w.Expect(w.records()).To(gomega.Equal(records))

	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty(), "deletion cleans up all the same")
}

func TestADomainWithoutZoneIsRefused(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", withDomains("example.org"))
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionAccepted, v1alpha1.ReasonZoneNotFound,
		"no DNSZone covers", "example.org", "platform team")
	w.Expect(w.journal).To(gomega.ConsistOf("patch Federation cup", "patch status of Federation cup"))
}

func TestAGroupChatInAZoneOfItsOwnIsPublishedThere(t *testing.T) {
	w := newWorldWithZone(t)
	w.createZone("conference-cupdomain-com", nil)
	w.reconcileZone("conference-cupdomain-com")
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.Expect(w.get("cup").Status.Zones).To(gomega.Equal([]string{"conference.cupdomain.com", "cupdomain.com"}))
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("conference")), "the shorter zone does not hold it")
	published := slices.DeleteFunc(slices.Clone(w.journal), func(line string) bool { return !strings.HasPrefix(line, "dns put") })
	w.Expect(published).To(gomega.ContainElement("dns put SRV _xmpp-server._tcp.conference.cupdomain.com"))
	w.Expect(slices.Index(published, "dns put A cup1.cupdomain.com")).To(gomega.BeNumerically("<",
		slices.Index(published, "dns put SRV _xmpp-server._tcp.conference.cupdomain.com")), "the host's zone comes first")
}

func TestADomainThatIsTakenOutIsWithdrawn(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "team.cupdomain.com") })
	w.Expect(w.records()).To(gomega.HaveLen(5))
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Domains = fed.Spec.Domains[:1]
		fed.Spec.Server.GroupChat = nil
	})
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal([]string{
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com.",
		"cup1.cupdomain.com. 300 A " + publicAddress,
	}))
	w.Expect(w.zone.Dump()).NotTo(gomega.ContainElement(gomega.ContainSubstring("team")), "nor is its ownership record left")
}
