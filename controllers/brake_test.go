// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
)

// newWorldWithBrake is a world in which three Federations have records, of which one may lose them within ten minutes.
func newWorldWithBrake(t *testing.T) *world {
	w := newWorldWithZone(t)
	w.changeZone(func(zone *v1alpha1.DNSZone) { zone.Spec.Brake.Federations = 1 })
	w.publishSubdomains("a", "b", "c")
	w.Expect(w.records()).To(gomega.HaveLen(9))
	return w
}

// publishSubdomains creates Federations, each for the subdomain of its name, and has their three records published.
func (w *world) publishSubdomains(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.create(name, func(fed *v1alpha1.Federation) {
			fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(name + ".cupdomain.com")}
			fed.Spec.DNS.Hostname = v1alpha1.DomainName("xmpp." + name + ".cupdomain.com")
		})
		w.reconcile(name)
		w.assignAddress(name, publicAddress)
		w.reconcile(name)
	}
}

// restartWithZones makes both reconcilers anew, so that they know nothing but what is in the cluster and in the DNS.
func (w *world) restartWithZones() {
	w.t.Helper()
	old := w.zones
	w.zones = &controllers.DNSZoneReconciler{
		Client: old.Client, Reader: old.Reader, Recorder: old.Recorder, Zones: controllers.NewZones(old.Now), Namespace: old.Namespace,
		Now: old.Now, Changed: old.Changed, NewProvider: old.NewProvider, Serials: old.Serials,
	}
	w.restartOperator()
	w.feds.Zones = w.zones.Zones
	w.reconcileZone("cupdomain-com")
}

// changeZone changes DNSZone cupdomain-com.
func (w *world) changeZone(edit func(*v1alpha1.DNSZone)) {
	w.t.Helper()
	zone := w.getZone("cupdomain-com")
	edit(zone)
	w.Expect(w.api.Update(w.t.Context(), zone)).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
}

// paused is the condition of the DNSZone, nil when its brake holds nothing back.
func (w *world) paused() *metav1.Condition {
	w.t.Helper()
	w.reconcileZone("cupdomain-com")
	return meta.FindStatusCondition(w.getZone("cupdomain-com").Status.Conditions, v1alpha1.ConditionRemovalsPaused)
}

func TestTheBrakeHoldsBackRemovalsUntilItIsReleased(t *testing.T) {
	w := newWorldWithBrake(t)
	for _, name := range []string{"a", "b", "c"} {
		w.startDeletion(name)
		w.reconcile(name)
	}
	w.expectCondition(w.get("a"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting)
	for _, name := range []string{"b", "c"} {
		w.expectCondition(w.get(name), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused,
			"removals from zone cupdomain.com are paused", "annotation xmppfed.io/brake-released-until")
	}
	w.Expect(w.records()).To(gomega.HaveLen(7), "the service records of one are gone")
	paused := w.paused()
	w.Expect(paused).NotTo(gomega.BeNil())
	w.Expect(paused.Message).To(gomega.ContainSubstring("removals from zone cupdomain.com are paused"))
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "")

	w.changeZone(func(zone *v1alpha1.DNSZone) {
		zone.Annotations = map[string]string{v1alpha1.AnnotationBrakeReleasedUntil: w.now.Add(time.Hour).UTC().Format(time.RFC3339)}
	})
	w.Expect(w.paused()).To(gomega.BeNil())
	for _, name := range []string{"b", "c"} {
		w.reconcile(name)
		w.expectCondition(w.get(name), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting)
	}
	w.Expect(w.records()).To(gomega.HaveLen(3), "the addresses stay for their time")
}

