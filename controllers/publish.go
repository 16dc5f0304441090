// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Verifier asks the authoritative servers of a zone what they serve.
type Verifier interface {
	Check(ctx context.Context, p dns.Provider, want []dns.RRset, gone []dns.Key) (verify.Report, error)
	// Signed tells why partners can't trust what the zone says; empty when they can.
	Signed(ctx context.Context, p dns.Provider, resolvers []string, now time.Time) (unsigned string, err error)
}

// publish makes the DNS say what the Federation is: addresses for the host name, service records for every domain.
func (r *FederationReconciler) publish(ctx context.Context, s *scope) (finding, error) {
	s.fed.Status.FormerHosts = formerHosts(&s.fed.Status, desired.Hostname(s.fed), r.Now())
	s.fed.Status.Hostname, s.fed.Status.DNSOwner = desired.Hostname(s.fed), r.owner(s.fed).ID
	if s.keeping {
		s.tlsa.keys = keptKeys(s.fed.Status.TLSA)
	} else {
		r.planTLSA(s)
	}
	if r.recipient(s.fed) != "" {
		return r.handOver(ctx, s)
	}
	if len(s.addresses) == 0 {
		return finding{}, outcome.Unknown(v1alpha1.ReasonWaitingForAddress,
			"there is nothing to publish until there is a public address; see condition %s", v1alpha1.ConditionAddressAssigned)
	}
	if err := r.keepFormerHosts(ctx, s); err != nil {
		return finding{}, err
	}
	wanted := wantedUnits(s)
	r.holdBack(s, wanted)
	if err := r.noteZones(ctx, s, slices.Sorted(maps.Keys(s.withFormer(wanted)))); err != nil {
		return finding{}, err
	}
	s.fed.Status.Records = recordStatuses(s.withFormer(wanted), nil, s.before.Status.Records)
	reports, wrong := r.publishInAll(ctx, s, wanted)
	refused := refusal(reports, wanted, wrong)
	switch {
	case refused != nil && (wrong != nil || keptAny(reports)):
		return finding{}, refused
	case wrong != nil:
		return finding{}, wrong
	}
	found := r.published(s, wanted)
	if refused != nil {
		refused.After = sooner(refused.After, found.after)
		return found, refused
	}
	if s.keeping {
		return found, kept(s, found.after)
	}
	return found, r.waiting(s, found.after)
}

// publishInAll makes every zone hold what is wanted there, and notes the state of the records. The error is the first about a zone.
func (r *FederationReconciler) publishInAll(
	ctx context.Context, s *scope, wanted map[string][]dns.Unit,
) (reports map[string]zoneReport, first error) {
	reports = map[string]zoneReport{}
	var noHost *dns.Error
	for _, apex := range zoneOrder(s) {
		report, err := r.publishIn(ctx, s, apex, awaiting(wanted[apex], noHost))
		reports[apex] = report
		if apex == s.apexes[desired.Hostname(s.fed)] {
			noHost = s.noHost(report, err)
		}
		if first == nil {
			first = s.leaving(apex, err)
		}
	}
	s.fed.Status.Records = recordStatuses(s.withFormer(wanted), reports, s.before.Status.Records)
	s.fed.Status.Records = append(s.fed.Status.Records, leftoverStatuses(s.leftover)...)
	s.disown()
	r.noteTLSA(s, reports[s.apexes[desired.Hostname(s.fed)]])
	return reports, first
}

// published notes that every authoritative server has the records. Names that were refused and are not held don't count: no server
// has their records, so nothing is kept up for their sake.
func (r *FederationReconciler) published(s *scope, wanted map[string][]dns.Unit) finding {
	r.tellAbandoned(s.before, s.givenUp())
	s.fed.Status.Zones = slices.Sorted(maps.Keys(s.withFormer(wanted)))
	found := finding{
		reason: v1alpha1.ReasonPublished,
		message: fmt.Sprintf("%d record sets are served by every authoritative server%s%s",
			len(s.fed.Status.Records), s.tlsa.remark(), remarkOnFormer(s.fed.Status.FormerHosts)),
	}
	if s.tlsa.unsigned {
		found.reason = v1alpha1.ReasonDANEUnsigned
	}
	s.fed.Status.FormerHosts, found.after = servedAnew(s.fed.Status.FormerHosts, r.Now())
	found.after = sooner(found.after, endFormer(&s.fed.Status, r.Now()))
	s.publishedAll = len(s.withheld) == 0
	return r.tellRepairs(s, found)
}

