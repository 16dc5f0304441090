// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// waitsError is about a name whose service records can't lead to a host yet. The error of the host itself says what is wrong there.
func waitsError(anchor, host string, why *Error) *Error {
	return &Error{
		Reason:    why.Reason,
		Message:   fmt.Sprintf("%s waits for its host %s, which can't be published", Display(anchor), Display(host)),
		Permanent: why.Permanent,
		waits:     true,
	}
}

// unusedError is about a host that nothing leads to yet. The error of the domain itself says what is wrong there.
func unusedError(host, domain string, why *Error) *Error {
	return &Error{
		Reason: why.Reason,
		Message: fmt.Sprintf("%s waits for a domain that it serves, such as %s, which can't be published",
			Display(host), Display(domain)),
		Permanent: why.Permanent,
		waits:     true,
	}
}

// unfitError is about anchors with more records than a provider changes at once; without any it is about the index.
func unfitError(groups [][]string, apex string) *Error {
	what := "the ownership records"
	if len(groups) > 0 {
		what = "the records of " + Display(groups[0][0])
	}
	return &Error{
		Reason: v1alpha1.ReasonUpdateRejected,
		Message: fmt.Sprintf("%s in zone %s are more than its provider can change at once; publish fewer addresses or services in the "+
			"Federation", what, Display(apex)),
		Permanent: true,
	}
}

// maxListed record sets are named in a message.
const maxListed = 6

// removal is what to type into nsupdate to remove record sets.
func removal(keys ...Key) string {
	var lines []string
	for _, k := range keys {
		if len(lines) == maxListed {
			lines = append(lines, "...")
			break
		}
		lines = append(lines, Removal(k))
	}
	return strings.Join(lines, "; ")
}

// Removal is what to type into nsupdate(1) to remove a record set.
func Removal(k Key) string { return fmt.Sprintf("update delete %s %s", k.Name, TypeName(k.Type)) }

// RemovalOf is what to type into nsupdate(1) to remove one record of a set.
func RemovalOf(k Key, d Data) string { return Removal(k) + " " + d.String() }

// all is the ownership record with the records it lists.
func (g guard) all() []Key { return append([]Key{g.key}, g.marker.keys...) }

func conflictError(g guard, us Owner, apex string) *Error {
	anchor, _ := anchorOf(g.key)
	return &Error{
		Reason: v1alpha1.ReasonOwnershipConflict,
		Message: fmt.Sprintf("%s is published by another owner, %s, says the ownership record %s; delete the Federation of that "+
			"owner, which may be in another cluster, or have it hand the name over without a gap by spec.dns.transferTo: %s; if it is "+
			"gone for good, %s, and have the administrator of zone %s remove the ownership record alone (nsupdate: %s), or all that it "+
			"left, with a gap (nsupdate: %s)",
			Display(anchor), g.marker.owner, g.key, us.ID, naming("the records"), Display(apex), removal(g.key), removal(g.all()...)),
		Permanent: true,
	}
}

// sharedError is about a name that others share, and that is wanted alone.
func sharedError(g guard, apex string) *Error {
	anchor, _ := anchorOf(g.key)
	return &Error{
		Reason: v1alpha1.ReasonOwnershipConflict,
		Message: fmt.Sprintf("%s is shared by other owners, %s, says the ownership record %s in zone %s; set spec.dns.shared of this "+
			"Federation too, or have theirs, which may be in other clusters, deleted", Display(anchor), g.owners(), g.key, Display(apex)),
		Permanent: true,
	}
}

// aloneError is about a name that another owner has alone, and that is wanted shared.
func aloneError(g guard, apex string) *Error {
	anchor, _ := anchorOf(g.key)
	return &Error{
		Reason: v1alpha1.ReasonOwnershipConflict,
		Message: fmt.Sprintf("%s is published by another owner, %s, who does not share it, says the ownership record %s in zone %s; set "+
			"spec.dns.shared of that owner's Federation, which may be in another cluster, or have it deleted",
			Display(anchor), g.marker.owner, g.key, Display(apex)),
		Permanent: true,
	}
}

// busyError is the end of the tries where others write all the time.
func busyError(apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonOwnershipConflict,
		Message: fmt.Sprintf("others who share names in zone %s write to it all the time; the operator tries again by itself; if this "+
			"lasts, look which cluster's operator does not come to rest", Display(apex)),
	}
}

// notAllowedError is about an offer that can't be accepted.
func notAllowedError(g guard, apex string) *Error {
	anchor, _ := anchorOf(g.key)
	return &Error{
		Reason: v1alpha1.ReasonOwnershipConflict,
		Message: fmt.Sprintf("%s is offered to this Federation by its owner, %s, but the DNSZone for %s does not let records of others "+
			"be taken over, or its provider can't do that without a gap; the platform team sets spec.takeover of the DNSZone to Allow "+
			"for as long as it takes", Display(anchor), g.marker.owner, Display(apex)),
		Permanent: true,
	}
}

