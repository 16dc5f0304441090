// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Fault: Ready was False for a second or two while pods dropped a former domain, which nobody could notice.
func TestAServerThatServesMoreThanIsWantedForAWhileIsReady(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Federation){
		"with a certificate of its own CA": func(fed *v1alpha1.Federation) { fed.Spec.TLS = nil },
		"with that of a Secret":            func(*v1alpha1.Federation) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup", withSales, edit)
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
			w.rounds(2, "cup")
			w.pass(302 * time.Second)
			w.server.behind = true
			for range 3 {
				result := w.reconcile("cup")
				w.servesNo("sales.cupdomain.com")
				w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
				w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
				w.Expect(result.RequeueAfter.Seconds()).To(gomega.BeNumerically("<=", 1), "pods can't tell by themselves")
				w.pass(time.Second)
			}
			w.pass(2 * time.Minute)
			w.reconcile("cup")
			w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut,
				"has not taken up the newest configuration yet")
			w.server.behind = false
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

// A change that others may notice is told at once, even when a former domain is dropped in the same rollout.
func TestAServerThatServesLessThanIsWantedIsNotReady(t *testing.T) {
	w := newWorldWithZone(t)
	w.writeAccounts(map[string]string{"cupuser1": "secret"})
	w.createReady("cup", withSales, withAccounts)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	w.rounds(2, "cup")
	w.pass(302 * time.Second)
	w.writeAccounts(map[string]string{"cupuser2": "secret"})
	w.server.behind = true
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut)
}
