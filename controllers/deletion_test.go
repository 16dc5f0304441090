// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// startDeletion deletes a Federation; its finalizer keeps it.
func (w *world) startDeletion(name string) {
	w.t.Helper()
	w.Expect(w.api.Delete(w.t.Context(), w.get(name))).To(gomega.Succeed())
}

// deleteCompletely deletes a Federation and reconciles, letting the time pass that reconciles ask for, until it is gone.
// It returns everything that was written.
func (w *world) deleteCompletely(name string) []string {
	w.t.Helper()
	w.startDeletion(name)
	var written []string
	for range 10 {
		result := w.reconcile(name)
		written = append(written, w.journal...)
		if !w.exists(&v1alpha1.Federation{}, name) {
			return written
		}
		w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0), "deletion has to go on")
		w.pass(result.RequeueAfter)
	}
	w.Expect(w.get(name).Status.Conditions).To(gomega.BeNil(), "deletion does not come to its end")
	return nil
}

// expectLapsed expects that no condition of a Federation that is being deleted goes on saying what partners find.
func (w *world) expectLapsed(name string) {
	w.t.Helper()
	for _, condition := range []string{v1alpha1.ConditionDNSPublished, v1alpha1.ConditionInboundReachable, v1alpha1.ConditionAvailable} {
		w.expectCondition(w.get(name), condition, metav1.ConditionUnknown, v1alpha1.ReasonDeleting)
	}
}

func TestDeletionTakesBackInTheOrderInWhichPartnersLoseIt(t *testing.T) {
	w := newWorldWithZone(t)
	w.edit(addressRecord("www.cupdomain.com", "203.0.113.80"))
	foreign := w.zone.Dump()
	w.createReady("cup")
	w.startDeletion("cup")

	result := w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
		"no service record of this Federation stands any more; the address stays until 5m0s after that")
	w.expectLapsed("cup")
	w.Expect(w.records()).To(gomega.ConsistOf("cup1.cupdomain.com. 300 A "+publicAddress, "www.cupdomain.com. 300 A 203.0.113.80"))
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue())
	w.Expect(result.RequeueAfter).To(gomega.Equal(5 * time.Minute))

	w.pass(299 * time.Second)
	result = w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty(), "before the TTL is over nothing happens")
	w.Expect(result.RequeueAfter).To(gomega.Equal(time.Second))

	w.pass(time.Second)
	w.reconcile("cup")
	w.Expect(w.zone.Dump()).To(gomega.Equal(foreign), "foreign records are untouched, and no ownership record is left")
	addresses := slices.Index(w.journal, "dns drop A cup1.cupdomain.com")
	w.Expect(addresses).To(gomega.BeNumerically(">=", 0))
	w.Expect(slices.Index(w.journal, "delete Service cup-s2s")).To(gomega.BeNumerically(">", addresses))
	w.Expect(w.get("cup").Finalizers).NotTo(gomega.BeEmpty(), "the finalizer stays until the load balancer is gone")

	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.Equal([]string{"patch Federation cup"}))
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestDeletionWaitsUntilTheLoadBalancerIsGone(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	service := read[corev1.Service](w, "cup-s2s")
	service.Finalizers = []string{"service.kubernetes.io/load-balancer-cleanup"}
	w.Expect(w.api.Update(t.Context(), service)).To(gomega.Succeed())
	w.startDeletion("cup")
	w.reconcile("cup")
	w.pass(5 * time.Minute)
	for range 3 {
		w.reconcile("cup")
		w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
			"the cluster's load balancer has to give back the address of Service cup-s2s")
	}
	w.Expect(w.journal).To(gomega.BeEmpty(), "and is told once")

	service = read[corev1.Service](w, "cup-s2s")
	service.Finalizers = nil
	w.Expect(w.api.Update(t.Context(), service)).To(gomega.Succeed())
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestAShortTTLIsAShortWait(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 5 })
	w.startDeletion("cup")
	w.Expect(w.reconcile("cup").RequeueAfter).To(gomega.Equal(5 * time.Second))
}

