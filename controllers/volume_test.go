// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// fullVolume is one that is short of room by so many bytes.
func fullVolume(used int64) engine.LiveVolume {
	return engine.LiveVolume{Bytes: 1 << 30, UsedBytes: used, Full: true}
}

func TestVolumeFull_IsSaidAndWhatServesGoesOn(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	w.createReady("cup", withPeers(partner("gmail.com")))
	records, ordered := w.records(), w.guard.ordered
	w.takeEvents()

	w.server.volume = fullVolume(990 << 20)
	w.reconcile("cup")
	fed := w.get("cup")
	w.expectNotReady(fed, v1alpha1.ConditionReconciling, v1alpha1.ConditionServerReady, v1alpha1.ReasonVolumeFull,
		"PersistentVolumeClaim data-cup-0 (1024 MiB) in namespace "+w.namespace, "`kubectl -n "+w.namespace+" edit pvc data-cup-0`")
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonVolumeFull, "partners still reach cupdomain.com")
	w.expectCondition(fed, v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
	w.expectCondition(fed, v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
	w.Expect(w.records()).To(gomega.Equal(records), "partners are led to it as before")
	w.Expect(w.guard.paused).To(gomega.BeFalse())
	w.Expect(w.guard.ordered).To(gomega.BeNumerically(">", ordered), "partners are tried as before")
	w.Expect(w.guard.orders[w.key("cup")].Post.PodIP).NotTo(gomega.BeEmpty())

	w.pass(outcome.HiccupDeadline)
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionServerReady, v1alpha1.ReasonVolumeFull)
	written := w.get("cup").ResourceVersion
	w.server.volume = fullVolume(1020 << 20)
	w.reconcile("cup")
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(written), "how full it is, is no news")

	w.server.volume = engine.LiveVolume{Bytes: 2 << 30, UsedBytes: 1020 << 20}
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// A server that serves all that is wanted is led to, whatever else of it is not as the spec wants it.
func TestAServerThatServesIsPublishedAndChecked(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		edit   func(*world, *v1alpha1.Federation)
	}{
		"its volume is full":   {v1alpha1.ReasonVolumeFull, func(w *world, _ *v1alpha1.Federation) { w.server.volume = fullVolume(990 << 20) }},
		"accounts are missing": {v1alpha1.ReasonSecretNotFound, func(_ *world, fed *v1alpha1.Federation) { withAccounts(fed) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.guard.known["gmail.com"] = answers
			w.create("cup", withPeers(partner("gmail.com")), func(fed *v1alpha1.Federation) {
				fed.Spec.DNS.TLSA = v1alpha1.TLSAEnabled
				test.edit(w, fed)
			})
			w.reconcile("cup")
			w.assignAddress("cup", publicAddress)
			w.runServer("cup")
			for range 4 {
				w.reconcile("cup")
			}
			fed := w.get("cup")
			w.expectCondition(fed, v1alpha1.ConditionServerReady, metav1.ConditionFalse, test.reason)
			w.expectCondition(fed, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
			w.expectCondition(fed, v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
			w.expectCondition(fed, v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
			w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
			w.Expect(fed.Status.TLSA.ServedKey).NotTo(gomega.BeEmpty(), "a key that is served is served")
		})
	}
}
