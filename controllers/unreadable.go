// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// When a part of a spec can't be read, it is not known what its author wants. So the operator changes nothing until the spec is
// corrected: objects and records stay as they are, and the Federation keeps its names. Only deletion goes on, because it works from
// status and from the zones.

// unreadable returns the fields of a spec that can't be read. Domains that are missing are among them, as nothing works without.
func unreadable(fed *v1alpha1.Federation) v1alpha1.UnreadableFields {
	return withMissing(fed.Unreadable, "spec.domains", len(fed.Spec.Domains) == 0)
}

// unreadableZone is unreadable for a DNSZone.
func unreadableZone(zone *v1alpha1.DNSZone) v1alpha1.UnreadableFields {
	return withMissing(zone.Unreadable, "spec.zone", zone.Spec.Zone == "")
}

func withMissing(fields v1alpha1.UnreadableFields, path string, missing bool) v1alpha1.UnreadableFields {
	if !missing || fields.Within(path) {
		return fields
	}
	return append(slices.Clone(fields), v1alpha1.UnreadableField{Path: path, Cause: "there is none"})
}

// claimed returns the names that a Federation keeps others out of: those that it wants, and those that it has published where what it
// wants can't be read.
func claimed(fed *v1alpha1.Federation) []string {
	names := desired.Claims(fed)
	if len(unreadable(fed)) == 0 {
		return names
	}
	names = append(names, claims.Published(fed)...)
	slices.Sort(names)
	return slices.Compact(names)
}

// leaveUnreadable says what can't be read, and changes nothing else.
func (r *FederationReconciler) leaveUnreadable(ctx context.Context, s *scope) (ctrl.Result, error) {
	fields := unreadable(s.fed)
	ctrl.LoggerFrom(ctx).Error(fields.Err(), "leaving a Federation as it is whose spec can't be read")
	r.Peers.Forget(client.ObjectKeyFromObject(s.fed)) // whom to try is not known
	s.fed.Status.DNSOwner = r.owner(s.fed).ID
	s.findings[v1alpha1.ConditionAccepted] = finding{err: outcome.Stalled(v1alpha1.ReasonSpecUnreadable,
		"fields of spec have values that can't be read, which were stored before admission refused them: %s; whoever manages this "+
			"Federation has to correct or remove them; until then nothing is changed: what runs keeps running, and what is published stays",
		fields.Err())}
	s.findings[v1alpha1.ConditionAvailable] = finding{err: outcome.Unknown(v1alpha1.ReasonNotChecked,
		"whether partners reach it is not checked while its spec can't be read; see condition %s", v1alpha1.ConditionAccepted)}
	result, err := r.finish(ctx, s, nil)
	if apierrors.IsInvalid(err) { // the API server judges what it can't read either with each change of the status; only the event tells
		recordEvents(r.Recorder, s.fed, s.before.Status.Conditions, s.fed.Status.Conditions)
		return result, nil
	}
	return result, err
}

// readForDeletion has deletion wait when it can't be read whether records are to stay, or for how long.
func (r *FederationReconciler) readForDeletion(_ context.Context, s *scope) error {
	if !s.fed.Unreadable.Within("spec.dns") {
		return nil
	}
	return outcome.Stalled(v1alpha1.ReasonSpecUnreadable,
		"spec.dns, which says what becomes of the records, can't be read: %s; whoever manages this Federation has to correct or remove "+
			"these fields", s.fed.Unreadable.Err())
}

// zoneUnreadable is the trouble of a DNSZone whose spec can't be read; nil when it can.
func zoneUnreadable(zone *v1alpha1.DNSZone) *outcome.Error {
	fields := unreadableZone(zone)
	if len(fields) == 0 {
		return nil
	}
	return outcome.Stalled(v1alpha1.ReasonSpecUnreadable,
		"fields of spec have values that can't be read, which were stored before admission refused them: %s; the platform team has to "+
			"correct or remove them; until then nothing is written to the zone", fields.Err())
}
