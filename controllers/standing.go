// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// ofZone are the reasons that no name of a zone can be written for. They are one problem of the DNSZone, which says so itself, and not
// one of each Federation in it.
var ofZone = []string{
	v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonTSIGKeyUnknown, v1alpha1.ReasonTSIGBadSignature, v1alpha1.ReasonCredentialsRejected,
	v1alpha1.ReasonClockSkew, v1alpha1.ReasonUnauthenticatedResponse, v1alpha1.ReasonServerUnavailable, v1alpha1.ReasonRateLimited,
	v1alpha1.ReasonNotAuthoritative,
}

// standing turns a failure of a whole zone into what it means for the Federation: as long as every record that it wants there was
// published before, none is missing, and it is only not known whether they still stand.
func (s *scope) standing(apex string, want []dns.RRset, err error) error {
	var failed *outcome.Error
	if !errors.As(err, &failed) || !slices.Contains(ofZone, failed.Reason) || !stand(want, s.before.Status.Records) {
		return err
	}
	known := outcome.Unknown(v1alpha1.ReasonZoneNotReady,
		"the records in zone %s stand as they were published, and can't be checked or changed for now: %s", apex, failed.Message)
	known.After, known.AtMost = failed.After, failed.AtMost
	return known
}

// lookBehind returns why records that were published in a zone and are not wanted any more stand there still: somebody removed the
// ownership record that says whose they are. They stay listed, and the server goes on serving what leads to it, until they are gone.
// What is under the kept anchors is known to be the Federation's.
func (r *FederationReconciler) lookBehind(
	ctx context.Context, s *scope, provider dns.Provider, apex string, units []dns.Unit, kept []string,
) error {
	behind := slices.DeleteFunc(leftBehind(s.before, apex, recordsOf(units, s.former[apex])), func(set dns.RRset) bool {
		return slices.Contains(kept, dns.Canonical(anchorName(set.Name))) || !slices.ContainsFunc(s.before.Status.Records,
			func(record v1alpha1.RecordStatus) bool {
				return record.State != v1alpha1.RecordPending && names(&record)(set.Key())
			})
	})
	for i := range behind {
		behind[i].Shared = s.fed.Spec.DNS.Shared && behind[i].Type == dns.TypeSRV
	}
	err := dns.Unproven(ctx, r.Zones.reading(provider), r.Signer, r.owner(s.fed), behind)
	if unproven, told := dns.AsError(err); told {
		s.leftover = append(s.leftover, unproven.Records...)
	}
	return dnsOutcome(err)
}

// stand reports whether record sets are all among those that were published.
func stand(want []dns.RRset, published []v1alpha1.RecordStatus) bool {
	for _, record := range want {
		if !wasPublished(recordStatus(record), published) {
			return false
		}
	}
	return len(want) > 0
}
