// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// status.zones is a journal: a zone is listed before the first record is written to it. But status can get lost, above all when
// a Federation is restored from a backup. So unless the journal is known to be that of this very object (status.journalUID),
// every zone is asked for the Federation's ownership records, once: a zone that covers its names has to answer; of the others,
// one that is dead must not hold up what has nothing to do with it.

const (
	// parallelSearch is how many zones one search asks at the same time.
	parallelSearch = 16
	// searchTimeout bounds the question to one zone.
	searchTimeout = 5 * time.Second
	// searchAgain is how soon a living Federation looks again when some zones could not be asked.
	searchAgain = time.Hour
	// searchSoon is how soon it looks again for a zone that is about to be probed.
	searchSoon = 10 * time.Second
)

// searches remembers when the zones were searched for Federations whose journal is not complete yet. A search counts as made when
// what it found is written down.
type searches struct {
	mu    sync.Mutex
	byFed map[types.UID]time.Time
}

// due reports whether it is time for another search.
func (s *searches) due(uid types.UID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, found := s.byFed[uid]
	return !found || clock.Due(last, now, searchAgain)
}

func (s *searches) made(uid types.UID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byFed == nil {
		s.byFed = map[types.UID]time.Time{}
	}
	s.byFed[uid] = now
}

func (s *searches) forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byFed, uid)
}

// asked is what one zone answered.
type asked struct {
	apex string
	// names of the Federation that lie in the zone, and whether status lists it.
	names  []string
	listed bool
	trace  dns.Trace
	// byHand are records that people may have created for the Federation, where the operator does not write.
	byHand []dns.RRset
	err    error
}

// concerns reports whether the zone has to answer.
func (a asked) concerns() bool { return len(a.names) > 0 || a.listed }

// searchResult is what a search means.
type searchResult struct {
	// found are the zones that have something of the Federation.
	found []string
	// byHand are records there that people have to remove.
	byHand []dns.RRset
	// unasked is how many others could not be asked, or show something that was signed with another key.
	unasked int
	// stuckIn is the zone that has to answer and does not, for the cause in err; empty: none.
	stuckIn string
	err     error
}

// judgeSearch says what the answers of zones mean. Each DNSZone that exists is probed within moments, so one that was not yet is
// waited for, whatever it covers.
func judgeSearch(answers []asked) searchResult {
	var result searchResult
	for _, a := range answers {
		switch {
		case a.err != nil && (a.concerns() || failure(a.err).Reason == v1alpha1.ReasonZoneNotProbed):
			if result.err == nil {
				result.stuckIn, result.err = a.apex, a.err
			}
		case a.trace == dns.TraceOurs, a.trace == dns.TraceForged && a.concerns():
			result.found = append(result.found, a.apex)
			result.byHand = append(result.byHand, a.byHand...)
		case a.err != nil, a.trace == dns.TraceForged:
			result.unasked++
		}
	}
	return result
}

// findZones completes status.zones before deletion relies on it.
func (r *FederationReconciler) findZones(ctx context.Context, s *scope) error {
	if keepsRecords(s.fed) || s.fed.Status.JournalUID == s.fed.UID {
		return nil
	}
	result, err := r.searchZones(ctx, s.fed)
	if err != nil {
		return err
	}
	if result.err != nil {
		s.stuckIn = result.stuckIn
		return result.err
	}
	if err := r.noteZones(ctx, s, result.found); err != nil {
		return err
	}
	if result.unasked > 0 {
		r.Recorder.Eventf(s.fed, nil, corev1.EventTypeWarning, v1alpha1.EventZonesNotSearched, "SearchZones",
			"zones that cover none of this Federation's names (%d) could not be asked whether they have records of it, which its "+
				"status would not tell after a restore; the platform team sees by kubectl get dnszones which are not Ready; what is left "+
				"in one is listed at %s._xmppfed.ZONE",
			result.unasked, r.owner(s.fed).ID)
	}
	// What status says of a withdrawal is as little known to be of this object.
	s.fed.Status.ServiceRecordsWithdrawn = nil
	s.fed.Status.Records = append(s.fed.Status.Records, leftoverStatuses(result.byHand)...)
	s.fed.Status.JournalUID = s.fed.UID
	return nil
}

// findFormerZones completes status.zones of a living Federation, once its records are published, but for names that it is refused: what
// it had elsewhere before its status was lost is then removed like what it had in any zone that it has no names in any more. Of one
// that is not accepted it is not known what it keeps up.
func (r *FederationReconciler) findFormerZones(ctx context.Context, s *scope) error {
	if s.fed.Status.JournalUID == s.fed.UID || !s.publishedAll || s.keeping || r.recipient(s.fed) != "" ||
		!r.searches.due(s.fed.UID, r.Now()) {
		return nil
	}
	result, err := r.searchZones(ctx, s.fed)
	if err != nil {
		return err
	}
	former := slices.DeleteFunc(result.found, func(zone string) bool { return slices.Contains(s.fed.Status.Zones, zone) })
	if len(former) > 0 {
		if err := r.noteZones(ctx, s, former); err != nil {
			return err
		}
		s.again = firstConflict
	}
	switch {
	case result.err != nil: // a zone that is about to be probed, as after a start of the operator
		s.again = sooner(s.again, searchSoon)
	case result.unasked == 0:
		s.fed.Status.JournalUID = s.fed.UID
		r.searches.forget(s.fed.UID)
	default:
		r.searches.made(s.fed.UID, r.Now())
	}
	return nil
}