func TestTheBrakeLetsSomeGoAsTimePasses(t *testing.T) {
	w := newWorldWithBrake(t)
	for _, name := range []string{"a", "b", "c"} {
		w.startDeletion(name)
		w.reconcile(name)
	}
	w.pass(10 * time.Minute)
	w.reconcile("b")
	w.reconcile("c")
	w.expectCondition(w.get("b"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting)
	w.expectCondition(w.get("c"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused)
}

func TestAReleaseEndsWithItsTimeAndOneThatCannotBeReadIsNone(t *testing.T) {
	for value, why := range map[string]string{
		"2001-01-01T00:00:00Z": "the time in the annotation, 2001-01-01T00:00:00Z, is over",
		"2026-12-01 15:00":     `the annotation's value "2026-12-01 15:00" is no such time`,
	} {
		t.Run(value, func(t *testing.T) {
			w := newWorldWithBrake(t)
			w.changeZone(func(zone *v1alpha1.DNSZone) {
				zone.Annotations = map[string]string{v1alpha1.AnnotationBrakeReleasedUntil: value}
			})
			for _, name := range []string{"a", "b"} {
				w.startDeletion(name)
				w.reconcile(name)
			}
			w.expectCondition(w.get("b"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused)
			w.Expect(w.paused().Message).To(gomega.And(gomega.ContainSubstring("RFC 3339, for example "), gomega.HaveSuffix(why)))
		})
	}
}

func TestTheBrakeHoldsBackWhatAChangeRemovesAndLetsAllElsePass(t *testing.T) {
	w := newWorldWithBrake(t)
	w.startDeletion("a")
	w.reconcile("a")
	w.change("b", withHostname("other.b.cupdomain.com"))
	w.reconcile("b")
	w.expectCondition(w.get("b"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.pass(301 * time.Second)
	w.reconcile("b")
	w.expectCondition(w.get("b"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused)
	w.Expect(w.records()).To(gomega.ContainElement("xmpp.b.cupdomain.com. 300 A " + publicAddress))

	w.change("b", withHostname("xmpp.b.cupdomain.com"))
	w.reconcile("b")
	w.expectCondition(w.get("b"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.assignAddress("c", "203.0.113.131")
	w.reconcile("c")
	w.Expect(w.records()).To(gomega.ContainElement("xmpp.c.cupdomain.com. 300 A 203.0.113.131"))
}

func TestEmptyingTheSelectorByMistakeRemovesNothing(t *testing.T) {
	w := newWorldWithBrake(t)
	records := w.records()
	w.changeZone(func(zone *v1alpha1.DNSZone) { zone.Spec.Namespaces = nil })
	for _, name := range []string{"a", "b", "c"} {
		w.reconcile(name)
		w.expectCondition(w.get(name), v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonDomainNotAllowed)
	}
	w.Expect(w.records()).To(gomega.Equal(records))
	w.changeZone(func(zone *v1alpha1.DNSZone) {
		zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}
	})
	w.reconcile("a")
	w.expectCondition(w.get("a"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

func TestAZoneThatSaysNothingOfABrakeLetsFiveGoHoweverOftenTheOperatorDies(t *testing.T) {
	w := newWorldWithZone(t)
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	w.publishSubdomains(names...)
	for _, name := range names {
		w.startDeletion(name)
	}
	for _, name := range append(names, names...) {
		w.restartWithZones()
		w.reconcile(name)
	}
	w.Expect(w.records()).To(gomega.HaveLen(5+2*3), "five have only their addresses left")
	status := w.getZone("cupdomain-com").Status.Brake
	w.Expect(status.Limit).To(gomega.Equal(int32(5)))
	w.Expect(status.Lost).To(gomega.HaveLen(5))
	w.Expect(status.Lost[0].Federation).To(gomega.Equal(w.namespace + "/a"))
	w.Expect(status.Lost[0].Time.Time).To(gomega.BeTemporally("==", w.now))

	w.reconcile("f")
	w.Expect(w.paused().Message).To(gomega.And(gomega.ContainSubstring("5 Federations of one namespace"),
		gomega.MatchRegexp(`[12] more are held back \(chat-.*/`)))
	w.Expect(w.getZone("cupdomain-com").Status.Brake.Waiting).To(gomega.BeNumerically(">=", 1))
	w.restartWithZones()
	w.Expect(w.paused()).NotTo(gomega.BeNil(), "what was said stands until all had the time to try")

	w.pass(10 * time.Minute)
	w.reconcile("f")
	w.reconcile("g")
	w.Expect(w.paused()).To(gomega.BeNil())
	w.Expect(w.getZone("cupdomain-com").Status.Brake.Waiting).To(gomega.BeZero())
	w.Expect(w.getZone("cupdomain-com").Status.Brake.Lost).To(gomega.HaveLen(2))
	w.pass(10 * time.Minute)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.getZone("cupdomain-com").Status.Brake.Lost).To(gomega.BeEmpty(), "nobody of long ago is kept")
	w.reconcileZone("cupdomain-com")
	w.Expect(w.journal).To(gomega.BeEmpty(), "nothing is written when nothing changed")
}

func TestALossIsNotedBeforeTheRecordsGo(t *testing.T) {
	w := newWorldWithBrake(t)
	w.startDeletion("a")
	w.fail("patch status of DNSZone", errors.New("the API server is gone"), 0)
	w.reconcile("a")
	w.expectCondition(w.get("a"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused, "are counted in status")
	w.Expect(w.records()).To(gomega.HaveLen(9))

	w.fail("patch status of DNSZone", apierrors.NewConflict(schema.GroupResource{Resource: "dnszones"}, "cupdomain-com", nil), 0)
	w.reconcile("a")
	w.Expect(w.journal[0]).To(gomega.Equal("patch status of DNSZone cupdomain-com"))
	w.Expect(w.journal[1]).To(gomega.HavePrefix("dns drop "))
	w.Expect(w.records()).To(gomega.HaveLen(7))
}

func TestABrakeThatIsSwitchedOffCountsNothing(t *testing.T) {
	w := newWorldWithBrake(t)
	w.changeZone(func(zone *v1alpha1.DNSZone) { zone.Spec.Brake.Percent = 100 })
	for _, name := range []string{"a", "b", "c"} {
		w.startDeletion(name)
		w.reconcile(name)
		w.Expect(w.journal).NotTo(gomega.ContainElement(gomega.ContainSubstring("DNSZone")))
	}
	w.Expect(w.records()).To(gomega.HaveLen(3))
	w.Expect(w.getZone("cupdomain-com").Status.Brake).To(gomega.BeZero())
}
