// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

// In zones that people write to (provider manual) status.records is the only memory: it keeps what is no longer wanted
// until it is gone.

// watch tells people what is left to do in a zone that they write to: to create what is missing, and to remove what is no
// longer wanted. It asks every authoritative server in any case, so that status.records shows what is done. What is wanted
// later is not left over.
func (r *FederationReconciler) watch(
	ctx context.Context, s *scope, provider dns.Provider, apex string, want, later []dns.RRset, missing error,
) (verify.Report, error) {
	former := leftBehind(s.before, apex, slices.Concat(want, later))
	if e, ok := dns.AsError(missing); missing != nil && (!ok || e.Reason != v1alpha1.ReasonRecordsToCreate) {
		s.leftover = append(s.leftover, former...)
		return verify.Report{}, dnsOutcome(missing)
	}
	left := dns.Leftovers(ctx, r.Zones.reading(provider), former)
	if e, ok := dns.AsError(left); ok && e.Reason == v1alpha1.ReasonRecordsToRemove {
		former = e.Records
	}
	if left != nil {
		s.leftover = append(s.leftover, former...)
	}
	report, unseen := r.seen(ctx, provider, want, keysOf(former))
	for _, err := range []error{missing, left, unseen} {
		if err != nil {
			return report, dnsOutcome(err)
		}
	}
	return report, nil
}

// leftBehind are the records in a zone that status lists and that are no longer wanted.
func leftBehind(fed *v1alpha1.Federation, zone string, want []dns.RRset) []dns.RRset {
	wanted := keysOf(want)
	return slices.DeleteFunc(listed(fed, zone), func(set dns.RRset) bool { return slices.Contains(wanted, set.Key()) })
}

// listed are the records in a zone that status lists. It was written by the operator, so what can't be read is not ours.
func listed(fed *v1alpha1.Federation, zone string) []dns.RRset {
	var sets []dns.RRset
	for _, record := range fed.Status.Records {
		set, err := dns.ParseRRset(record.Name, record.Type, uint32(record.TTL), record.Data)
		if err == nil && holds(fed, zone, record.Name) {
			sets = append(sets, set)
		}
	}
	return sets
}

func keysOf(sets []dns.RRset) []dns.Key {
	keys := make([]dns.Key, 0, len(sets))
	for _, set := range sets {
		keys = append(keys, set.Key())
	}
	return keys
}

// leftoverStatuses lists records that people still have to remove.
func leftoverStatuses(left []dns.RRset) []v1alpha1.RecordStatus {
	var all []v1alpha1.RecordStatus
	for _, set := range left {
		all = append(all, v1alpha1.RecordStatus{
			Name: dns.Display(set.Name), Type: set.TypeName(), TTL: int32(set.TTL), Data: set.Strings(), State: v1alpha1.RecordLeftover,
		})
	}
	return all
}

// awaitRemoval waits until people have removed records from a zone that they write to, at every authoritative server.
func (r *FederationReconciler) awaitRemoval(
	ctx context.Context, fed *v1alpha1.Federation, provider dns.Provider, zone string, gone []dns.Key,
) error {
	left := slices.DeleteFunc(listed(fed, zone), func(set dns.RRset) bool { return !slices.Contains(gone, set.Key()) })
	if err := dns.Leftovers(ctx, r.Zones.reading(provider), left); err != nil {
		return dnsOutcome(err)
	}
	_, err := r.seen(ctx, provider, nil, gone)
	return dnsOutcome(err)
}
