// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// zoneReport is what became of a Federation's records in one zone. The zero value knows nothing.
type zoneReport struct {
	// served is what the authoritative servers say of what was made, and left what they say of what was left as it is.
	served, left verify.Report
	// refused are the anchors that could not be made what is wanted, and why.
	refused map[string]*dns.Error
	// kept are the refused anchors that the owner holds.
	kept []string
}

// divide units into those that were not refused, and those that are held but were left as they are.
func (z zoneReport) divide(units []dns.Unit) (made, left []dns.Unit) {
	for _, unit := range units {
		anchor := dns.Canonical(unit.Anchor)
		switch {
		case slices.Contains(z.kept, anchor):
			left = append(left, unit)
		case z.refused[anchor] == nil:
			made = append(made, unit)
		}
	}
	return made, left
}

// published reports whether every server has the record as it is wanted.
func (z zoneReport) published(key dns.Key) bool {
	return z.served.Published(key) || z.left.Published(key)
}

// knows reports whether the state of a unit's records is known: servers were asked, or nothing of it is held.
func (z zoneReport) knows(unit dns.Unit) bool {
	anchor := dns.Canonical(unit.Anchor)
	if slices.Contains(z.kept, anchor) {
		return len(z.left.Servers) > 0
	}
	return len(z.served.Servers) > 0 || z.refused[anchor] != nil
}

// keptAny reports whether something is held that is not what is wanted.
func keptAny(reports map[string]zoneReport) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(reports)), func(z zoneReport) bool { return len(z.kept) > 0 })
}

// refusal is about the names that could not be published, and those that are. It is nil if none was refused, or if something else
// is wrong with a zone, which has to be mended first. That servers lag decides only when to look again.
func refusal(reports map[string]zoneReport, wanted map[string][]dns.Unit, besides error) *outcome.Error {
	var other *outcome.Error
	if errors.As(besides, &other) && other.Reason != v1alpha1.ReasonPropagationPending || besides != nil && other == nil {
		return nil
	}
	refused, names := map[string]*dns.Error{}, map[string]bool{}
	for apex, report := range reports {
		maps.Copy(refused, report.refused)
		for _, unit := range wanted[apex] {
			names[dns.Canonical(unit.Anchor)] = true
		}
	}
	for anchor := range refused {
		names[anchor] = true
	}
	if len(refused) == 0 {
		return nil
	}
	anchors := dns.InOrder(refused)
	failed := failure(dnsOutcome(refused[anchors[0]]))
	failed.Message = refusedMessage(anchors, len(names), failed.Message)
	if other != nil {
		failed.After = min(failed.After, other.After)
	}
	return failed
}

// refusedMessage says what is published, what is not, and why the first of that is not.
func refusedMessage(anchors []string, total int, why string) string {
	if total == 1 {
		return why
	}
	what := dns.Display(anchors[0]) + " is not"
	if more := anchors[1:]; len(more) > 0 {
		names := make([]string, 0, len(more))
		for _, a := range more[:min(len(more), maxNamed)] {
			names = append(names, dns.Display(a))
		}
		if len(more) > maxNamed {
			names = append(names, fmt.Sprintf("%d more", len(more)-maxNamed))
		}
		what = fmt.Sprintf("%s are not; of the first", strings.Join(append([]string{dns.Display(anchors[0])}, names...), ", "))
	}
	return fmt.Sprintf("%d of %d names are kept up to date in the DNS; %s: %s", total-len(anchors), total, what, why)
}

// maxNamed is how many names a message lists beside the first.
const maxNamed = 5
