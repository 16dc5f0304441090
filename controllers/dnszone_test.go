// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const goodKey = "c2VjcmV0IG9mIGF0IGxlYXN0IDE2IGJ5dGVz"

// expectZone checks Ready of a DNSZone.
func (w *world) expectZone(name string, status metav1.ConditionStatus, reason, message string) {
	w.t.Helper()
	zone := &v1alpha1.DNSZone{}
	w.Expect(w.api.Get(w.t.Context(), client.ObjectKey{Name: name}, zone)).To(gomega.Succeed())
	ready := meta.FindStatusCondition(zone.Status.Conditions, v1alpha1.ConditionReady)
	w.Expect(ready).NotTo(gomega.BeNil())
	w.Expect(string(ready.Status)+" "+ready.Reason).To(gomega.Equal(string(status)+" "+reason), ready.Message)
	w.Expect(ready.Message).To(gomega.ContainSubstring(message))
}

// takeNews are the names of the zones that were reported as better or worse since the last call.
func (w *world) takeNews() []string {
	var names []string
	for {
		select {
		case news := <-w.news:
			names = append(names, news.Object.Name)
		default:
			return names
		}
	}
}

func TestAZoneWhoseServersAnswerIsReady(t *testing.T) {
	w := newWorldWithZone(t)
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "answers and accepts the key")
	w.Expect(w.takeNews()).To(gomega.Equal([]string{"cupdomain-com"}))
	w.Expect(w.reconcileZone("cupdomain-com").RequeueAfter).To(gomega.And(
		gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", 5*time.Second)))
	w.Expect(w.journal).To(gomega.BeEmpty())
	w.Expect(w.takeNews()).To(gomega.BeEmpty())
}

func TestAZoneTellsHowMuchStandsInIt(t *testing.T) {
	w := newWorldWithZone(t)
	status := w.getZone("cupdomain-com").Status
	w.Expect(status.Provider).To(gomega.Equal(v1alpha1.DNSProviderRFC2136))
	w.Expect(status.Guarantee).To(gomega.Equal(v1alpha1.GuaranteeAtomic))
	w.Expect(status.Federations).To(gomega.BeZero())

	w.createReady("cup")
	w.reconcileZone("cupdomain-com")
	status = w.getZone("cupdomain-com").Status
	w.Expect(status.Federations).To(gomega.Equal(int32(1)))
	w.Expect(status.Records).To(gomega.Equal(int32(3)))
	w.reconcileZone("cupdomain-com")
	w.Expect(w.journal).To(gomega.BeEmpty(), "nothing is written when nothing changed")

	w.startDeletion("cup")
	w.reconcile("cup")
	w.reconcileZone("cupdomain-com")
	w.Expect(w.getZone("cupdomain-com").Status.Records).To(gomega.Equal(int32(1)), "the address outlasts the service records")
	w.pass(5 * time.Minute)
	w.rounds(2, "cup")
	w.reconcileZone("cupdomain-com")
	w.Expect(w.getZone("cupdomain-com").Status.Federations).To(gomega.BeZero())
}

func TestAZoneWithoutUsableKeySaysSo(t *testing.T) {
	w := newWorld(t)
	w.createZone("cupdomain-com", nil)
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound,
		"Secret xmppfed-system/fed-tsig, named by spec.provider.rfc2136.tsig.secretRef of DNSZone cupdomain-com, does not exist; "+
			"the platform team has to put the TSIG secret there, under key \"secret\"")
	w.createKey("")
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, "has nothing under key \"secret\"; ")
	w.create("cup")
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)

	w.createKey("this is no base64")
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonTSIGBadSignature, "no base64")
	w.takeNews()

	w.createKey(goodKey)
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	w.Expect(w.takeNews()).To(gomega.Equal([]string{"cupdomain-com"}))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

func TestAKeyThatVanishesTakesTheZoneAway(t *testing.T) {
	w := newWorldWithZone(t)
	w.takeNews()
	w.Expect(w.api.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace("xmppfed-system"))).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, "")
	w.Expect(w.takeNews()).To(gomega.HaveLen(1))
}

func TestFederationsHearOfAServerThatDiesAndComesBack(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.records()
	w.takeNews()
	w.probe = &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of zone cupdomain.com answers"}
	for range 3 {
		w.reconcileZone("cupdomain-com")
	}
	w.Expect(w.takeNews()).To(gomega.Equal([]string{"cupdomain-com"}), "one message, however long it lasts")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable, "no server of zone cupdomain.com answers")
	w.reconcile("cup")
	for _, same := range []string{v1alpha1.ConditionDNSPublished, v1alpha1.ConditionReady} {
		w.expectCondition(w.get("cup"), same, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady,
			"the records in zone cupdomain.com stand as they were published", "no server of zone cupdomain.com answers")
	}
	for _, unaffected := range []string{v1alpha1.ConditionServerReady, v1alpha1.ConditionAddressAssigned, v1alpha1.ConditionInboundReachable} {
		w.Expect(meta.IsStatusConditionTrue(w.get("cup").Status.Conditions, unaffected)).To(gomega.BeTrue(), unaffected)
	}
	w.Expect(w.records()).To(gomega.Equal(records))

	w.probe = nil
	w.reconcileZone("cupdomain-com")
	w.Expect(w.takeNews()).To(gomega.Equal([]string{"cupdomain-com"}))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestARefusedProbeIsStalled(t *testing.T) {
	w := newWorldWithZone(t)
	w.probe = &dns.Error{Reason: v1alpha1.ReasonTSIGKeyUnknown, Message: "the server does not know the key", Permanent: true}
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonTSIGKeyUnknown, "the server does not know the key")
	zone := &v1alpha1.DNSZone{}
	w.Expect(w.api.Get(t.Context(), client.ObjectKey{Name: "cupdomain-com"}, zone)).To(gomega.Succeed())
	w.Expect(meta.IsStatusConditionTrue(zone.Status.Conditions, v1alpha1.ConditionStalled)).To(gomega.BeTrue())
}

