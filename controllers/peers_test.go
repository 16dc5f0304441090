// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/patrol"
)

// guard plays the patrol: what is known of partners is what the test says.
type guard struct {
	known   map[string]check.PeerVerdict
	orders  map[types.NamespacedName]patrol.Orders
	ordered int
	paused  bool
}

func newGuard() *guard {
	return &guard{known: map[string]check.PeerVerdict{}, orders: map[types.NamespacedName]patrol.Orders{}}
}

func (g *guard) Watch(federation types.NamespacedName, orders patrol.Orders) map[string]check.PeerVerdict {
	g.orders[federation] = orders
	g.ordered++
	g.paused = false
	return g.Known(federation)
}

func (g *guard) Pause(types.NamespacedName) { g.paused = true }

func (g *guard) Known(types.NamespacedName) map[string]check.PeerVerdict { return g.known }

func (g *guard) Forget(federation types.NamespacedName) { delete(g.orders, federation) }

var (
	answers = check.PeerVerdict{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable, Message: "gmail.com answers",
		Encrypted: true, Authentication: "EXTERNAL", RoundTrip: 30 * time.Millisecond,
	}
	refuses = check.PeerVerdict{
		Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPeerRequiresTLS, Message: "webex.example insists on encryption",
	}
)

func withPeers(peers ...v1alpha1.Peer) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Spec.Peers = peers }
}

func partner(domain v1alpha1.DomainName, edits ...func(*v1alpha1.Peer)) v1alpha1.Peer {
	peer := v1alpha1.Peer{Domain: domain, Profile: v1alpha1.PeerProfileStandard}
	for _, edit := range edits {
		edit(&peer)
	}
	return peer
}

func denied(peer *v1alpha1.Peer) { peer.Access = v1alpha1.PeerAccessDeny }

func TestPartnersAreWatchedFromTheServerAndStatusTellsOfEach(t *testing.T) {
	w := newWorldWithZone(t)
	talk := partner("talk.example", func(p *v1alpha1.Peer) {
		p.Profile, p.AcknowledgeInsecure = v1alpha1.PeerProfileGoogleTalk, true
		p.Route = &v1alpha1.PeerRoute{Host: "203.0.113.25", Port: 15269}
	})
	fed := w.createReady("cup", withPeers(partner("gmail.com"), talk, partner("bad.example", denied)))
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked)
	w.Expect(fed.Status.PeersReachable).To(gomega.Equal("0/2"))

	orders := w.guard.orders[client.ObjectKeyFromObject(fed)]
	w.Expect(orders.Interval).To(gomega.Equal(5 * time.Minute))
	w.Expect(orders.Post.From).To(gomega.Equal("cupdomain.com"))
	w.Expect(orders.Post.PodIP).NotTo(gomega.BeEmpty())
	w.Expect(orders.Post.Token).NotTo(gomega.BeEmpty())
	w.Expect(orders.Post.Domains).To(gomega.Equal([]string{"cupdomain.com", "conference.cupdomain.com"}))
	w.Expect(orders.Targets).To(gomega.Equal([]patrol.Target{
		{Domain: "gmail.com", Policy: v1alpha1.PeerPolicy{Access: "Allow", TLS: "Required", Authentication: "Certificate"}},
		{Domain: "talk.example", Policy: v1alpha1.PeerPolicy{Access: "Allow", TLS: "Disabled", Authentication: "Dialback"}, Route: "203.0.113.25:15269"},
	}), "whom our own policy refuses is not tried")

	w.guard.known["gmail.com"], w.guard.known["talk.example"] = answers, answers
	w.reconcile("cup")
	fed = w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
	w.Expect(fed.Status.PeersReachable).To(gomega.Equal("2/2"))
	w.Expect(fed.Status.Peers[0]).To(gomega.Equal(v1alpha1.PeerStatus{
		Domain: "gmail.com", Policy: &orders.Targets[0].Policy, Reachable: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable,
		Encrypted: true, Authentication: "EXTERNAL", RoundTrip: &metav1.Duration{Duration: 30 * time.Millisecond},
		LastTransitionTime: fed.Status.Peers[0].LastTransitionTime,
	}))
	w.Expect(fed.Status.Peers[2].Reason).To(gomega.Equal(v1alpha1.ReasonPeerDenied))
}

