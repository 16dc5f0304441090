// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestWhyThereIsNoAddressIsSurfaced(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.assignAddress("cup")
	result := w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonAddressPending,
		"Service cup-s2s has no public address yet", "install a load balancer controller or write spec.exposure.publicAddresses")
	w.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", time.Minute), gomega.BeNumerically("<=", 5*time.Minute)),
		"the Service and its events are watched")

	w.warn(read[corev1.Service](w, "cup-s2s"), "Service", "SyncLoadBalancerFailed", "Error syncing load balancer: pool is exhausted")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAddressAssigned, metav1.ConditionFalse, v1alpha1.ReasonAddressPending,
		"Error syncing load balancer: pool is exhausted")
}

func TestALoadBalancerWithOnlyAHostNameNeedsStaticAddresses(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	service := read[corev1.Service](w, "cup-s2s")
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "a1b2.elb.example"}}
	w.Expect(w.api.Status().Update(t.Context(), service)).To(gomega.Succeed())
	w.runServer("cup")
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonAddressIsHostname,
		"host name a1b2.elb.example but no address", "spec.exposure.publicAddresses")

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.PublicAddresses = []string{"203.0.113.5"} })
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestPublicAddressesStandForThoseOfTheLoadBalancer(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.PublicAddresses = []string{"2001:DB8::5", "203.0.113.5"}
	})
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A 203.0.113.5", "cup1.cupdomain.com. 300 AAAA 2001:db8::5"))
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring(publicAddress)))
	w.Expect(w.get("cup").Status.Addresses).To(gomega.Equal([]string{"203.0.113.5", "2001:db8::5"}))
}

func TestAnAddressOfEachFamilyIsPublished(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyPreferDualStack)
	})
	w.assignAddress("cup", publicAddress, "2001:db8::5")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElements("cup1.cupdomain.com. 300 A "+publicAddress, "cup1.cupdomain.com. 300 AAAA 2001:db8::5"))
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring(" AAAA ")))
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
}

func TestSourceRangesThatLeaveAFamilyOpenAreReportedAndTheAddressStays(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.SourceRanges = []string{"2001:db8::/32"}
	})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonSourceRangesIncomplete,
		publicAddress, "everyone may connect by IPv4", "add one that may")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.SourceRanges = []string{"2001:db8::/32", "198.51.100.0/24"}
	})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned, publicAddress)
}

func TestDualStackThatTheClusterDoesNotHaveIsRefused(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyRequireDualStack)
	})
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAddressAssigned, metav1.ConditionFalse, v1alpha1.ReasonObjectRefused,
		"spec.exposure.loadBalancer.ipFamilyPolicy", "not configured for dual-stack")
}

func TestAnotherAddressMovesTheAddressRecordAlone(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.assignAddress("cup", "203.0.113.131")
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.131"))
	w.Expect(w.journal).NotTo(gomega.ContainElement(gomega.ContainSubstring("SRV")), "service records are not touched")
	w.Expect(w.checks[len(w.checks)-1].Addresses[0].String()).To(gomega.Equal("203.0.113.131"), "the new way in is checked at once")
}

func TestAnotherPortMovesServiceAndServiceRecords(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	uid := read[corev1.Service](w, "cup-s2s").UID
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 })
	w.reconcile("cup")
	service := read[corev1.Service](w, "cup-s2s")
	w.Expect(service.UID).To(gomega.Equal(uid))
	w.Expect(service.Spec.Ports).To(gomega.HaveLen(2), "the former one stays open for a while")
	w.Expect(service.Spec.Ports[0].Port).To(gomega.Equal(int32(15269)))
	w.Expect(w.records()).To(gomega.Equal([]string{
		"_xmpp-server._tcp.conference.cupdomain.com. 300 SRV 0 0 15269 cup1.cupdomain.com.",
		"_xmpp-server._tcp.cupdomain.com. 300 SRV 0 0 15269 cup1.cupdomain.com.",
		"cup1.cupdomain.com. 300 A " + publicAddress,
	}))
}

func TestDirectTLSAddsAPortAndItsServiceRecordsAndTakesThemAwayAgain(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	without, before := w.records(), read[corev1.Service](w, "cup-s2s")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{Port: 443} })
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ConsistOf(append([]string{
		"_xmpps-server._tcp.conference.cupdomain.com. 300 SRV 0 0 443 cup1.cupdomain.com.",
		"_xmpps-server._tcp.cupdomain.com. 300 SRV 0 0 443 cup1.cupdomain.com.",
	}, without...)))
	service := read[corev1.Service](w, "cup-s2s")
	w.Expect(service.UID).To(gomega.Equal(before.UID))
	w.Expect(service.Spec.Ports).To(gomega.HaveLen(2))
	w.Expect(service.Spec.Ports[0]).To(gomega.Equal(before.Spec.Ports[0]), "the node port stays")
	w.Expect(w.checks[len(w.checks)-1].DirectPort).To(gomega.Equal(uint16(443)), "the new way in is checked at once")

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = nil })
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(without))
	w.pass(302 * time.Second)
	w.reconcile("cup")
	w.Expect(read[corev1.Service](w, "cup-s2s").Spec.Ports).To(gomega.Equal(before.Spec.Ports))
}

