// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// reconcileDelete takes the Federation back in the order in which partners lose it: service records, then, once nobody
// can have those cached, addresses, then the load balancer that has the address. A record never points to an address
// that somebody else may have got meanwhile. It returns true when the Federation is gone.
func (r *FederationReconciler) reconcileDelete(ctx context.Context, s *scope) (gone bool, err error) {
	for _, part := range []func(context.Context, *scope) error{
		r.readForDeletion,
		r.findZones,
		r.awaitTransfer,
		r.withdrawServiceRecords,
		r.awaitCaches,
		r.withdrawAddresses,
		r.releaseAddress,
	} {
		if err := part(ctx, s); err != nil {
			return false, noteDeletion(s, err)
		}
	}
	before := s.fed.DeepCopy()
	controllerutil.RemoveFinalizer(s.fed, Finalizer)
	if err := r.Patch(ctx, s.fed, locked(before)); client.IgnoreNotFound(err) != nil {
		err = fmt.Errorf("removing the finalizer: %w", err)
		s.fed.Finalizers = before.Finalizers
		return !s.noteFinalizer(v1alpha1.ConditionReady, err), err
	}
	if !keepsRecords(s.fed) {
		r.tellAbandoned(s.fed, s.givenUp())
	}
	r.forget(client.ObjectKeyFromObject(s.fed))
	return true, nil
}

// noteDeletion notes what deletion waits for. It returns the errors that are not outcomes.
func noteDeletion(s *scope, err error) error {
	failed := *failure(err)
	if failed.Retry {
		s.findings[v1alpha1.ConditionReady] = finding{err: &failed}
		return err
	}
	if s.stuckIn != "" {
		failed.Message += wayOut(s.stuckIn)
	}
	s.findings[v1alpha1.ConditionReady] = finding{err: &failed}
	return nil
}

// keepsRecords tells that the DNS is to stay as it is.
func keepsRecords(fed *v1alpha1.Federation) bool {
	return fed.Spec.DNS.DeletionPolicy == v1alpha1.DeletionPolicyRetain
}

// withdrawServiceRecords removes the service records and sees to it that no server has them any more. The addresses stay
// as they were published: deletion publishes nothing new.
func (r *FederationReconciler) withdrawServiceRecords(ctx context.Context, s *scope) error {
	zones := zonesToClear(s.fed)
	if keepsRecords(s.fed) || s.fed.Status.ServiceRecordsWithdrawn != nil || len(zones) == 0 {
		return nil
	}
	noteWithdrawn := func(in func(name string) bool) {
		for i := range s.fed.Status.Records {
			if record := &s.fed.Status.Records[i]; record.Type == dns.TypeName(dns.TypeSRV) && in(record.Name) {
				record.State = v1alpha1.RecordPending
			}
		}
	}
	err := s.inEachZone(zones, func(zone string) error {
		err := r.withdraw(ctx, s, zone, publishedAddresses(s.fed, zone), recordKeys(s.fed, zone, dns.TypeSRV))
		if err == nil {
			noteWithdrawn(func(name string) bool { return holds(s.fed, zone, name) })
		}
		return err
	})
	if err != nil {
		return err
	}
	noteWithdrawn(func(string) bool { return true })
	now := metav1.NewTime(clock.Stamp(r.Now()))
	s.fed.Status.ServiceRecordsWithdrawn = &now
	return nil
}

// inEachZone clears zones. One that can't be cleared keeps no other from it: it is what deletion waits for, the first of them that is.
func (s *scope) inEachZone(zones []string, withdraw func(zone string) error) error {
	var first error
	for _, zone := range zones {
		if err := withdraw(zone); err != nil && first == nil {
			s.stuckIn, first = zone, err
		}
	}
	return first
}

// publishedAddresses are the address records that the Federation has in a zone.
func publishedAddresses(fed *v1alpha1.Federation, zone string) []dns.Unit {
	var units []dns.Unit
	for _, record := range fed.Status.Records {
		addresses := parseAddresses(record.Data)
		if len(addresses) > 0 && record.State == v1alpha1.RecordPublished && holds(fed, zone, record.Name) {
			records := dns.AddressRecords(record.Name, uint32(record.TTL), addresses)
			units = append(units, dns.Unit{Anchor: record.Name, Records: records})
		}
	}
	return units
}

// recordKeys are the records of some types that the Federation wanted in a zone.
func recordKeys(fed *v1alpha1.Federation, zone string, types ...uint16) []dns.Key {
	var keys []dns.Key
	for _, record := range fed.Status.Records {
		for _, recordType := range types {
			if record.Type == dns.TypeName(recordType) && holds(fed, zone, record.Name) {
				keys = append(keys, dns.Key{Name: dns.Canonical(record.Name), Type: recordType})
			}
		}
	}
	return keys
}

// holds tells whether, of the zones in which the Federation has records, this is the one for the name.
func holds(fed *v1alpha1.Federation, zone, name string) bool {
	apex, found := dns.ZoneFor(name, fed.Status.Zones)
	return found && apex == zone
}

