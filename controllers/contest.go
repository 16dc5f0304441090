// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// recheckConflict is how often a Federation that is kept out looks again, should a change have been missed.
const recheckConflict = 5 * time.Minute

// contend decides whether another Federation has one of the names and keeps this one out. It notes those that hand their names over
// to this one.
func (r *FederationReconciler) contend(ctx context.Context, s *scope, zones []v1alpha1.DNSZone) (*outcome.Error, error) {
	contest := claims.Contest{
		Wanting: r.wanting(ctx, s.fed),
		MayPublish: func(rival *v1alpha1.Federation) (bool, error) {
			_, refused, err := r.placeNames(ctx, rival.Namespace, desired.Claims(rival), zones)
			return refused == nil, err
		},
	}
	wants := desired.Claims(s.fed)
	s.fed.Status.Conflicts = slices.DeleteFunc(s.fed.Status.Conflicts, func(c v1alpha1.NameConflict) bool {
		return !slices.Contains(wants, c.Name)
	})
	rival, name, err := contest.Rival(s.fed, wants...)
	if err != nil {
		return nil, err
	}
	if rival == nil {
		s.giving, err = r.givers(s.fed, wants, contest.Wanting)
		return nil, err
	}
	if err := r.lookUp(ctx, s, wants); err != nil {
		return nil, err
	}
	return claims.Claimed(s.fed, rival, name).Every(recheckConflict), nil
}

// lookUp corrects what the status of a Federation that is kept out says of the names by what the DNS says, so that it keeps nobody
// out in turn of what it has no more. What can't be read now stays as it is.
func (r *FederationReconciler) lookUp(ctx context.Context, s *scope, wants []string) error {
	byApex := map[string][]string{}
	for _, name := range wants {
		byApex[s.apexes[name]] = append(byApex[s.apexes[name]], name)
	}
	for apex, names := range byApex {
		provider, err := r.Zones.Provider(apex, s.fed)
		if err != nil || !provider.Capabilities().Writes {
			continue
		}
		holders, err := r.holdersInTurn(ctx, provider, r.owner(s.fed), names)
		switch _, told := dns.AsError(err); {
		case told:
			continue
		case err != nil:
			return err
		}
		s.correct(names, holders)
	}
	return nil
}

// correct what status says of some names.
func (s *scope) correct(names []string, holders map[string]dns.Holder) {
	status := &s.fed.Status
	status.Conflicts = slices.DeleteFunc(status.Conflicts, func(c v1alpha1.NameConflict) bool { return slices.Contains(names, c.Name) })
	for _, name := range names {
		holder := holders[name]
		if holder.Owner == status.DNSOwner {
			continue
		}
		if holder.Ours {
			status.Conflicts = append(status.Conflicts, v1alpha1.NameConflict{Name: name, Owner: holder.Owner})
		}
		for i := range status.Records {
			if record := &status.Records[i]; dns.Bare(record.Name) == name && record.State == v1alpha1.RecordPublished {
				record.State = v1alpha1.RecordPending
			}
		}
	}
	slices.SortFunc(status.Conflicts, byName)
}

func byName(a, b v1alpha1.NameConflict) int { return strings.Compare(a.Name, b.Name) }

// wanting finds the Federations that want a name, fed as it is now. It asks for each name once.
func (r *FederationReconciler) wanting(
	ctx context.Context, fed *v1alpha1.Federation,
) func(name string) ([]v1alpha1.Federation, error) {
	known := map[string][]v1alpha1.Federation{}
	return func(name string) ([]v1alpha1.Federation, error) {
		if found, asked := known[name]; asked {
			return found, nil
		}
		var list v1alpha1.FederationList
		if err := r.List(ctx, &list, client.MatchingFields{indexClaims: name}); err != nil {
			return nil, fmt.Errorf("listing Federations that claim %s: %w", name, err)
		}
		for i := range list.Items {
			if client.ObjectKeyFromObject(&list.Items[i]) == client.ObjectKeyFromObject(fed) {
				list.Items[i] = *fed
			}
		}
		known[name] = list.Items
		return list.Items, nil
	}
}

// byOwner returns the Federation with a status.dnsOwner; nil if there is none.
func (r *FederationReconciler) byOwner(ctx context.Context, owner string) (*v1alpha1.Federation, error) {
	var list v1alpha1.FederationList
	if err := r.List(ctx, &list, client.MatchingFields{indexOwner: owner}); err != nil {
		return nil, fmt.Errorf("listing Federations that are owner %s: %w", owner, err)
	}
	for i := range list.Items {
		if r.owner(&list.Items[i]).ID == owner {
			return &list.Items[i], nil
		}
	}
	return nil, nil
}

