// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// A zone that can't be cleared holds up the deletion, but neither what stands in the others nor those who want a name there.
func TestAZoneThatHoldsUpADeletionKeepsNoOtherFromBeingCleared(t *testing.T) {
	for name, test := range map[string]struct{ stuck, cleared string }{
		"the first": {"cupdomain.com", "cup.example.com"}, "the last": {"example.com", "cupdomain.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			zones := map[string]interface{ Fail(err error) }{"cupdomain.com": w.zone, "example.com": w.anotherZone()}
			w.createReady("cup", named("cup1.cupdomain.com", "cupdomain.com", "cup.example.com"))
			zones[test.stuck].Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no server of the zone answers"})
			w.startDeletion("cup")
			w.reconcile("cup")
			w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonServerUnavailable,
				"abandon-records-in="+test.stuck)
			w.Expect(w.stateOf("_xmpp-server._tcp."+test.cleared, "SRV")).To(gomega.Equal(v1alpha1.RecordPending))
			zones[test.stuck].Fail(nil)
			w.deleteCompletely("cup")
		})
	}
}