// unsupportedError is about a field that needs more than the zone's provider guarantees.
func unsupportedError(field, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonUnsupportedByProvider,
		Message: fmt.Sprintf("%s needs a provider that changes records as a whole and only as long as nobody else did (guarantee Atomic), "+
			"which that of zone %s does not; take the field out of the Federation, or have the platform team write to the zone by rfc2136",
			field, Display(apex)),
		Permanent: true,
	}
}

func forgedError(g guard, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonOwnershipLost,
		Message: fmt.Sprintf("the ownership record %s names this Federation but its signature does not fit: somebody changed it, "+
			"or the operator's signing key was replaced; nothing is touched until the key is back; if it is gone for good, %s, and have "+
			"the administrator of zone %s remove the ownership records alone (nsupdate: %s)",
			g.key, naming("the Federation's records"), Display(apex), removal(g.ownership()...)),
		Permanent: true,
	}
}

// ownership is the ownership record with those that it lists, if it is an index.
func (g guard) ownership() []Key {
	return slices.DeleteFunc(g.all(), func(k Key) bool { return k.Type != TypeTXT })
}

// naming says how records become the Federation's without a gap.
func naming(what string) string {
	return fmt.Sprintf("name %s in spec.dns.takeover of the Federation, for which spec.takeover of the DNSZone has to be Allow", what)
}

// adoption says how a record in the way becomes the Federation's without a gap, and whose turn that is; empty if it can't.
func (p planner) adoption(k Key) string {
	switch {
	case k.Type == TypeTXT:
		return ""
	case slices.Contains(p.want.notAllowed, k):
		return fmt.Sprintf("it is named in spec.dns.takeover, but the DNSZone for %s does not allow takeovers: the platform team sets "+
			"spec.takeover of the DNSZone to Allow; ", Display(p.apex))
	default:
		return "to replace it without a gap, " + naming("it") + "; "
	}
}

func (p planner) lostError(record, inTheWay Key) *Error {
	return &Error{
		Reason: v1alpha1.ReasonOwnershipLost,
		Message: fmt.Sprintf("somebody removed or replaced the ownership record %s, so %s may have another owner by now and is left "+
			"alone; %sif nobody needs it, the administrator of zone %s removes it (nsupdate: %s) and the operator publishes again",
			record, inTheWay, p.adoption(inTheWay), Display(p.apex), removal(inTheWay)),
		Permanent: true,
		suspect:   inTheWay,
	}
}

// changingError is the end of the tries when the zone looks different each time.
func changingError(held bool, apex string) *Error {
	if held {
		return &Error{
			Reason: v1alpha1.ReasonOwnershipLost,
			Message: fmt.Sprintf("ownership records in zone %s change while the operator writes: another operator with the same "+
				"identity is at work; run only one in the cluster and give each cluster its own identity", Display(apex)),
		}
	}
	return &Error{
		Reason: v1alpha1.ReasonRecordExistsUnowned,
		Message: fmt.Sprintf("the DNS server says that a record stands at one of the names already, but does not show it: views or "+
			"access lists hide it; the administrator of zone %s compares what `rndc dumpdb -zones` shows with status.records",
			Display(apex)),
	}
}

// existsError names the record in the way, and how it becomes the Federation's, see adoption.
func existsError(k Key, apex, adoption string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonRecordExistsUnowned,
		Message: fmt.Sprintf("%s exists already and the operator did not write it; records of others are never touched; %sif nobody "+
			"needs it, the administrator of zone %s removes it (nsupdate: %s)", k, adoption, Display(apex), removal(k)),
		Permanent: true,
		inTheWay:  k,
		suspect:   k,
	}
}

// externalDNSError names the record in the way and the one that says whose it is.
func externalDNSError(k, registry Key, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonRecordExistsUnowned,
		Message: fmt.Sprintf("%s exists and belongs to ExternalDNS, says %s; records of others are never touched; remove the name "+
			"from the sources of that ExternalDNS and wait until it has removed the record; if it is gone for good, the "+
			"administrator of zone %s removes what it left (nsupdate: %s)", k, registry, Display(apex), removal(k, registry)),
		Permanent: true,
	}
}

func aliasError(k Key, alias RRset, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonCNAMEConflict,
		Message: fmt.Sprintf("%s is an alias (CNAME %s), beside which %s can't exist (RFC 1034 section 3.6.2); the administrator of "+
			"zone %s removes it (nsupdate: %s), or choose another name in the Federation", Display(k.Name),
			strings.Join(alias.Strings(), " "), k, Display(apex), removal(alias.Key())),
		Permanent: true,
		suspect:   alias.Key(),
	}
}

func notAppliedError(k Key, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonNotApplied,
		Message: fmt.Sprintf("the DNS server accepted the update of zone %s but does not serve %s as it was written; its administrator "+
			"looks for what overrides it: a view, a policy on TTLs, a second primary, or the filter of a webhook", Display(apex), k),
	}
}

// notRemovedError is about an ownership record that stands for all that it lists.
func notRemovedError(k Key, apex string) *Error {
	return &Error{
		Reason: v1alpha1.ReasonNotApplied,
		Message: fmt.Sprintf("the DNS server accepted the update of zone %s but still serves %s, which the update removed; its "+
			"administrator looks for what keeps or restores it: a view, a second primary, or a webhook that ignores removals",
			Display(apex), k),
	}
}