func TestAPartnerThatFailsIsNamedAndReadyIsNotItsMatter(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"], w.guard.known["webex.example"], w.guard.known["old.example"] = answers, refuses, refuses
	fed := w.createReady("cup", withPeers(partner("gmail.com"), partner("webex.example"), partner("old.example")))
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionFalse, v1alpha1.ReasonPeerRequiresTLS,
		"webex.example insists on encryption; also old.example, see status.peers")
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(fed.Status.PeersReachable).To(gomega.Equal("1/3"))

	w.guard.known["webex.example"], w.guard.known["old.example"] = answers, answers
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
}

func TestStatusOfPartnersIsWrittenOnlyWhenItsMeaningChanges(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	fed := w.createReady("cup", withPeers(partner("gmail.com")))
	w.pass(time.Hour)
	slower := answers
	slower.RoundTrip = 30 * time.Second
	w.guard.known["gmail.com"] = slower
	w.reconcile("cup")
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(fed.ResourceVersion), "how long the answer takes is no news")

	w.guard.known["gmail.com"] = refuses
	w.reconcile("cup")
	w.guard.known["gmail.com"] = slower
	w.pass(time.Minute)
	w.reconcile("cup")
	after := w.get("cup").Status.Peers[0]
	w.Expect(after.RoundTrip.Duration).To(gomega.Equal(30 * time.Second))
	w.Expect(after.LastTransitionTime.Time).To(gomega.BeTemporally("~", w.now, time.Second))
}

func TestARestartOfTheOperatorForgetsNoPartner(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	fed := w.createReady("cup", withPeers(partner("gmail.com")))
	w.restartOperator()
	w.guard.known = map[string]check.PeerVerdict{}
	w.reconcile("cup")
	w.Expect(w.get("cup").ResourceVersion).To(gomega.Equal(fed.ResourceVersion))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
}

func TestPartnersAreNotTriedWhileTheServerIsDown(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	w.createReady("cup", withPeers(partner("gmail.com")))
	before := w.guard.ordered
	w.server.silent = true
	w.reconcile("cup")
	w.Expect(w.guard.ordered).To(gomega.Equal(before))
	w.Expect(w.guard.paused).To(gomega.BeTrue())
	w.expectCondition(w.get("cup"), v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
}

func TestPartnersAreTriedOnceTheWayInWorksOrHasFailedForAMinute(t *testing.T) {
	w := newWorldWithZone(t)
	reachable := w.verdict
	w.verdict = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionTimeout, Message: "packets are dropped"}
	w.create("cup", withPeers(partner("gmail.com")))
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	for range 2 {
		w.reconcile("cup")
	}
	w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionFalse, v1alpha1.ReasonConnectionTimeout)
	w.Expect(w.guard.ordered).To(gomega.BeZero())
	w.pass(time.Minute)
	w.reconcile("cup")
	w.Expect(w.guard.ordered).To(gomega.Equal(1))

	w.verdict = reachable
	w.pass(time.Hour)
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.guard.ordered).To(gomega.Equal(3))
}

func TestAHostedServiceIsNamedOnlyWhileItHostsOneOfTheDomains(t *testing.T) {
	w := newWorldWithZone(t)
	fed := w.createReady("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Verification.HostedServices = []v1alpha1.DomainName{"webex.example"}
	})
	w.Expect(w.guard.orders[client.ObjectKeyFromObject(fed)].Targets).To(gomega.Equal(
		[]patrol.Target{{Domain: "webex.example", HostingOnly: true}}))
	w.Expect(fed.Status.Peers).To(gomega.BeEmpty())
	w.Expect(fed.Status.PeersReachable).To(gomega.BeEmpty(), "no partners are listed")

	hosting := check.PeerVerdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPeerHostsOurDomain, Message: "webex.example hosts cupdomain.com"}
	w.guard.known["webex.example"] = hosting
	w.reconcile("cup")
	fed = w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionFalse, v1alpha1.ReasonPeerHostsOurDomain, "webex.example hosts cupdomain.com")
	w.Expect(fed.Status.Peers).To(gomega.HaveLen(1))

	hosting.Status = metav1.ConditionTrue
	w.guard.known["webex.example"] = hosting
	w.reconcile("cup")
	w.Expect(w.get("cup").Status.Peers).To(gomega.BeEmpty())
	w.Expect(meta.FindStatusCondition(w.get("cup").Status.Conditions, v1alpha1.ConditionPeersReachable)).To(gomega.BeNil())
}