// wantedUnits returns the units of the spec by the apex of their zone. Where all domains are in the zone of the host, the host name is
// not claimed before one of the domains can be published: otherwise it might be kept from others and lead nowhere.
func wantedUnits(s *scope) map[string][]dns.Unit {
	wanted := map[string][]dns.Unit{}
	units := desired.Units(s.fed, s.apexes, s.addresses, s.tlsa.keys...)
	host := desired.Hostname(s.fed)
	elsewhere := slices.ContainsFunc(units, func(unit dns.Unit) bool { return s.apexes[unit.Anchor] != s.apexes[host] })
	for _, unit := range units {
		apex, placed := s.apexes[unit.Anchor]
		if !placed {
			continue // only while the spec is not accepted, see keep
		}
		unit.ForServices = unit.Anchor == host && !elsewhere
		if s.adoptable[apex] {
			unit.Takeover, unit.Accept = takeover(s.fed), true
		} else {
			unit.NotAllowed = takeover(s.fed)
		}
		wanted[apex] = append(wanted[apex], unit)
	}
	return wanted
}

// noteZones writes down that there may be records in zones, before there are. Should the operator die in between, it
// still knows where to look.
func (r *FederationReconciler) noteZones(ctx context.Context, s *scope, zones []string) error {
	known := slices.Clone(s.fed.Status.Zones)
	for _, zone := range zones {
		if !slices.Contains(known, zone) {
			known = append(known, zone)
		}
	}
	s.fed.Status.Zones = slices.Sorted(slices.Values(known))
	if slices.Equal(s.before.Status.Zones, s.fed.Status.Zones) {
		return nil
	}
	journal := s.before.DeepCopy()
	journal.Status.Zones = s.fed.Status.Zones
	if err := r.Status().Patch(ctx, journal, locked(s.before)); err != nil {
		return fmt.Errorf("noting zones in status: %w", err)
	}
	s.before.Status.Zones = s.fed.Status.Zones
	s.before.ResourceVersion, s.fed.ResourceVersion = journal.ResourceVersion, journal.ResourceVersion
	return nil
}

// zoneOrder puts the zone of the host name first, so that no service record ever points to a name without address; where the
// host name changes, former hosts see to it in the zones that come later.
func zoneOrder(s *scope) []string {
	hostZone := s.apexes[desired.Hostname(s.fed)]
	skip := append(s.givenUp(), hostZone)
	others := slices.DeleteFunc(slices.Clone(s.fed.Status.Zones), func(zone string) bool { return slices.Contains(skip, zone) })
	if hostZone == "" {
		return others // only while the spec is not accepted, see keep
	}
	return append([]string{hostZone}, others...)
}

// publishIn makes one zone hold exactly the given units of the Federation and those of its former hosts, and asks every
// authoritative server. The error is about the zone, or about what is published there; names that are refused are in the report.
func (r *FederationReconciler) publishIn(ctx context.Context, s *scope, apex string, units []dns.Unit) (zoneReport, error) {
	provider, err := r.Zones.Provider(apex, s.fed)
	if err != nil {
		// Whether people write there is not known now.
		s.leftover = append(s.leftover, leftBehind(s.before, apex, recordsOf(units, s.former[apex]))...)
		return zoneReport{}, s.standing(apex, recordsOf(units, s.former[apex]), s.orphaned(apex, err))
	}
	if !provider.Capabilities().Writes {
		return r.publishByPeople(ctx, s, provider, apex, units)
	}
	result, err := r.converge(ctx, s, provider, apex, units)
	s.withheld = append(s.withheld, result.Withheld...)
	report := zoneReport{refused: result.Refused, kept: result.Kept}
	made, left := report.divide(slices.Concat(units, s.former[apex]))
	if err != nil {
		return report, s.standing(apex, without(recordsOf(made), result.Withheld), dnsOutcome(err))
	}
	s.noteHolders(apex, units, result.Refused)
	r.tellAdopted(s.fed, apex, result.Adopted)
	gone := union(s.noticeable(result.Dropped), s.formerKeys(apex, recordsOf(units)))
	if report.served, err = r.seen(ctx, provider, without(recordsOf(made), result.Withheld), gone); err == nil {
		err = r.lookBehind(ctx, s, provider, apex, units, result.Kept)
	}
	if stands := without(recordsOf(left), result.Withheld); len(stands) > 0 {
		// Of what was left as it is some records may be as wanted; that others are not has been told.
		report.left, _ = r.seen(ctx, provider, stands, nil)
	}
	return report, dnsOutcome(err)
}

