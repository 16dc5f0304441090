// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"slices"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// setTakeover is the platform team's part.
func (w *world) setTakeover(policy v1alpha1.TakeoverPolicy) {
	w.t.Helper()
	w.changeZone(func(zone *v1alpha1.DNSZone) { zone.Spec.Takeover = policy })
}

func naming(records ...v1alpha1.RecordKey) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) { fed.Spec.DNS.Takeover = records }
}

func TestARecordIsTakenOverWhenBothTeamsSaySo(t *testing.T) {
	host := v1alpha1.RecordKey{Name: "cup1.cupdomain.com", Type: "A"}
	for name, test := range map[string]struct {
		allowed bool
		named   []v1alpha1.RecordKey
		adopted bool
	}{
		"neither":                          {},
		"only the platform team":           {allowed: true},
		"only the application team":        {named: []v1alpha1.RecordKey{host}},
		"both, but about another record":   {allowed: true, named: []v1alpha1.RecordKey{{Name: "cup1.cupdomain.com", Type: "AAAA"}}},
		"both":                             {allowed: true, named: []v1alpha1.RecordKey{host}, adopted: true},
		"both, and about others that stay": {allowed: true, named: []v1alpha1.RecordKey{host, {Name: "www.cupdomain.com", Type: "A"}}, adopted: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.edit(addressRecord("cup1.cupdomain.com", "203.0.113.99"), addressRecord("www.cupdomain.com", "203.0.113.80"))
			if test.allowed {
				w.setTakeover(v1alpha1.TakeoverAllow)
			}
			w.create("cup", naming(test.named...))
			w.reconcile("cup")
			w.assignAddress("cup", publicAddress)
			w.runServer("cup")
			w.takeEvents()
			w.reconcile("cup")
			w.Expect(w.records()).To(gomega.ContainElement("www.cupdomain.com. 300 A 203.0.113.80"))
			if !test.adopted {
				turn := "name it in spec.dns.takeover of the Federation, for which spec.takeover of the DNSZone has to be Allow"
				if slices.Contains(test.named, host) {
					turn = "the platform team sets spec.takeover of the DNSZone to Allow"
				}
				w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordExistsUnowned, turn)
				w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A 203.0.113.99"))
				return
			}
			w.Expect(w.takeEvents()).To(gomega.ContainElement(
				"Normal Published took over in zone cupdomain.com: A cup1.cupdomain.com"))
			w.Expect(w.records()).To(gomega.ContainElement("cup1.cupdomain.com. 300 A " + publicAddress))
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
			w.deleteCompletely("cup")
			w.Expect(w.records()).To(gomega.Equal([]string{"www.cupdomain.com. 300 A 203.0.113.80"}), "it is removed like any other of ours")
		})
	}
}

func TestWhatIsTakenOverStaysWhenThePlatformTeamForbidsFurtherTakeover(t *testing.T) {
	w := newWorldWithZone(t)
	w.setTakeover(v1alpha1.TakeoverAllow)
	w.edit(addressRecord("cup1.cupdomain.com", "203.0.113.99"))
	w.createReady("cup", naming(v1alpha1.RecordKey{Name: "cup1.cupdomain.com", Type: "A"}))
	w.setTakeover(v1alpha1.TakeoverDeny)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}
