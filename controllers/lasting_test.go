// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// expectSlowing reconciles for an hour whenever a Federation is due: soon at first, and in the end as rarely as that.
func (w *world) expectSlowing(name string, first, rarest time.Duration) {
	w.t.Helper()
	w.Expect(w.reconcile(name).RequeueAfter).To(gomega.Equal(first), "soon")
	looks, began, last := 0, w.now, first
	for w.now.Sub(began) < time.Hour {
		w.pass(last)
		next := w.reconcile(name).RequeueAfter
		w.Expect(next).To(gomega.BeNumerically("<=", rarest))
		looks, last = looks+1, next
		w.Expect(looks).To(gomega.BeNumerically("<", 10+2*int(time.Hour/rarest)), "a few soon, and some to check the way in")
	}
}

func TestWhatLastsInTheDNSIsTriedLessAndLessOften(t *testing.T) {
	for _, reason := range []string{v1alpha1.ReasonServerUnavailable, v1alpha1.ReasonPropagationPending} {
		t.Run(reason, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.zone.Fail(&dns.Error{Reason: reason, Message: "ns2 is out of step"})
			w.expectSlowing("cup", 2*time.Second, 6*time.Minute)

			w.zone.Fail(&dns.Error{Reason: reason, Message: "ns3 is out of step"})
			w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.Equal(2*time.Second), "that is news")
			w.zone.Fail(nil)
			w.reconcile("cup")
			w.zone.Fail(&dns.Error{Reason: reason, Message: "ns3 is out of step"})
			w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.Equal(2*time.Second), "all was well in between")
		})
	}
}

func TestAServerThatDoesNotAnswerIsAskedLessAndLessOften(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.server.silent = true
	w.expectSlowing("cup", 5*time.Second, 6*time.Minute)
	w.server.silent, w.server.lagging = false, true
	w.expectSlowing("cup", time.Second, 6*time.Minute)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat.Subdomain = "rooms" })
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.Equal(time.Second), "that may be the cure")
}
