// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// newWorldWithBrake is a world in which three Federations have records, of which one may lose them within ten minutes.
func newWorldWithBrake(t *testing.T) *world {
	w := newWorldWithZone(t)
	w.changeZone(func(zone *v1alpha1.DNSZone) { zone.Spec.Brake = &v1alpha1.RemovalBrake{Federations: 1, Percent: 10} })
	for _, name := range []string{"a", "b", "c"} {
		w.create(name, func(fed *v1alpha1.Federation) {
			fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(name + ".cupdomain.com")}
			fed.Spec.DNS.Hostname = v1alpha1.DomainName("xmpp." + name + ".cupdomain.com")
		})
		w.reconcile(name)
		w.assignAddress(name, publicAddress)
		w.reconcile(name)
	}
	w.Expect(w.records()).To(gomega.HaveLen(9))
	return w
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
	for name, value := range map[string]string{"over": "2001-01-01T00:00:00Z", "no time": "yes"} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithBrake(t)
			w.changeZone(func(zone *v1alpha1.DNSZone) {
				zone.Annotations = map[string]string{v1alpha1.AnnotationBrakeReleasedUntil: value}
			})
			for _, name := range []string{"a", "b"} {
				w.startDeletion(name)
				w.reconcile(name)
			}
			w.expectCondition(w.get("b"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused)
		})
	}
}

func TestTheBrakeHoldsBackWhatAChangeRemovesAndLetsAllElsePass(t *testing.T) {
	w := newWorldWithBrake(t)
	w.startDeletion("a")
	w.reconcile("a")
	w.change("b", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = "other.b.cupdomain.com" })
	w.reconcile("b")
	w.expectCondition(w.get("b"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRemovalsPaused)
	w.Expect(w.records()).To(gomega.ContainElement("xmpp.b.cupdomain.com. 300 A " + publicAddress))

	w.change("b", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = "xmpp.b.cupdomain.com" })
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
