// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// recheckTransfer is how often to look whether the other cluster has accepted what is offered.
const recheckTransfer = 15 * time.Second

// recipient is the owner that is to have the Federation's names; empty: none.
func (r *FederationReconciler) recipient(fed *v1alpha1.Federation) string {
	if to := fed.Spec.DNS.TransferTo; to != r.owner(fed).ID {
		return to
	}
	return ""
}

// recipientOf is the Federation as an owner that accepts what others of this cluster hand over to it. The signature of our key proves
// an offer; that both the specs say so at this time, and that the namespace may publish the names, was found out before.
func (r *FederationReconciler) recipientOf(s *scope) dns.Owner {
	owner := r.owner(s.fed)
	owner.AcceptFrom = s.giving
	return owner
}

// handOver offers what the Federation has in the DNS to a Federation of another cluster, and tells how far that is.
func (r *FederationReconciler) handOver(ctx context.Context, s *scope) (finding, error) {
	wanted := map[string][]dns.Unit{}
	for _, unit := range desired.Units(s.fed, s.apexes, s.addresses) {
		wanted[s.apexes[unit.Anchor]] = append(wanted[s.apexes[unit.Anchor]], unit)
	}
	// After a restore status does not list them.
	if err := r.noteZones(ctx, s, slices.Sorted(maps.Keys(wanted))); err != nil {
		return finding{}, err
	}
	offered, err := r.offer(ctx, s, s.fed.Status.Zones, wanted)
	if err != nil {
		return finding{}, err
	}
	s.fed.Status.Records = recordStatuses(wanted, nil, s.before.Status.Records)
	for i := range s.fed.Status.Records {
		if record := &s.fed.Status.Records[i]; !slices.ContainsFunc(offered, names(record)) {
			record.State = v1alpha1.RecordPending
		}
	}
	to := s.fed.Spec.DNS.TransferTo
	if !slices.ContainsFunc(offered, isService) {
		return finding{}, outcome.Stalled(v1alpha1.ReasonTransferred,
			"this Federation has no service records in the DNS any more, which spec.dns.transferTo hands over to owner %s; delete it, "+
				"which leaves the records of others alone; to publish from here again, have them handed back, and take "+
				"spec.dns.transferTo out", to).Every(recheckConflict)
	}
	taker, err := r.byOwner(ctx, to)
	if err != nil {
		return finding{}, err
	}
	s.lookAgain("transfer", recheckTransfer)
	return finding{
		reason: v1alpha1.ReasonTransferOffered,
		message: fmt.Sprintf("%d record sets are offered to owner %s and stay as they are until it accepts them: %s; to withdraw the "+
			"offer take spec.dns.transferTo out", len(offered), to, stepsOf(s.fed, taker)),
	}, nil
}

// stepsOf says what the Federation that is to have the names has to do; nil if it is not in this cluster.
func stepsOf(giver, taker *v1alpha1.Federation) string {
	const wait = "has to want these names, and accepts them by itself as soon as it can serve them, which its conditions tell of"
	switch {
	case taker == nil:
		return "its Federation, in another cluster, has to want these names, and spec.takeover of its DNSZone to be Allow"
	case taker.Namespace == giver.Namespace:
		return "Federation " + taker.Name + " " + wait
	default:
		return "its Federation, in another namespace, " + wait
	}
}

// offer what the Federation has in each of some zones. It returns the record sets that are not accepted yet.
func (r *FederationReconciler) offer(ctx context.Context, s *scope, zones []string, wanted map[string][]dns.Unit) ([]dns.Key, error) {
	owner := r.owner(s.fed)
	owner.TransferTo = s.fed.Spec.DNS.TransferTo
	var offered []dns.Key
	for _, zone := range zones {
		s.stuckIn = zone
		provider, err := r.Zones.Provider(zone, s.fed)
		if err != nil {
			return nil, err
		}
		result, err := r.convergeInTurn(ctx, provider, owner, wanted[zone])
		if err = cmp.Or(err, result.Err()); err != nil {
			return nil, dnsOutcome(err)
		}
		offered = append(offered, result.Offered...)
	}
	s.stuckIn = ""
	return offered, nil
}

// awaitTransfer keeps a deletion from removing service records that another cluster is about to accept.
func (r *FederationReconciler) awaitTransfer(ctx context.Context, s *scope) error {
	if r.recipient(s.fed) == "" || keepsRecords(s.fed) || s.fed.Status.ServiceRecordsWithdrawn != nil {
		return nil
	}
	offered, err := r.offer(ctx, s, zonesToClear(s.fed), nil)
	if err != nil || !slices.ContainsFunc(offered, isService) {
		return err
	}
	return outcome.Waiting(v1alpha1.ReasonTransferOffered, recheckTransfer,
		"the service records are offered to owner %s, which has to accept them before this Federation goes; to remove them instead, take "+
			"spec.dns.transferTo out", s.fed.Spec.DNS.TransferTo)
}

func isService(key dns.Key) bool { return key.Type == dns.TypeSRV }

// names finds the key of a record.
func names(record *v1alpha1.RecordStatus) func(dns.Key) bool {
	return func(key dns.Key) bool {
		return dns.Display(key.Name) == record.Name && dns.TypeName(key.Type) == record.Type
	}
}
