// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/referee"
)

// settle waits until every name has exactly one winner, and the loser's Federation says so.
func (r *race) settle() {
	r.Helper()
	r.eventually("every name to have one owner", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		for _, name := range contestedNames() {
			a, b := published(federations[0][name]), published(federations[1][name])
			g.Expect([]metav1.ConditionStatus{a.Status, b.Status}).To(ConsistOf(metav1.ConditionTrue, metav1.ConditionFalse),
				"%s: A: %s; B: %s", name, a.Message, b.Message)
		}
		for _, name := range blockedNames() {
			for i := range r.rivals {
				g.Expect(published(federations[i][name]).Reason).To(
					BeElementOf(v1alpha1.ReasonRecordExistsUnowned, v1alpha1.ReasonCNAMEConflict), "%s", name)
			}
		}
	})
}

// winners of the names, as the zone says; the Federation of each loser tells whose it is.
func (r *race) winners() map[string]int {
	r.Helper()
	owners := r.referee.Owners()
	r.Expect(owners).To(HaveLen(2*contested), "ownership records: one for the domain, one for the host")
	winners := map[string]int{}
	for _, name := range contestedNames() {
		domain := name + "." + rivalZone + "."
		owner, known := r.owners[owners[domain]]
		r.Expect(known && owner.name == name).To(BeTrue(), "%s is owned by %s", name, owners[domain])
		r.Expect(owners["xmpp."+domain]).To(Equal(owners[domain]), "owner of the host of %s", name)
		winners[name] = owner.rival
	}
	for i, loser := range r.rivals {
		federations, err := loser.federations(r.ctx)
		r.Expect(err).NotTo(HaveOccurred())
		for name, winner := range winners {
			if winner == i {
				continue
			}
			told := published(federations[name])
			r.Expect(told.Reason).To(Equal(v1alpha1.ReasonOwnershipConflict), "%s", name)
			r.Expect(told.Message).To(And(
				ContainSubstring(r.rivals[winner].owner(name)), ContainSubstring("own._xmppfed."), ContainSubstring(name+"."+rivalZone)))
			r.loser = told.Message
		}
	}
	return winners
}

// report what happened, and that it was by the rules.
func (r *race) report() referee.Counts {
	r.Helper()
	r.judge()
	counts, has := r.referee.Counts(), make([]int, len(r.rivals))
	for _, winner := range r.winners() {
		has[winner]++
	}
	r.Logf("what a loser's Federation says: %s", r.loser)
	r.Logf("%d kills of operator A, %d of B; %d updates by operators, %d refused because of a prerequisite; %d updates by others",
		r.kills[0], r.kills[1], counts.Updates, strings.Count(r.named.Log(), "prerequisite not satisfied"), counts.Foreign)
	r.Logf("%d ownership records claimed, %d of them after another owner's; %d released; %d names owned by A, %d by B in the end",
		counts.Claims, counts.Handovers, counts.Releases, has[0], has[1])
	r.Logf("0 names with two owners, 0 names that changed owner without having been released, 0 records of others lost "+
		"in %d versions of the zone", counts.Updates+counts.Foreign)
	return counts
}

// deleteWinners deletes the Federation that has each name, and returns who that was.
func (r *race) deleteWinners() map[string]int {
	r.Helper()
	winners := r.winners()
	for name, winner := range winners {
		r.delete(r.rivals[winner], name)
	}
	return winners
}

// deleteAll deletes what is left.
func (r *race) deleteAll() {
	r.Helper()
	for _, rival := range r.rivals {
		for _, name := range append(contestedNames(), blockedNames()...) {
			r.delete(rival, name)
		}
	}
	r.eventually("all Federations to be gone", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		g.Expect(len(federations[0]) + len(federations[1])).To(BeZero())
	})
}
