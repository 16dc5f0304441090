// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// abandons tells that the records in a zone are to be left where they are, because nobody can remove them.
func abandons(fed *v1alpha1.Federation, zone string) bool {
	for name := range strings.SplitSeq(fed.Annotations[v1alpha1.AnnotationAbandonRecordsIn], ",") {
		if strings.TrimSpace(name) == zone {
			return true
		}
	}
	return false
}

// zonesToClear are those in which the Federation may have records that deletion is to remove.
func zonesToClear(fed *v1alpha1.Federation) []string {
	return slices.DeleteFunc(slices.Clone(fed.Status.Zones), func(zone string) bool { return abandons(fed, zone) })
}

// wants tells whether names of the Federation lie in a zone. When it is being deleted it wants none.
func (s *scope) wants(zone string) bool {
	return slices.Contains(slices.Collect(maps.Values(s.apexes)), zone)
}

// givenUp are the zones that the Federation may have records in, wants no more, and leaves as they are.
func (s *scope) givenUp() []string {
	return slices.DeleteFunc(slices.Clone(s.fed.Status.Zones), func(zone string) bool { return !abandons(s.fed, zone) || s.wants(zone) })
}

// leaving adds to what is wrong with a zone how to do without it, unless names lie there.
func (s *scope) leaving(zone string, err error) error {
	if err == nil || s.wants(zone) {
		return err
	}
	failed := *failure(err)
	if failed.Retry {
		return err
	}
	failed.Message += fmt.Sprintf("; no name of this Federation lies in zone %s any more: if the zone or its credentials are gone for "+
		"good, annotate the Federation with %s=%s, which leaves the records there, and an event lists them",
		zone, v1alpha1.AnnotationAbandonRecordsIn, zone)
	return &failed
}

// wayOut ends a deletion that a zone holds up.
func wayOut(zone string) string {
	return fmt.Sprintf("; if the zone or its credentials are gone for good, annotate the Federation with %s=%s: deletion then leaves "+
		"the records there, and an event lists them; to leave them in every zone, set spec.dns.deletionPolicy to Retain",
		v1alpha1.AnnotationAbandonRecordsIn, zone)
}

// tellAbandoned leaves events that list, ready for nsupdate(1), what is left in zones that were given up, as far as status
// tells. Events with one action are taken for repetitions, so each has its own.
func (r *FederationReconciler) tellAbandoned(fed *v1alpha1.Federation, zones []string) {
	number := 0
	for _, zone := range zones {
		for _, note := range r.abandonedIn(fed, zone) {
			number++
			r.Recorder.Eventf(fed, nil, corev1.EventTypeWarning, v1alpha1.EventRecordsAbandoned,
				fmt.Sprintf("AbandonRecords%d", number), "%s", note)
		}
	}
}

// abandonedIn tells what is left in a zone. What was offered to another owner may be that owner's by now, so nobody is
// given commands that remove it.
func (r *FederationReconciler) abandonedIn(fed *v1alpha1.Federation, zone string) []string {
	owner := r.owner(fed)
	if to := r.recipient(fed); to != "" {
		return []string{fmt.Sprintf("left in zone %s: what owner %s has not accepted (spec.dns.transferTo); the ownership records "+
			"own._xmppfed that have o=%s list it, and the zone's administrator removes no more than that", zone, to, owner.ID)}
	}
	if len(fed.Status.Records) == 0 {
		return []string{fmt.Sprintf("left in zone %s: what TXT %s._xmppfed.%s lists, if it stands there; status of this Federation was "+
			"lost, so the zone's administrator has to look", zone, owner.ID, zone)}
	}
	intro := fmt.Sprintf("left in zone %s; its administrator removes them (nsupdate): ", zone)
	if fed.Spec.DNS.Shared {
		intro = fmt.Sprintf("left in zone %s; its administrator removes them, and of the TXT records own._xmppfed of each shared domain "+
			"only the one that has o=%s (nsupdate): ", zone, owner.ID)
	}
	var notes []string
	for _, commands := range fill(maxNote-len(intro), removals(owner, fed, zone)) {
		notes = append(notes, intro+commands)
	}
	return notes
}

// mayHave are the record sets that the Federation may have in a zone. Where somebody else has what it wants, those that were
// never published are not its own.
func mayHave(fed *v1alpha1.Federation, zone string) []dns.RRset {
	published := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionDNSPublished)
	if published == nil || !slices.Contains(conflicts, published.Reason) {
		return listed(fed, zone)
	}
	own := fed.DeepCopy()
	own.Status.Records = slices.DeleteFunc(own.Status.Records, func(record v1alpha1.RecordStatus) bool {
		return record.State == v1alpha1.RecordPending
	})
	return listed(own, zone)
}

// removals are the commands of nsupdate(1) that remove all that an owner has in a zone, as far as status tells. Of service
// records that are shared they remove only this owner's, and leave out the ownership records, which are others' as well.
func removals(owner dns.Owner, fed *v1alpha1.Federation, zone string) []string {
	var commands []string
	var shared []dns.Key
	sets := mayHave(fed, zone)
	for _, set := range sets {
		if !fed.Spec.DNS.Shared || set.Type != dns.TypeSRV {
			continue
		}
		shared = append(shared, set.Key())
		for _, data := range set.Data {
			commands = append(commands, dns.RemovalOf(set.Key(), data))
		}
	}
	shared = dns.WithOwnership(owner, zone, shared)
	for _, key := range dns.WithOwnership(owner, zone, keysOf(sets)) {
		if _, index := dns.Ownership(key); index || !slices.Contains(shared, key) {
			commands = append(commands, dns.Removal(key))
		}
	}
	return commands
}

// fill puts as many commands into each text as its size allows.
func fill(size int, commands []string) []string {
	var texts []string
	for _, command := range commands {
		last := len(texts) - 1
		if last < 0 || len(texts[last])+len("; ")+len(command) > size {
			texts = append(texts, command)
			continue
		}
		texts[last] += "; " + command
	}
	return texts
}