func TestALongTTLIsWaitedForUnlessTheSpecSaysOtherwise(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = 86400 })
	w.startDeletion("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting,
		"the address stays until 24h0m0s after that", "set spec.dns.maxCacheWait")
	w.pass(time.Hour)
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal([]string{"cup1.cupdomain.com. 86400 A " + publicAddress}))

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.MaxCacheWait = &metav1.Duration{Duration: time.Hour} })
	w.reconcile("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestRetainLeavesTheRecords(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	zone := w.zone.Dump()
	written := w.deleteCompletely("cup")
	w.Expect(w.zone.Dump()).To(gomega.Equal(zone))
	w.Expect(written).To(gomega.ContainElement("delete Service cup-s2s"))
}

func TestAFederationThatWasNeverAcceptedIsDeletedAtOnce(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", withDomains("example.org"))
	w.reconcile("cup")
	w.Expect(w.deleteCompletely("cup")).To(gomega.Equal([]string{"patch Federation cup"}))
}

func TestAFederationWithoutAddressIsDeletedAtOnce(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.startDeletion("cup")
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.ContainElement("delete Service cup-s2s"))
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
}

func TestASuspendedFederationIsDeleted(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
	w.reconcile("cup")
	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
}

func TestDeletionLeavesForeignRecordsInPlace(t *testing.T) {
	for name, foreign := range map[string]dns.RRset{
		"an address at our host name":     addressRecord("cup1.cupdomain.com", "203.0.113.99"),
		"a service record of our domain":  dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 60, dns.SRV{Port: 1, Target: "a.b."}),
		"an alias where our host name is": {Name: "cup1.cupdomain.com.", Type: dns.TypeCNAME, TTL: 9, Data: []dns.Data{dns.Alias("a.b.")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.edit(foreign)
			zone := w.zone.Dump()
			w.create("cup")
			w.reconcile("cup")
			w.assignAddress("cup", publicAddress)
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, readyReason(w.get("cup")))
			w.deleteCompletely("cup")
			w.Expect(w.zone.Dump()).To(gomega.Equal(zone))
		})
	}
}

// readyReason is why a Federation is not Ready.
func readyReason(fed *v1alpha1.Federation) string {
	for _, condition := range fed.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return condition.Reason
		}
	}
	return ""
}

func TestDeletionWaitsForTheDNS(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.startDeletion("cup")
	w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
	result := w.reconcile("cup")
	fed := w.get("cup")
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable, "no server of the zone answers")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0))
	w.Expect(w.exists(&corev1.Service{}, "cup-s2s")).To(gomega.BeTrue(), "the address stays as long as records point to it")

	w.zone.Fail(nil)
	w.reconcile("cup")
	w.pass(5 * time.Minute)
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.records()).To(gomega.BeEmpty())
}

func TestDeletionGoesOnAfterTheOperatorWasKilled(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.startDeletion("cup")
	for range 10 {
		if !w.exists(&v1alpha1.Federation{}, "cup") {
			break
		}
		w.restartOperator()
		w.reconcile("cup")
		w.pass(time.Minute)
	}
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse())
	w.Expect(w.records()).To(gomega.BeEmpty())
}

// The zone is noted before the first write to it: whatever is lost afterwards, deletion knows where to look.
func TestRecordsOfWhichNoStatusWasWrittenAreFoundAtDeletion(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.fail("patch status of Federation", errors.New("the API server is gone"), 1)
	_, err := w.tryReconcileWithoutContract(w.key("cup"))
	w.Expect(err).To(gomega.HaveOccurred())
	w.Expect(w.records()).To(gomega.HaveLen(3))
	w.Expect(w.get("cup").Status.Records).To(gomega.BeEmpty(), "the status that tells of them was lost")

	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
}
