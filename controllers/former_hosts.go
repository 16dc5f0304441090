// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// When the host name changes, service records that name the former one are still in caches, and in zones that could not
// be written yet. So the former host keeps its addresses until no service record names it any more anywhere, and then for
// as long as resolvers may have one cached. Where Federations wait for each other's former hosts in a circle they let go of these
// sooner, see claims.Circle.

// formerHosts are the hosts that keep their addresses beside the one of the given name, the oldest first: those of status
// whose time is not over, and the one that status names if it is another and has addresses.
func formerHosts(status *v1alpha1.FederationStatus, host string, now time.Time) []v1alpha1.FormerHost {
	var all []v1alpha1.FormerHost
	for _, former := range status.FormerHosts {
		if over := former.Until != nil && !now.Before(former.Until.Time); !over && former.Hostname != host {
			all = append(all, former)
		}
	}
	listed := func(former v1alpha1.FormerHost) bool { return former.Hostname == status.Hostname }
	if last := status.Hostname; last != host && hasAddresses(status, last) && !slices.ContainsFunc(all, listed) {
		all = append(all, v1alpha1.FormerHost{Hostname: last, TTL: serviceTTL(status)})
	}
	return all[max(0, len(all)-v1alpha1.MaxFormerHosts):]
}

// hasAddresses tells whether a host has address records, or was about to get them. What people are to remove does not count.
func hasAddresses(status *v1alpha1.FederationStatus, host string) bool {
	return slices.ContainsFunc(status.Records, func(record v1alpha1.RecordStatus) bool {
		return record.Name == host && record.State != v1alpha1.RecordLeftover && len(parseAddresses(record.Data)) > 0
	})
}

// serviceTTL is how long, in seconds, resolvers may keep the service records that were published.
func serviceTTL(status *v1alpha1.FederationStatus) int32 {
	ttl := int32(0)
	for _, record := range status.Records {
		if record.Type == dns.TypeName(dns.TypeSRV) && record.State != v1alpha1.RecordLeftover {
			ttl = max(ttl, record.TTL)
		}
	}
	return ttl
}

// yieldingWait is how long a former host that yields keeps its addresses once all service records name the new one.
const yieldingWait = time.Second

// servedAnew is what becomes of former hosts once every authoritative server has the service records without them: the
// time that they still have begins, where it has not begun yet, and is cut short where it is too long. Soonest is when
// the first of them goes; zero: none is left.
func servedAnew(hosts []v1alpha1.FormerHost, now time.Time) (timed []v1alpha1.FormerHost, soonest time.Duration) {
	for _, former := range hosts {
		wait := time.Duration(former.TTL) * time.Second
		if former.Yielding {
			wait = yieldingWait
		}
		if until := metav1.NewTime(clock.Stamp(now).Add(wait)); former.Until == nil || until.Before(former.Until) {
			former.Until = &until
		}
		if left := former.Until.Sub(now); soonest == 0 || left < soonest {
			soonest = left
		}
		timed = append(timed, former)
	}
	return timed, soonest
}

// keepFormerHosts lets go of the former hosts that can't be kept, and notes what the others have in each zone.
func (r *FederationReconciler) keepFormerHosts(ctx context.Context, s *scope) error {
	if len(s.fed.Status.FormerHosts) == 0 {
		return nil
	}
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones); err != nil {
		return fmt.Errorf("listing DNSZones: %w", err)
	}
	circle, err := claims.Circle(s.fed, func(owner string) (*v1alpha1.Federation, error) { return r.byOwner(ctx, owner) })
	if err != nil {
		return err
	}
	var kept []v1alpha1.FormerHost
	for _, former := range s.fed.Status.FormerHosts {
		apexes, refused, err := r.placeNames(ctx, s.fed.Namespace, []string{former.Hostname}, zones.Items)
		if err != nil {
			return err
		}
		allYield, waitedFor := circle[former.Hostname]
		former.Yielding = former.Yielding || waitedFor
		if apex := apexes[former.Hostname]; refused == nil && !allYield && r.canKeep(s.fed, former.Hostname, apex) {
			kept = append(kept, former)
			s.former[apex] = append(s.former[apex], formerUnit(s, former))
		}
	}
	s.fed.Status.FormerHosts = kept
	return nil
}

// canKeep tells whether a former host can have addresses beside all else. Where people write they can't be told to remove a
// record later; they are told to create the new ones first. And what is shared can't stand under one anchor with addresses.
func (r *FederationReconciler) canKeep(fed *v1alpha1.Federation, host, apex string) bool {
	if fed.Spec.DNS.Shared && slices.Contains(desired.AddressableDomains(fed), host) {
		return false
	}
	provider, err := r.Zones.Provider(apex, fed)
	return err != nil || provider.Capabilities().Writes
}

// formerUnit is what a former host has: today's addresses and keys, with the TTL that it had.
func formerUnit(s *scope, former v1alpha1.FormerHost) dns.Unit {
	was := s.fed.DeepCopy()
	was.Spec.DNS.Hostname, was.Spec.DNS.TTL = v1alpha1.DomainName(former.Hostname), former.TTL
	return desired.HostUnit(was, s.addresses, s.tlsa.keys...)
}

// withFormer are the units of each zone, those of former hosts among them.
func (s *scope) withFormer(wanted map[string][]dns.Unit) map[string][]dns.Unit {
	all := maps.Clone(wanted)
	for apex, units := range s.former {
		all[apex] = append(slices.Clip(all[apex]), units...)
	}
	return all
}

// converge makes a zone hold units and what former hosts have there. Former hosts that can't be held are let go.
func (r *FederationReconciler) converge(
	ctx context.Context, s *scope, provider dns.Provider, apex string, units []dns.Unit,
) (dns.Result, error) {
	result, err := r.convergeInTurn(ctx, provider, r.recipientOf(s), slices.Concat(units, s.former[apex]))
	s.letGo(apex, result.Refused)
	return result, err
}

// letGo lets the former hosts in a zone go whose names can't be held: one may be somebody else's by now, or may never have got as
// far as the zone. They are no longer refused then.
func (s *scope) letGo(apex string, refused map[string]*dns.Error) {
	var kept []dns.Unit
	for _, unit := range s.former[apex] {
		anchor := dns.Canonical(unit.Anchor)
		if why := refused[anchor]; why == nil || !why.Permanent {
			kept = append(kept, unit)
			continue
		}
		delete(refused, anchor)
		s.fed.Status.FormerHosts = slices.DeleteFunc(s.fed.Status.FormerHosts, func(former v1alpha1.FormerHost) bool {
			return former.Hostname == unit.Anchor
		})
	}
	s.former[apex] = kept
	if len(kept) == 0 {
		delete(s.former, apex)
	}
}

// remarkOnFormer completes a message about what is published.
func remarkOnFormer(hosts []v1alpha1.FormerHost) string {
	if len(hosts) == 0 {
		return ""
	}
	names := make([]string, 0, len(hosts))
	for _, former := range hosts {
		names = append(names, former.Hostname)
	}
	return fmt.Sprintf("; the former host name %s keeps its address until resolvers have forgotten the service records that name it",
		strings.Join(names, ", "))
}