// conflicts are the reasons that a record could not be written because somebody else has it, or its name.
var conflicts = []string{v1alpha1.ReasonOwnershipConflict, v1alpha1.ReasonRecordExistsUnowned, v1alpha1.ReasonCNAMEConflict}

// lost reports whether a record could not be kept because it is somebody else's, or may be.
func lost(err error) bool {
	failed, ok := dns.AsError(err)
	return ok && (slices.Contains(conflicts, failed.Reason) || failed.Reason == v1alpha1.ReasonOwnershipLost)
}

// awaitCaches waits until resolvers have forgotten the service records.
func (r *FederationReconciler) awaitCaches(_ context.Context, s *scope) error {
	since := s.fed.Status.ServiceRecordsWithdrawn
	if keepsRecords(s.fed) || since == nil || len(zonesToClear(s.fed)) == 0 {
		return nil
	}
	cached := cacheWait(s.fed)
	if left := clock.Left(since.Time, r.Now(), cached); left > 0 {
		return outcome.Until(v1alpha1.ReasonDeleting, left,
			"no service record of this Federation stands any more; the address stays until %s after that, as resolvers may still have "+
				"one cached; to give it back sooner set spec.dns.maxCacheWait: what partners with such a resolver send then may reach "+
				"whoever gets the address",
			cached)
	}
	return nil
}

// cacheWait is how long resolvers may have service records after they are gone: as long as they were told to, or as long as the
// spec is willing to wait.
func cacheWait(fed *v1alpha1.Federation) time.Duration {
	ttl := int32(0)
	for _, record := range fed.Status.Records {
		ttl = max(ttl, record.TTL)
	}
	if len(fed.Status.Records) == 0 { // status was lost
		ttl = fed.Spec.DNS.TTL
	}
	cached := time.Duration(ttl) * time.Second
	if limit := fed.Spec.DNS.MaxCacheWait; limit != nil {
		cached = min(cached, limit.Duration)
	}
	return cached
}

// withdrawAddresses removes everything that is left in the DNS.
func (r *FederationReconciler) withdrawAddresses(ctx context.Context, s *scope) error {
	if keepsRecords(s.fed) {
		return nil
	}
	return s.inEachZone(zonesToClear(s.fed), func(zone string) error {
		return r.withdraw(ctx, s, zone, nil, recordKeys(s.fed, zone, dns.TypeSRV, dns.TypeTLSA, dns.TypeA, dns.TypeAAAA))
	})
}

// withdraw leaves only the given units in a zone, and sees to it that no server has what should be gone.
func (r *FederationReconciler) withdraw(
	ctx context.Context, s *scope, zone string, keep []dns.Unit, gone []dns.Key,
) error {
	provider, err := r.Zones.Provider(zone, s.fed)
	if err != nil {
		return err
	}
	if !provider.Capabilities().Writes {
		return r.awaitRemoval(ctx, s.fed, provider, zone, gone)
	}
	owner := r.owner(s.fed)
	owner.Anchors = knownNames(s.fed)
	result, err := r.convergeInTurn(ctx, provider, owner, keep)
	dropped := result.Dropped
	if left := withoutLost(keep, result.Refused); err == nil && len(left) < len(keep) {
		result, err = r.convergeInTurn(ctx, provider, owner, left)
	}
	if err = cmp.Or(err, result.Err()); err != nil {
		return dnsOutcome(err)
	}
	if err := dns.Unproven(ctx, r.Zones.reading(provider), r.Signer, owner, published(s.fed, zone, gone)); err != nil {
		return dnsOutcome(err)
	}
	_, err = r.seen(ctx, provider, nil, union(gone, union(dropped, result.Dropped)))
	return dnsOutcome(err)
}

// withoutLost leaves out the units that can't be kept, because their names are somebody else's, or may be.
func withoutLost(keep []dns.Unit, refused map[string]*dns.Error) []dns.Unit {
	return slices.DeleteFunc(slices.Clone(keep), func(unit dns.Unit) bool {
		why := refused[dns.Canonical(unit.Anchor)]
		return why != nil && lost(why)
	})
}

func union(a, b []dns.Key) []dns.Key {
	keys := map[dns.Key]bool{}
	for _, key := range append(slices.Clone(a), b...) {
		keys[key] = true
	}
	return slices.SortedFunc(maps.Keys(keys), func(a, b dns.Key) int { return strings.Compare(a.String(), b.String()) })
}

// releaseAddress deletes the Service and waits until the load balancer is gone. Whatever else belongs to the Federation
// is left to Kubernetes' garbage collection.
func (r *FederationReconciler) releaseAddress(ctx context.Context, s *scope) error {
	var service corev1.Service
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.PublicServiceName(s.fed)}
	if err := r.Reader.Get(ctx, key, &service); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(&service, s.fed) {
		return nil
	}
	if service.DeletionTimestamp.IsZero() {
		err := r.Delete(ctx, &service, client.Preconditions{UID: &service.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting Service %s: %w", key, err)
		}
	}
	return outcome.Waiting(v1alpha1.ReasonDeleting, 0,
		"the cluster's load balancer has to give back the address of Service %s", key.Name)
}
