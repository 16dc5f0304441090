// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// ready says how many pods of a Federation are ready.
func (w *world) ready(fed string, pods int32) {
	w.t.Helper()
	set := read[appsv1.StatefulSet](w, fed)
	set.Status.ReadyReplicas, set.Status.AvailableReplicas = pods, pods
	w.Expect(w.api.Status().Update(w.t.Context(), set)).To(gomega.Succeed())
}

// A pod that is being replaced answers for a moment longer than Kubernetes counts it, or the other way round.
func TestAnOutageIsSeenThoughTheFormerPodAnsweredAMomentBefore(t *testing.T) {
	for name, before := range map[string]int32{"it is counted still": 1, "it is counted no more": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.Image = "registry.invalid/nope:1" })
			w.ready("cup", before)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
			w.ready("cup", 0)
			w.verdict = unavailable
			began := w.now
			w.reconcile("cup")
			for condition(w.get("cup"), v1alpha1.ConditionAvailable).Status == metav1.ConditionTrue && w.now.Sub(began) < time.Minute {
				w.pass(time.Second)
				w.reconcile("cup")
			}
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonUnreachable, "nothing listens")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionFalse, v1alpha1.ReasonConnectionRefused)
			w.Expect(w.now.Sub(began)).To(gomega.BeNumerically("<", 10*time.Second))
		})
	}
}

// The operator looks again by itself, not only when something happens.
func TestAServerWithoutReadyPodsIsAskedAgainSoon(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.ready("cup", 0)
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.BeNumerically("<=", 5*time.Second))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
}

// What was seen is of a way in that there is no more.
func TestTheWayInOfBeforeIsNoProofOfTheOneOfNow(t *testing.T) {
	for name, test := range map[string]struct {
		wrong     func(*world)
		published string
		inbound   string
	}{
		"the address changes while the zone can't be written": {func(w *world) {
			w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonTSIGBadSignature, Message: "the key's secret differs", Permanent: true})
			w.assignAddress("cup", "203.0.113.131")
		}, v1alpha1.ReasonTSIGBadSignature, v1alpha1.ReasonNotChecked},
		"the DNSZone is deleted and the address changes": {func(w *world) {
			w.Expect(w.api.DeleteAllOf(t.Context(), &v1alpha1.DNSZone{})).To(gomega.Succeed())
			w.reconcileZone("cupdomain-com")
			w.assignAddress("cup", "203.0.113.131")
		}, v1alpha1.ReasonZoneNotProbed, v1alpha1.ReasonNotAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			test.wrong(w)
			w.reconcile("cup")
			fed := w.get("cup")
			w.Expect(condition(fed, v1alpha1.ConditionDNSPublished).Reason).To(gomega.Equal(test.published))
			w.expectCondition(fed, v1alpha1.ConditionInboundReachable, metav1.ConditionUnknown, test.inbound)
		})
	}
}

// Nobody who got through before is kept out by a domain that is new, right or wrong.
func TestAFurtherDomainIsNoOutage(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.takeEvents()
	w.access = func(target check.AccessTarget) check.Access { return check.Access{Reached: target.Domains} }
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "team.nozone.example") })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable,
		"partners reach cupdomain.com, conference.cupdomain.com: checked from public DNS", "not published yet: team.nozone.example")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains[1] = "team.cupdomain.com" })
	for range 5 {
		w.reconcile("cup")
	}
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	for _, event := range w.takeEvents() {
		w.Expect(event).NotTo(gomega.HavePrefix("Warning " + v1alpha1.ReasonPartlyReachable))
	}
}