func TestClientsFromOutsideGetPortsAndServiceRecordsOfTheirOwn(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	without, before := w.records(), read[corev1.Service](w, "cup-s2s")
	w.change("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.Clients = &v1alpha1.ClientExposureSpec{DirectTLS: &v1alpha1.ClientDirectTLSSpec{}}
	})
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.ConsistOf(append([]string{
		"_xmpp-client._tcp.cupdomain.com. 300 SRV 0 0 5222 cup1.cupdomain.com.",
		"_xmpps-client._tcp.cupdomain.com. 300 SRV 0 0 5223 cup1.cupdomain.com.",
	}, without...)), "and none for the group chat")
	service := read[corev1.Service](w, "cup-s2s")
	w.Expect(service.UID).To(gomega.Equal(before.UID))
	w.Expect(service.Spec.Ports).To(gomega.HaveLen(3))
	w.Expect(service.Spec.Ports[0]).To(gomega.Equal(before.Spec.Ports[0]), "the node port stays")

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Clients = nil })
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(without))
	w.pass(302 * time.Second)
	w.reconcile("cup")
	w.Expect(read[corev1.Service](w, "cup-s2s").Spec.Ports).To(gomega.Equal(before.Spec.Ports))
}

func TestTroubleWithTheDNSKeepsItsReason(t *testing.T) {
	const permanent, temporary = true, false
	ofNames := []string{v1alpha1.ReasonUpdateRefused, v1alpha1.ReasonUpdateRejected, v1alpha1.ReasonNameOutsideZone}
	for reason, lasts := range map[string]bool{
		v1alpha1.ReasonTSIGKeyUnknown: permanent, v1alpha1.ReasonTSIGBadSignature: permanent, v1alpha1.ReasonClockSkew: permanent,
		v1alpha1.ReasonUnauthenticatedResponse: temporary, v1alpha1.ReasonUpdateRefused: permanent,
		v1alpha1.ReasonUpdateRejected: permanent, v1alpha1.ReasonNotAuthoritative: permanent,
		v1alpha1.ReasonNameOutsideZone: permanent, v1alpha1.ReasonServerUnavailable: temporary,
		v1alpha1.ReasonCredentialsRejected: permanent, v1alpha1.ReasonRateLimited: temporary,
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.zone.Fail(&dns.Error{Reason: reason, Message: "what is wrong and who mends it", Permanent: lasts})
			w.pass(time.Minute)
			result := w.reconcile("cup")
			if slices.Contains(ofNames, reason) {
				w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionDNSPublished, reason, "what is wrong and who mends it")
			} else { // and that is told of the DNSZone
				w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady,
					"stand as they were published", "what is wrong and who mends it")
				w.expectCondition(w.get("cup"), v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonZoneNotReady)
			}
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
			w.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", 30*time.Second)),
				"it is tried again even if only somebody else can mend it")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionServerReady, metav1.ConditionTrue, v1alpha1.ReasonRunning)
			w.reconcile("cup")
			w.Expect(w.journal).To(gomega.BeEmpty())

			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 60 })
			w.reconcile("cup")
			w.expectNotReady(w.get("cup"), abnormalOf(reason), v1alpha1.ConditionDNSPublished, reason, "what is wrong and who mends it")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)

			w.zone.Fail(nil)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

func TestForeignRecordsAreNotTouched(t *testing.T) {
	for name, foreign := range map[string]struct {
		record dns.RRset
		reason string
	}{
		"an address at the host name": {addressRecord("cup1.cupdomain.com", "203.0.113.99"), v1alpha1.ReasonRecordExistsUnowned},
		"a service record": {dns.SRVRecord(dns.ServiceXMPPServer, "conference.cupdomain.com", 60, dns.SRV{Port: 1, Target: "a.b."}),
			v1alpha1.ReasonRecordExistsUnowned},
		"an alias at the host name": {dns.RRset{Name: "cup1.cupdomain.com.", Type: dns.TypeCNAME, TTL: 9, Data: []dns.Data{dns.Alias("a.b.")}},
			v1alpha1.ReasonCNAMEConflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.edit(foreign.record)
			zone := w.zone.Dump()
			w.create("cup")
			w.reconcile("cup")
			w.assignAddress("cup", publicAddress)
			w.runServer("cup")
			w.reconcile("cup")
			w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionDNSPublished, foreign.reason,
				dns.Display(foreign.record.Name), "nsupdate")
			w.Expect(w.zone.Dump()).To(gomega.Equal(zone))

			w.zone.Edit(dns.Change{Drop: []dns.Key{foreign.record.Key()}})
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

func TestALostReplyOfTheDNSIsTriedAgain(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.zone.LoseReplies(1)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.Expect(w.records()).To(gomega.HaveLen(3))
}

func TestAFailedCheckComesAgainSoonerThanAGoodOne(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.verdict = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionTimeout, Message: "a firewall drops packets"}
	w.pass(5 * time.Minute)
	var waits []time.Duration
	for range 9 {
		waits = append(waits, w.reconcile("cup").RequeueAfter)
		w.pass(waits[len(waits)-1])
	}
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionInboundReachable, v1alpha1.ReasonConnectionTimeout,
		"a firewall drops packets")
	w.Expect(waits).To(gomega.Equal([]time.Duration{
		2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second,
		256 * time.Second, 90 * time.Second, // when it counts as Failed
	}))
	w.verdict = check.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: "reachable"}
	w.pass(w.reconcile("cup").RequeueAfter) // the next check is due in five minutes, though the deadline came before
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.Equal(5 * time.Minute))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestACheckThatSaysNothingIsUnknown(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.verdict = check.Verdict{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonResolverUnavailable, Message: "no resolver answers"}
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionInboundReachable, metav1.ConditionUnknown, v1alpha1.ReasonResolverUnavailable)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonResolverUnavailable)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonResolverUnavailable)
}
