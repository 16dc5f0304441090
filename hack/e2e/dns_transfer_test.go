// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// handedOver is how many Federations move to another cluster.
const handedOver = 20

// Federations move to another cluster: their names change hands in one update each, and there is no version of the zone
// without their records. Deleting the old ones then leaves everything as it is.
func TestDNSTransfer(t *testing.T) {
	needs(t, exclusive(stageAddresses))
	all := names("moved", handedOver)
	r := startContest(t, false, "", all)
	from, to := r.rivals[0], r.rivals[1]
	r.Expect(edit(r.ctx, to.Client, stageZone(rivalZone, stageServer), func(zone *v1alpha1.DNSZone) {
		zone.Spec.Takeover = v1alpha1.TakeoverAllow
	})).To(Succeed())
	for i, rival := range r.rivals {
		for _, name := range all {
			r.Expect(rival.Client.Create(r.ctx, rival.federation(name))).To(Succeed())
		}
		r.Expect(rival.operator.Start()).To(Succeed())
		want := []string{v1alpha1.ReasonPublished, v1alpha1.ReasonOwnershipConflict}[i]
		r.eventually(want+" in cluster "+rival.name, func(g Gomega, federations []map[string]*v1alpha1.Federation) {
			for _, name := range all {
				g.Expect(published(federations[i][name]).Reason).To(Equal(want), name)
			}
		})
	}

	for _, name := range all {
		r.Expect(edit(r.ctx, from.Client, from.federation(name), func(fed *v1alpha1.Federation) {
			fed.Spec.DNS.TransferTo = to.owner(name)
		})).To(Succeed())
	}
	r.eventually("the other cluster to accept", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		for _, name := range all {
			g.Expect(published(federations[1][name]).Status).To(Equal(metav1.ConditionTrue), name)
			g.Expect(published(federations[0][name]).Reason).To(Equal(v1alpha1.ReasonTransferred), name)
		}
	})
	for _, name := range all {
		r.Expect(from.Client.Delete(r.ctx, from.federation(name))).To(Succeed())
	}
	r.eventually("the old Federations to be gone", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		g.Expect(federations[0]).To(BeEmpty())
	})

	// Nobody was told to release a name, so the referee would blame every version without one.
	r.judge()
	r.Expect(r.referee.Counts().Transfers).To(Equal(2*handedOver), "ownership records that changed hands at once")
	for _, name := range all {
		var fed v1alpha1.Federation
		r.Expect(to.Client.Get(r.ctx, client.ObjectKeyFromObject(to.federation(name)), &fed)).To(Succeed())
		r.Expect(r.referee.Owners()[name+"."+rivalZone+"."]).To(Equal(fed.Status.DNSOwner), name)
	}
	r.Logf("%d Federations moved in %d updates in all; no version of the zone was without their records", handedOver, r.referee.Counts().Updates)
}
