// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dane"
	"github.com/xmppfed/xmppfed/internal/pki"
)

func withTLSA(fed *v1alpha1.Federation) {
	withSecret(fed)
	fed.Spec.DNS.TLSA = v1alpha1.TLSAEnabled
}

// published are the keys in the TLSA records at port 5269.
func (w *world) published() []string {
	w.t.Helper()
	var keys []string
	for _, record := range w.records() {
		if key, found := strings.CutPrefix(record, "_5269._tcp.cup1.cupdomain.com. 300 TLSA 3 1 1 "); found {
			keys = append(keys, key)
		}
	}
	return keys
}

func (w *world) handed() string {
	return dane.Key(read[corev1.Secret](w, "cup-server").Data["tls.crt"])
}

func TestTLSARecordsAreRolledBeforeTheCertificate(t *testing.T) {
	w := newWorldWithZone(t)
	ca := w.newAuthority()
	ca.writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	w.createReady("cup", withTLSA)
	old := w.handed()
	w.Expect(w.published()).To(gomega.Equal([]string{old}))

	ca.writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	next := dane.Key(read[corev1.Secret](w, "cup-tls").Data["tls.crt"])
	both := []string{old, next}
	slices.Sort(both)
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.Equal(both))
	w.Expect(w.handed()).To(gomega.Equal(old), "resolvers may have the old record alone")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished,
		"the newest certificate has another key and is handed to the server once every resolver can know its TLSA record, 5m0s after")

	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	w.pass(299 * time.Second)
	w.reconcile("cup")
	w.Expect(w.handed()).To(gomega.Equal(old))
	w.pass(2 * time.Second)
	w.server.lagging = true // the kubelet has not delivered it yet
	w.reconcile("cup")
	w.Expect(w.handed()).To(gomega.Equal(next))
	w.pass(time.Minute)
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.Equal(both), "the server may still use the old key")
	w.server.lagging = false
	w.reconcile("cup")
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.Equal([]string{next}))

	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TLSA = v1alpha1.TLSADisabled })
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.BeEmpty())
	w.Expect(w.get("cup").Status.TLSA).To(gomega.BeNil())
}

func TestTLSARecordsCoverDirectTLSAndGoWithTheFederation(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) {
		fed.Spec.DNS.TLSA, fed.Spec.Exposure.DirectTLS = v1alpha1.TLSAEnabled, &v1alpha1.DirectTLSSpec{}
	})
	w.Expect(w.records()).To(gomega.ContainElements("_5269._tcp.cup1.cupdomain.com. 300 TLSA 3 1 1 "+w.handed(),
		"_5270._tcp.cup1.cupdomain.com. 300 TLSA 3 1 1 "+w.handed()))
	w.deleteCompletely("cup")
	w.Expect(w.records()).To(gomega.BeEmpty())
}

func TestARenewalByTheOwnCAKeepsTheKeyThatIsPublished(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.TLSA = v1alpha1.TLSAEnabled })
	before, key := read[corev1.Secret](w, "cup-server").Data["tls.crt"], w.handed()
	w.pass(70 * 24 * time.Hour)
	w.reconcile("cup")
	after := read[corev1.Secret](w, "cup-server").Data
	w.Expect(after["tls.crt"]).NotTo(gomega.Equal(before))
	w.Expect(pki.NeedsRenewal(after["tls.crt"], []string{"cupdomain.com", "conference.cupdomain.com"}, w.now)).To(gomega.BeFalse())
	w.Expect(w.handed()).To(gomega.Equal(key))
	w.Expect(w.published()).To(gomega.Equal([]string{key}))
}

func TestAZoneThatIsNotSignedGetsNoTLSARecordsAndAllTheRest(t *testing.T) {
	w := newWorldWithZone(t)
	w.unsigned = "the parent of zone cupdomain.com has no DS record for it"
	w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	fed := w.createReady("cup", withTLSA)
	w.expectCondition(fed, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonDANEUnsigned,
		"3 record sets are served by every authoritative server; no TLSA records are published: the parent of zone cupdomain.com has no DS")
	w.Expect(w.published()).To(gomega.BeEmpty())

	w.unsigned = ""
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.Equal([]string{w.handed()}))
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)

	w.signedUnknown = errors.New("no resolver answers")
	w.reconcile("cup")
	w.Expect(w.published()).To(gomega.Equal([]string{w.handed()}), "what nobody can tell changes nothing")
}
