// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
)

// setBrake gives the zone's brake its limit, unless it is released. Those that vanished count as well, so that the limit does not
// shrink with every Federation that goes.
func (r *DNSZoneReconciler) setBrake(zone *v1alpha1.DNSZone, vanished int) {
	limit := brake.Limit(zone.Spec.Brake, int(zone.Status.Federations)+vanished)
	if released, _ := brake.Released(zone.Annotations, r.Now()); released {
		limit = brake.Off
	}
	zone.Status.Brake.Limit = int32(limit)
	r.Zones.Brake(string(zone.Spec.Zone)).Set(limit, lossMemory{r.Reader, r.Client, zone.Name})
}

// tellBrake says what the zone's brake holds back. A brake that was made anew, as the operator restarted, knows that only after
// some time; until then what was said before stands.
func (r *DNSZoneReconciler) tellBrake(ctx context.Context, zone *v1alpha1.DNSZone) error {
	apex := string(zone.Spec.Zone)
	waiting, known := r.Zones.Brake(apex).Waiting()
	switch {
	case len(waiting) > 0:
		zone.Status.Brake.Waiting = int32(len(waiting))
		_, void := brake.Released(zone.Annotations, r.Now())
		meta.SetStatusCondition(&zone.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionRemovalsPaused, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRemovalsPaused,
			Message:            brake.Summary(apex, int(zone.Status.Brake.Limit), waiting, void),
			ObservedGeneration: zone.Generation, LastTransitionTime: metav1.NewTime(r.Now()),
		})
	case known:
		zone.Status.Brake.Waiting = 0
		meta.RemoveStatusCondition(&zone.Status.Conditions, v1alpha1.ConditionRemovalsPaused)
	}
	lost := lossesOf(zone)
	if over := len(lost) > 0 && len(lost.Recent(r.Now())) == 0; !over && !lost.Ahead(r.Now()) {
		return nil
	}
	return lossMemory{r.Reader, r.Client, zone.Name}.Update(ctx, func(kept brake.Losses) (brake.Losses, error) {
		return kept.Recent(r.Now()), nil
	})
}

// lossMemory keeps who lost records of a zone in the status of its DNSZone. Nobody else writes there.
type lossMemory struct {
	reader client.Reader
	writer client.StatusClient
	zone   string
}

// Update reads past the cache, so that it learns what the operator noted that was here before.
func (m lossMemory) Update(ctx context.Context, change func(brake.Losses) (brake.Losses, error)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		zone := &v1alpha1.DNSZone{}
		if err := m.reader.Get(ctx, client.ObjectKey{Name: m.zone}, zone); err != nil {
			return fmt.Errorf("reading DNSZone %s: %w", m.zone, err)
		}
		kept := lossesOf(zone)
		next, err := change(kept)
		if err != nil || maps.Equal(kept, next) {
			return err
		}
		before := zone.DeepCopy()
		zone.Status.Brake.Lost = nil
		for who, at := range next {
			zone.Status.Brake.Lost = append(zone.Status.Brake.Lost, v1alpha1.RecordLoss{Federation: who, Time: metav1.NewTime(at)})
		}
		slices.SortFunc(zone.Status.Brake.Lost, func(a, b v1alpha1.RecordLoss) int {
			return cmp.Or(a.Time.Compare(b.Time.Time), cmp.Compare(a.Federation, b.Federation))
		})
		if err := m.writer.Status().Patch(ctx, zone, locked(before)); err != nil {
			return fmt.Errorf("noting who lost records in status of DNSZone %s: %w", m.zone, err)
		}
		return nil
	})
}

func lossesOf(zone *v1alpha1.DNSZone) brake.Losses {
	losses := brake.Losses{}
	for _, loss := range zone.Status.Brake.Lost {
		losses[loss.Federation] = loss.Time.Time
	}
	return losses
}