// searchZones asks the zones for the Federation's ownership records. Those that were given up count as having some, so that events
// tell of them.
func (r *FederationReconciler) searchZones(ctx context.Context, fed *v1alpha1.Federation) (searchResult, error) {
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones); err != nil {
		return searchResult{}, fmt.Errorf("listing DNSZones: %w", err)
	}
	answers := placeSearch(fed, zones.Items)
	slots := make(chan struct{}, parallelSearch)
	var all sync.WaitGroup
	for i := range answers {
		if abandons(fed, answers[i].apex) {
			if answers[i].concerns() {
				answers[i].trace = dns.TraceOurs
			}
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r.askZone(ctx, fed, &answers[i])
		})
	}
	all.Wait()
	return judgeSearch(answers), ctx.Err()
}

func (r *FederationReconciler) askZone(ctx context.Context, fed *v1alpha1.Federation, a *asked) {
	provider, err := r.Zones.Provider(a.apex, fed)
	if err != nil {
		a.err = err
		return
	}
	provider = r.Zones.reading(provider)
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	if !provider.Capabilities().Writes {
		if a.byHand, err = r.createdByHand(ctx, fed, provider, a.names); len(a.byHand) > 0 {
			a.trace = dns.TraceOurs
		}
	} else {
		a.trace, err = dns.Find(ctx, provider, r.Signer, r.owner(fed), a.names...)
	}
	a.err = dnsOutcome(err)
}

// createdByHand are the service records of some names that stand, in a zone that people write to, as this Federation would ask for
// them. Nobody owns anything there, so those of names that another Federation wants as well may be that one's.
func (r *FederationReconciler) createdByHand(
	ctx context.Context, fed *v1alpha1.Federation, provider dns.Provider, names []string,
) ([]dns.RRset, error) {
	var wanted []dns.RRset
	for _, set := range recordsOf(desired.Units(fed, nil, nil)) {
		if slices.Contains(names, dns.Display(anchorName(set.Name))) {
			wanted = append(wanted, set)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	standing, err := provider.Get(ctx, keysOf(wanted)...)
	if err != nil {
		return nil, err
	}
	var left []dns.RRset
	for _, set := range wanted {
		if !slices.ContainsFunc(standing, set.SameData) {
			continue
		}
		var wanting v1alpha1.FederationList
		name := dns.Display(anchorName(set.Name))
		if err := r.List(ctx, &wanting, client.MatchingFields{indexClaims: name}); err != nil {
			return nil, fmt.Errorf("listing Federations that claim %s: %w", name, err)
		}
		if !slices.ContainsFunc(wanting.Items, func(other v1alpha1.Federation) bool { return other.UID != fed.UID }) {
			left = append(left, set)
		}
	}
	return left, nil
}

// placeSearch lists the zones to ask: each apex of a DNSZone once, and those that status has in any case.
func placeSearch(fed *v1alpha1.Federation, zones []v1alpha1.DNSZone) []asked {
	apexes := slices.Clone(fed.Status.Zones)
	for i := range zones {
		if apex := string(zones[i].Spec.Zone); !slices.Contains(apexes, apex) {
			apexes = append(apexes, apex)
		}
	}
	slices.Sort(apexes)
	names := map[string][]string{}
	for _, name := range knownNames(fed) {
		if apex, found := dns.ZoneFor(name, apexes); found {
			names[apex] = append(names[apex], name)
		}
	}
	var places []asked
	for _, apex := range apexes {
		places = append(places, asked{apex: apex, names: names[apex], listed: slices.Contains(fed.Status.Zones, apex)})
	}
	return places
}

// knownNames are the names at which a Federation may have ownership records, as far as spec and status tell.
func knownNames(fed *v1alpha1.Federation) []string {
	names := desired.Claims(fed)
	for _, former := range fed.Status.FormerHosts {
		names = append(names, former.Hostname)
	}
	for _, record := range fed.Status.Records {
		names = append(names, anchorName(record.Name))
	}
	if fed.Status.Hostname != "" {
		names = append(names, fed.Status.Hostname)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// anchorName is the name of a record without the labels that begin with an underscore: the domain or the host that it is of.
func anchorName(name string) string {
	for strings.HasPrefix(name, "_") {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}

// published are those of some records in a zone that the Federation may have published, as it did.
func published(fed *v1alpha1.Federation, zone string, keys []dns.Key) []dns.RRset {
	sets := slices.DeleteFunc(mayHave(fed, zone), func(set dns.RRset) bool { return !slices.Contains(keys, set.Key()) })
	for i := range sets {
		sets[i].Shared = fed.Spec.DNS.Shared && sets[i].Type == dns.TypeSRV
	}
	return sets
}
