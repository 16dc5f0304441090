// SPDX-License-Identifier: Apache-2.0

package controllers

import (
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

// stand reports whether record sets are all among those that were published.
func stand(want []dns.RRset, published []v1alpha1.RecordStatus) bool {
	for _, record := range want {
		if !wasPublished(recordStatus(record), published) {
			return false
		}
	}
	return len(want) > 0
}
