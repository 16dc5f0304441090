// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// ownership returns the line of the zone's dump that begins like that.
func (w *world) ownership(prefix string) string {
	for _, line := range w.zone.Dump() {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// A record that the spec no longer wants and that nothing proves to be ours is named in the condition as long as it stands.
func TestADomainThatIsTakenOutWithoutItsOwnershipRecordIsTold(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", named("cup1.cupdomain.com", "cupdomain.com", "old.cupdomain.com"))
	w.steal("TXT own._xmppfed.old.cupdomain.com")
	w.change("cup", named("cup1.cupdomain.com", "cupdomain.com"))
	for range 3 {
		w.reconcile("cup")
		w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipLost,
			"SRV _xmpp-server._tcp.old.cupdomain.com", "nsupdate")
		w.Expect(w.stateOf("_xmpp-server._tcp.old.cupdomain.com", "SRV")).To(gomega.Equal(v1alpha1.RecordLeftover))
		w.serves("old.cupdomain.com")
	}
	w.steal("SRV _xmpp-server._tcp.old.cupdomain.com")
	w.rounds(2, "cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

// The condition names an ownership record that somebody removed from a living Federation. An index is put back, and counted as a repair.
func TestAnOwnershipRecordThatIsRemovedIsTold(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", named("cup1.cupdomain.com", "cupdomain.com"))
	index := w.get("cup").Status.DNSOwner + "._xmppfed.cupdomain.com"
	w.steal("TXT " + index)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonRecordsChangedByOthers,
		"TXT "+index)
	w.Expect(w.ownership(index)).NotTo(gomega.BeEmpty())

	w.steal("TXT own._xmppfed.cupdomain.com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonOwnershipLost,
		"somebody removed or replaced the ownership record TXT own._xmppfed.cupdomain.com")
}
