// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// abandons tells that deletion is to leave the records in a zone where they are, because nobody can remove them.
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

// wayOut ends a deletion that a zone holds up.
func wayOut(zone string) string {
	return fmt.Sprintf("; if the zone or its credentials are gone for good, annotate the Federation with %s=%s: deletion then leaves "+
		"the records there, and an event lists them; to leave them in every zone, set spec.dns.deletionPolicy to Retain",
		v1alpha1.AnnotationAbandonRecordsIn, zone)
}

// tellAbandoned leaves events that list, ready for nsupdate(1), what is left in zones that were given up. Events with one
// action are taken for repetitions, so each has its own.
func (r *FederationReconciler) tellAbandoned(fed *v1alpha1.Federation) {
	if keepsRecords(fed) {
		return
	}
	number := 0
	for _, zone := range fed.Status.Zones {
		if !abandons(fed, zone) {
			continue
		}
		intro := fmt.Sprintf("left in zone %s; its administrator removes them (nsupdate): ", zone)
		for _, commands := range fill(maxNote-len(intro), removals(r.owner(fed), fed, zone)) {
			number++
			r.Recorder.Eventf(fed, nil, corev1.EventTypeWarning, v1alpha1.EventRecordsAbandoned,
				fmt.Sprintf("AbandonRecords%d", number), "%s%s", intro, commands)
		}
	}
}

// removals are the commands of nsupdate(1) that remove all that an owner has in a zone, as far as status tells.
func removals(owner dns.Owner, fed *v1alpha1.Federation, zone string) []string {
	var commands []string
	for _, key := range dns.WithOwnership(owner, zone, keysOf(listed(fed, zone))) {
		commands = append(commands, dns.Removal(key))
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