// givers returns the owners of this cluster that hand over names to a Federation which wants them.
func (r *FederationReconciler) givers(
	fed *v1alpha1.Federation, wants []string, wanting func(name string) ([]v1alpha1.Federation, error),
) ([]string, error) {
	var owners []string
	for _, name := range wants {
		others, err := wanting(name)
		if err != nil {
			return nil, err
		}
		for i := range others {
			if giver := &others[i]; claims.HandsOver(giver, fed) {
				owners = append(owners, r.owner(giver).ID)
			}
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners), nil
}

// noteHolders notes which names in a zone other owners have, as those names were refused, and that they have no others. A name that
// was refused for another cause keeps what is known of it. What another owner has is not published by this Federation, whatever
// status said before.
func (s *scope) noteHolders(apex string, units []dns.Unit, refused map[string]*dns.Error) {
	if s.keeping {
		return // the claim was refused, and what status says of that stands
	}
	s.fed.Status.Conflicts = slices.DeleteFunc(s.fed.Status.Conflicts, func(c v1alpha1.NameConflict) bool {
		why := refused[dns.Canonical(c.Name)]
		return s.apexes[c.Name] == apex && (why == nil || why.Holder.Owner != "")
	})
	for _, anchor := range dns.InOrder(refused) {
		holder := refused[anchor].Holder
		if holder.Owner == "" {
			continue
		}
		if holder.Ours {
			s.fed.Status.Conflicts = append(s.fed.Status.Conflicts, v1alpha1.NameConflict{Name: holder.Name, Owner: holder.Owner})
		}
		for _, unit := range units {
			if concerns(unit, holder.Name) {
				s.foreign = append(s.foreign, unit.Records...)
			}
		}
	}
	slices.SortFunc(s.fed.Status.Conflicts, byName)
	s.fed.Status.Conflicts = slices.CompactFunc(s.fed.Status.Conflicts, func(a, b v1alpha1.NameConflict) bool { return a.Name == b.Name })
}

// concerns reports whether a unit has the name, or a record of it.
func concerns(unit dns.Unit, name string) bool {
	return dns.Display(unit.Anchor) == name || slices.ContainsFunc(unit.Records, func(record dns.RRset) bool {
		return dns.Display(dns.Bare(record.Name)) == name
	})
}

// disown corrects the state of records that turned out to be another owner's.
func (s *scope) disown() {
	for _, record := range s.foreign {
		for i := range s.fed.Status.Records {
			if status := &s.fed.Status.Records[i]; names(status)(record.Key()) && status.State == v1alpha1.RecordPublished {
				status.State = v1alpha1.RecordPending
			}
		}
	}
}

// stake is what the decision of others may depend on in a Federation's status, and what tells that it may have let go of a name.
type stake struct {
	owner     string
	conflicts []v1alpha1.NameConflict
	published []string
	// former are the former hosts, and whether they yield.
	former []v1alpha1.FormerHost
	// reasons of Accepted and DNSPublished.
	accepted, inDNS string
}

func stakeOf(fed *v1alpha1.Federation) stake {
	reason := func(condition string) string {
		if c := meta.FindStatusCondition(fed.Status.Conditions, condition); c != nil {
			return c.Reason
		}
		return ""
	}
	var former []v1alpha1.FormerHost
	for _, host := range fed.Status.FormerHosts {
		former = append(former, v1alpha1.FormerHost{Hostname: host.Hostname, Yielding: host.Yielding})
	}
	return stake{
		owner: fed.Status.DNSOwner, conflicts: fed.Status.Conflicts, published: claims.Published(fed), former: former,
		accepted: reason(v1alpha1.ConditionAccepted), inDNS: reason(v1alpha1.ConditionDNSPublished),
	}
}

func (s stake) equal(other stake) bool {
	return s.owner == other.owner && s.accepted == other.accepted && s.inDNS == other.inDNS &&
		slices.Equal(s.conflicts, other.conflicts) && slices.Equal(s.former, other.former) && slices.Equal(s.published, other.published)
}

// stakeChanged lets those changes of a Federation pass on which others may depend.
func stakeChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, wasFed := e.ObjectOld.(*v1alpha1.Federation)
		after, isFed := e.ObjectNew.(*v1alpha1.Federation)
		return wasFed && isFed && !stakeOf(before).equal(stakeOf(after))
	}})
}

// rivals are the Federations that want a name which obj wants or has, or did until now, and those that found it to have one.
func (r *FederationReconciler) rivals(ctx context.Context, obj client.Object) []reconcile.Request {
	fed := obj.(*v1alpha1.Federation)
	names := append(desired.Claims(fed), claims.Published(fed)...)
	slices.Sort(names)
	var found []reconcile.Request
	for _, name := range slices.Compact(names) {
		found = append(found, r.list(ctx, client.MatchingFields{indexClaims: name})...)
	}
	if owner := fed.Status.DNSOwner; owner != "" {
		found = append(found, r.list(ctx, client.MatchingFields{indexConflicts: owner})...)
	}
	return others(found, fed)
}

// others are the requests without that for the Federation itself, each once.
func others(requests []reconcile.Request, fed *v1alpha1.Federation) []reconcile.Request {
	var kept []reconcile.Request
	for _, request := range requests {
		if request.NamespacedName != client.ObjectKeyFromObject(fed) && !slices.Contains(kept, request) {
			kept = append(kept, request)
		}
	}
	return kept
}

// conflictOwners are the owners that a Federation found at names that it wants.
func conflictOwners(fed *v1alpha1.Federation) []string {
	var owners []string
	for _, conflict := range fed.Status.Conflicts {
		owners = append(owners, conflict.Owner)
	}
	return owners
}