// orphaned turns the failure of a zone that is not known into what it means: its servers were not asked yet, or it has no DNSZone, and then
// what was known of it stands no longer.
func (s *scope) orphaned(apex string, err error) error {
	if failed := failure(err); !failed.Keep || slices.Contains(s.zones, apex) {
		return err
	}
	return outcome.Unknown(v1alpha1.ReasonZoneNotProbed, "zone %s has no DNSZone any more, so what was published there can't be "+
		"checked or changed; the platform team has to keep a DNSZone for it as long as records stand there", apex)
}

// publishByPeople tells people what to do in a zone that they write to.
func (r *FederationReconciler) publishByPeople(
	ctx context.Context, s *scope, provider dns.Provider, apex string, units []dns.Unit,
) (zoneReport, error) {
	now, later := advisable(units, s.before.Status.Records)
	s.withheld = append(s.withheld, keysOf(recordsOf(later))...)
	result, missing := r.converge(ctx, s, provider, apex, now)
	if missing == nil {
		s.noteHolders(apex, units, result.Refused)
	}
	served, err := r.watch(ctx, s, provider, apex, recordsOf(now, s.former[apex]), recordsOf(later), missing)
	return zoneReport{served: served, refused: result.Refused}, err
}

func recordsOf(parts ...[]dns.Unit) []dns.RRset {
	var records []dns.RRset
	for _, unit := range slices.Concat(parts...) {
		records = append(records, unit.Records...)
	}
	return records
}

// owner is what tells this Federation's records from every other's. It goes by the Federation's name and not its UID, so
// that one restored from a backup, or created again after DeletionPolicyRetain, has its records back. Only a hash
// becomes public.
func (r *FederationReconciler) owner(fed *v1alpha1.Federation) dns.Owner {
	hash := sha256.Sum256([]byte(r.Cluster + "/" + fed.Namespace + "/" + fed.Name))
	return dns.Owner{ID: hex.EncodeToString(hash[:10])}
}

// dnsOutcome gives an error of the DNS layer the form of an outcome.
func dnsOutcome(err error) error {
	e, ok := dns.AsError(err)
	if !ok {
		return err
	}
	return &outcome.Error{Reason: e.Reason, Message: e.Message, After: e.RetryAfter(), AtMost: outcome.MaxWait}
}

// recordStatuses lists the records with their state, sorted by name and type. Without a report about its zone a record
// keeps the state that it had: it was not asked for.
func recordStatuses(
	units map[string][]dns.Unit, reports map[string]zoneReport, before []v1alpha1.RecordStatus,
) []v1alpha1.RecordStatus {
	var all []v1alpha1.RecordStatus
	for apex, inZone := range units {
		report := reports[apex]
		for _, unit := range inZone {
			known := report.knows(unit)
			for _, record := range unit.Records {
				status := recordStatus(record)
				if known && report.published(record.Key()) || !known && wasPublished(status, before) {
					status.State = v1alpha1.RecordPublished
				}
				all = append(all, status)
			}
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.RecordStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// recordStatus lists a record that is not known to be published.
func recordStatus(record dns.RRset) v1alpha1.RecordStatus {
	return v1alpha1.RecordStatus{
		Name: dns.Display(record.Name), Type: record.TypeName(), TTL: int32(record.TTL), Data: record.Strings(),
		State: v1alpha1.RecordPending,
	}
}

func wasPublished(record v1alpha1.RecordStatus, before []v1alpha1.RecordStatus) bool {
	record.State = v1alpha1.RecordPublished
	return slices.ContainsFunc(before, func(b v1alpha1.RecordStatus) bool { return equality.Semantic.DeepEqual(b, record) })
}