func TestADeletedZoneIsNeverAnEmptySetOfRecords(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	records := w.records()
	w.Expect(w.api.DeleteAllOf(t.Context(), &v1alpha1.DNSZone{})).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionReconciling, v1alpha1.ConditionAccepted, v1alpha1.ReasonZoneNotFound)
	w.Expect(w.records()).To(gomega.Equal(records))

	w.startDeletion("cup")
	result := w.reconcile("cup")
	w.Expect(w.records()).To(gomega.Equal(records))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonZoneNotProbed,
		"its DNSZone is gone", "set spec.dns.deletionPolicy to Retain")
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0), "deletion waits for the DNSZone")

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.exists(&v1alpha1.Federation{}, "cup")).To(gomega.BeFalse(), "or for somebody who wants the records to stay")
	w.Expect(w.records()).To(gomega.Equal(records))
}

func TestOfTwoDNSZonesForOneZoneTheOlderCounts(t *testing.T) {
	w := newWorldWithZone(t)
	first := &v1alpha1.DNSZone{}
	w.Expect(w.api.Get(t.Context(), client.ObjectKey{Name: "cupdomain-com"}, first)).To(gomega.Succeed())
	w.nextSecond(first.CreationTimestamp)
	second := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: "again"}, Spec: *first.Spec.DeepCopy()}
	second.Spec.Namespaces = nil
	w.Expect(w.api.Create(t.Context(), second)).To(gomega.Succeed())
	w.reconcileZone("again")
	w.expectZone("again", metav1.ConditionFalse, v1alpha1.ReasonDomainClaimed, "DNSZone cupdomain-com was there first")
	w.createReady("cup")

	w.Expect(w.api.Delete(t.Context(), second)).To(gomega.Succeed())
	w.reconcileZone("again")
	_, err := w.zones.Zones.Provider("cupdomain.com", w.get("cup"))
	w.Expect(err).NotTo(gomega.HaveOccurred(), "the zone of the other DNSZone stays usable")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// A tool that replaces a DNSZone deletes and creates it at once, which may come as a single change.
func TestADNSZoneCreatedUnderTheNameOfAnotherIsLookedAtAfresh(t *testing.T) {
	w := newWorldWithZone(t)
	replace := func(edit func(*v1alpha1.DNSZoneSpec)) {
		old := w.getZone("cupdomain-com")
		w.Expect(w.api.Delete(t.Context(), old)).To(gomega.Succeed())
		zone := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: old.Name}, Spec: *old.Spec.DeepCopy()}
		edit(&zone.Spec)
		w.Expect(w.api.Create(t.Context(), zone)).To(gomega.Succeed())
		w.reconcileZone(old.Name)
	}
	replace(func(spec *v1alpha1.DNSZoneSpec) {
		spec.Provider = v1alpha1.DNSProvider{Webhook: &v1alpha1.WebhookProvider{URL: "http://localhost:8888"}}
	})
	status := w.getZone("cupdomain-com").Status
	w.Expect(status.Guarantee).To(gomega.Equal(v1alpha1.GuaranteeBestEffort), "its own provider is in use")
	w.Expect(status.NameServers).NotTo(gomega.BeEmpty(), "and its name servers were looked at")

	replace(func(spec *v1alpha1.DNSZoneSpec) { spec.Zone = "example.com" })
	fed := w.create("cup")
	_, err := w.zones.Zones.Provider("example.com", fed)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	_, err = w.zones.Zones.Provider("cupdomain.com", fed)
	w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("its DNSZone is gone")))
}

func TestAProbeThatHadNoTurnTakesNoZoneAway(t *testing.T) {
	w := newWorldWithZone(t)
	w.takeNews()
	w.probe = &dns.Error{Reason: v1alpha1.ReasonRateLimited, Message: "there is no room for more requests", Err: dns.ErrNoTurn}
	w.Expect(w.reconcileZone("cupdomain-com").RequeueAfter).To(gomega.Equal(2 * time.Second))
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	w.Expect(w.takeNews()).To(gomega.BeEmpty())
	w.Expect(w.journal).To(gomega.BeEmpty())
}

// What was stored before admission refused it.
func TestAZoneWhoseSelectorCannotBeReadSaysSoAndStaysUsable(t *testing.T) {
	w := newWorldWithZone(t)
	readable := w.zones.Client
	w.zones.Client = interceptor.NewClient(readable.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, obj, opts...)
			zone, ok := obj.(*v1alpha1.DNSZone)
			if !ok {
				return err
			}
			zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{
				From:     v1alpha1.NamespacesSelector,
				Selector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"no label": "at all"}},
			}
			return err
		},
	})
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionFalse, v1alpha1.ReasonDomainNotAllowed,
		`spec.namespaces.selector can't be read: [key: Invalid value: "no label"`)
	w.Expect(meta.IsStatusConditionTrue(w.getZone("cupdomain-com").Status.Conditions, v1alpha1.ConditionStalled)).To(gomega.BeTrue())
	_, err := w.zones.Zones.Provider("cupdomain.com", w.create("cup"))
	w.Expect(err).NotTo(gomega.HaveOccurred(), "records that stand there may have to be removed")

	w.zones.Client = readable
	w.reconcileZone("cupdomain-com")
	w.expectZone("cupdomain-com", metav1.ConditionTrue, v1alpha1.ReasonReady, "")
}
