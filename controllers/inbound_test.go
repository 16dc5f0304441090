// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// lame is what the DNS says as long as a name server does not have the zone.
var lame = &dns.Error{Reason: v1alpha1.ReasonNotAuthoritative, Message: "ns2 does not have the zone", Permanent: true}

func TestTheWayInIsCheckedThoughSomethingIsWrongInTheDNSForDays(t *testing.T) {
	for name, restart := range map[string]bool{"by the operator that checked it before": false, "by one that was restarted": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.zone.Fail(lame)
			w.verdict = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionRefused, Message: "nobody listens"}
			if restart {
				w.restartOperator()
			}
			for range 10 {
				w.pass(w.reconcile("cup").RequeueAfter)
			}
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady, lame.Message)
			w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionFalse, v1alpha1.ReasonConnectionRefused)

			w.verdict = check.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: "reachable"}
			w.pass(5 * time.Minute)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
		})
	}
}

func TestAChangeThatIsOnItsWayToTheNameServersIsNoFaultOfTheWayIn(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	checks := len(w.checks)
	w.assignAddress("cup", "203.0.113.131")
	w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonPropagationPending, Message: "ns2 lags behind"})
	for range 3 {
		w.pass(w.reconcile("cup").RequeueAfter)
	}
	w.Expect(w.checks).To(gomega.HaveLen(checks))
	w.zone.Fail(nil)
	w.reconcile("cup")
	w.Expect(w.checks).To(gomega.HaveLen(checks+1), "the new way in is checked at once")
}

func TestWhatIsNotPublishedYetIsNotChecked(t *testing.T) {
	w := newWorldWithZone(t)
	w.zone.Fail(lame)
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	for range 10 {
		w.pass(w.reconcile("cup").RequeueAfter)
	}
	w.Expect(w.checks).To(gomega.BeEmpty())
	w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked)
}
