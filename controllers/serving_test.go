// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// live is the live service record of a server that is to be taken over.
var live = dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: "old.cupdomain.com"})

var takesOver = naming(v1alpha1.RecordKey{Name: "_xmpp-server._tcp.cupdomain.com", Type: "SRV"})

func TestANewNameIsPublishedOnceItsServerHasAnswered(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", whenServing)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
	w.Expect(w.zone.Dump()).NotTo(gomega.ContainElement(gomega.ContainSubstring("_xmppfed")))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer,
		"_xmpp-server._tcp.cupdomain.com", "cup1.cupdomain.com", "see condition ServerReady", "spec.dns.publicationPolicy to Immediate")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRollingOut)
	w.Expect(w.asked).To(gomega.BeZero(), "there is nobody to ask")

	w.runServer("cup")
	w.reconcile("cup")
	w.Expect(w.asked).To(gomega.Equal(1), "the pod is asked as soon as it is ready")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.records()).To(gomega.HaveLen(3))

	w.restartOperator()
	for range 3 {
		w.reconcile("cup")
	}
	w.Expect(w.asked).To(gomega.Equal(1), "what is published needs no proof")
}

func TestATakeoverWaitsForTheServer(t *testing.T) {
	w := newWorldWithZone(t)
	w.setTakeover(v1alpha1.TakeoverAllow)
	w.edit(live)
	w.create("cup", whenServing, takesOver, withSecret)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	for range 10 {
		w.pass(w.reconcile("cup").RequeueAfter)
	}
	stands := "_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 old.cupdomain.com."
	w.Expect(w.records()).To(gomega.Equal([]string{stands}))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer)

	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.Equal([]string{stands}), "it never became the Federation's")
}

func TestATakeoverHappensOnceTheServerHasAnswered(t *testing.T) {
	w := newWorldWithZone(t)
	w.setTakeover(v1alpha1.TakeoverAllow)
	w.edit(live)
	w.create("cup", whenServing, takesOver)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	w.server.silent = true
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.HaveLen(1))
	w.server.silent = false
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElement("_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestWhatIsPublishedIsKeptUpToDateThoughTheServerIsDown(t *testing.T) {
	for name, restart := range map[string]bool{"by the operator that published it": false, "by one that was restarted": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup", whenServing)
			w.server.silent = true
			if restart {
				w.restartOperator()
			}
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonRollingOut)
			w.Expect(w.records()).To(gomega.HaveLen(3), "nothing is withdrawn")
			w.assignAddress("cup", "203.0.113.131")
			w.reconcile("cup")
			w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.131"))
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = "cup2.cupdomain.com" })
			w.reconcile("cup")
			w.Expect(w.records()).To(gomega.ContainElements("cup2.cupdomain.com. 300 A 203.0.113.131",
				"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup2.cupdomain.com."), "the host is the same server")
		})
	}
}

func TestAFurtherNameWaitsAlone(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Federation){
		"a domain":        func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "sales.cupdomain.com") },
		"direct TLS":      func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{} },
		"clients":         func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Clients = &v1alpha1.ClientExposureSpec{} },
		"another subname": func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat.Subdomain = "rooms" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup", whenServing)
			w.server.lagging = true
			w.change("cup", edit)
			w.reconcile("cup")
			w.assignAddress("cup", "203.0.113.131")
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer)
			w.Expect(len(w.records())).To(gomega.BeNumerically("<=", 3), "nothing new")
			w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.131",
				"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 5269 cup1.cupdomain.com."), "the others go on")

			w.server.lagging = false
			w.reconcile("cup")
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

func TestAServerThatDoesNotAnswerForADomainIsAskedAgainLessAndLessOften(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", whenServing)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	w.server.refuses = "conference.cupdomain.com"
	begin := w.now
	for w.now.Sub(begin) < time.Hour {
		w.pass(w.reconcile("cup").RequeueAfter)
	}
	w.Expect(w.asked).To(gomega.BeNumerically(">", 5))
	w.Expect(w.asked).To(gomega.BeNumerically("<", 30))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer,
		`the server refuses streams to conference.cupdomain.com with "host-unknown"`)
	w.server.refuses = ""
	w.pass(w.reconcile("cup").RequeueAfter)
	w.pass(w.reconcile("cup").RequeueAfter)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestAProofEndsWithTheServerThatGaveIt(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", whenServing)
	w.reconcile("cup")
	w.runServer("cup")
	w.reconcile("cup")
	w.Expect(w.asked).To(gomega.Equal(1), "before there is an address")
	pod := read[corev1.Pod](w, "cup-0")
	w.Expect(w.api.Delete(t.Context(), pod)).To(gomega.Succeed())
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer)
}

func TestPeopleAreToldToCreateRecordsOnceTheServerHasAnswered(t *testing.T) {
	w := newWorldOf(t, byHand)
	w.edit(live)
	w.create("cup", whenServing)
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer)
	w.runServer("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordsToCreate)
}