func TestWithoutPartnersTheConditionIsAbsentAndTheWatchEnds(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	fed := w.createReady("cup", withPeers(partner("gmail.com")))
	w.change("cup", withPeers())
	w.reconcile("cup")
	after := w.get("cup")
	w.Expect(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionPeersReachable)).To(gomega.BeNil())
	w.Expect(after.Status.Peers).To(gomega.BeEmpty())
	w.Expect(after.Status.PeersReachable).To(gomega.BeEmpty())
	w.Expect(w.guard.orders).NotTo(gomega.HaveKey(client.ObjectKeyFromObject(fed)))
}

func TestTheWatchEndsWithTheFederation(t *testing.T) {
	for name, end := range map[string]func(*world, *v1alpha1.Federation){
		"suspended": func(w *world, fed *v1alpha1.Federation) {
			w.change(fed.Name, func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
			w.reconcile(fed.Name)
		},
		"on its way out": func(w *world, fed *v1alpha1.Federation) {
			w.Expect(w.api.Delete(w.t.Context(), fed)).To(gomega.Succeed())
			w.reconcile(fed.Name)
			w.Expect(w.get(fed.Name).Finalizers).NotTo(gomega.BeEmpty(), "resolvers may still know its service records")
		},
		"deleted past the finalizer": func(w *world, fed *v1alpha1.Federation) {
			w.change(fed.Name, func(fed *v1alpha1.Federation) { fed.Finalizers = nil })
			w.Expect(w.api.Delete(w.t.Context(), fed)).To(gomega.Succeed())
			w.reconcile(fed.Name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			fed := w.createReady("cup", withPeers(partner("gmail.com")))
			w.Expect(w.guard.orders).To(gomega.HaveKey(client.ObjectKeyFromObject(fed)))
			end(w, fed)
			w.Expect(w.guard.orders).To(gomega.BeEmpty())
		})
	}
}

func TestStatusOf300PartnersThatAllFailStaysSmall(t *testing.T) {
	w := newWorldWithZone(t)
	var peers []v1alpha1.Peer
	for i := range 300 {
		domain := fmt.Sprintf("a-partner-with-a-rather-long-name-%03d.of-the-world.example", i)
		peers = append(peers, partner(v1alpha1.DomainName(domain)))
		failure := refuses
		failure.Message = domain + strings.Repeat("x", 256-len(domain))
		w.guard.known[domain] = failure
	}
	fed := w.createReady("cup", withPeers(peers...))
	w.Expect(fed.Status.Peers).To(gomega.HaveLen(300))
	encoded, err := json.Marshal(fed.Status)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	t.Logf("status of 300 partners with the longest messages: %d bytes", len(encoded))
	w.Expect(len(encoded)).To(gomega.BeNumerically("<", 256<<10))
}

// What partners said is no news of them when there is nobody left who could ask.
func TestPeersReachable_IsUnknownWithoutAServer(t *testing.T) {
	w := newWorldWithZone(t)
	w.guard.known["gmail.com"] = answers
	fed := w.createReady("cup", withPeers(partner("gmail.com")))
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
	w.ready("cup", 0)
	w.reconcile("cup")
	fed = w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionPeersReachable, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked,
		"no pod of the server is ready", "condition ServerReady")
	w.Expect(fed.Status.PeersReachable).To(gomega.BeEmpty())
	w.ready("cup", 1)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
	w.Expect(w.get("cup").Status.PeersReachable).To(gomega.Equal("1/1"))
}
