// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// ZoneProvider is a provider that can be asked whether it can be used: servers answer and accept the credentials.
type ZoneProvider interface {
	dns.Provider
	Probe(ctx context.Context) error
}

// versioned is a ZoneProvider whose probes see the zone's serial number.
type versioned interface {
	// Serial returns the one that the last probe saw.
	Serial() (serial uint32, known bool)
}

// NewZoneProvider makes the provider of a zone. An error that somebody has to mend is a *dns.Error, which names the field that is
// wrong.
type NewZoneProvider func(spec v1alpha1.DNSZoneSpec, secrets ZoneSecrets) (ZoneProvider, error)

// DNSZoneReconciler keeps Zones filled and the status of DNSZones true.
type DNSZoneReconciler struct {
	client.Client
	// Reader reads Secrets from the API server; of them only metadata are cached.
	Reader      client.Reader
	Recorder    events.EventRecorder
	Zones       *Zones
	NewProvider NewZoneProvider
	Serials     SerialReader
	// Namespace of the Secrets that DNSZones name: the operator's own.
	Namespace string
	// Now is the clock.
	Now func() time.Time
	// Changed tells which zones got better or worse, so that the Federations in them are looked at.
	Changed chan event.TypedGenericEvent[*v1alpha1.DNSZone]
	// Silent reports whether another installation of the operator writes the status of DNSZones, which all installations of a
	// cluster have in common; nil for never.
	Silent func() bool

	mu sync.Mutex
	// known DNSZones, by name.
	known map[string]*knownZone
}

// knownZone is what is remembered of a DNSZone. No two goroutines reconcile the same one.
type knownZone struct {
	// uid tells it from another one of the same name.
	uid types.UID
	// apex of the zone, which a DNSZone that is gone can't tell any more; empty when another DNSZone came first.
	apex  string
	built builtProvider
	look  serverLook
	// secrets that the spec refers to, by name.
	secrets map[string]readSecret
}

// +kubebuilder:rbac:groups=xmppfed.io,resources=dnszones,verbs=get;list;watch
// +kubebuilder:rbac:groups=xmppfed.io,resources=dnszones/status,verbs=patch
// +kubebuilder:rbac:groups=externaldns.k8s.io,namespace=xmppfed-system,resources=dnsendpoints,verbs=get;list;create;patch;delete

// Reconcile probes one zone and writes down how it is.
func (r *DNSZoneReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	zone := &v1alpha1.DNSZone{}
	if err := r.Get(ctx, req.NamespacedName, zone); apierrors.IsNotFound(err) {
		r.forget(req.Name)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading DNSZone %s: %w", req.Name, err)
	}
	before, known := zone.DeepCopy(), r.recall(zone)
	correctZoneTimes(&zone.Status, r.Now())
	trouble, err := r.findOlder(ctx, zone)
	if err != nil {
		return ctrl.Result{}, err
	}
	known.apex = string(zone.Spec.Zone)
	if trouble != nil {
		known.apex, known.built = "", builtProvider{}
	}
	vanished, err := r.count(ctx, zone)
	if err != nil {
		return ctrl.Result{}, err
	}
	if trouble == nil {
		r.setBrake(zone, vanished)
		trouble, err = r.lookAtZone(ctx, zone, known)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if unreadable := selectorTrouble(zone); unreadable != nil && known.apex != "" {
		trouble = unreadable
	}
	left := updateZoneStatus(zone, known.built.provider, trouble, r.Now())
	if trouble == nil || trouble.Reason != v1alpha1.ReasonDomainClaimed {
		if err := r.tellBrake(ctx, zone); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.writeStatus(ctx, before, zone); err != nil {
		return ctrl.Result{}, err
	}
	next := known.built.scattered(paceOf(zone.Spec.Provider))
	if left > 0 {
		next = min(next, left)
	}
	return ctrl.Result{RequeueAfter: next}, nil
}

// writeStatus writes the status of a DNSZone where it changed, and the events that go with it.
func (r *DNSZoneReconciler) writeStatus(ctx context.Context, before, zone *v1alpha1.DNSZone) error {
	if r.Silent != nil && r.Silent() || equality.Semantic.DeepEqual(before.Status, zone.Status) {
		return nil
	}
	err := r.Status().Patch(ctx, zone.DeepCopy(), client.MergeFrom(before))
	onlyEvent := len(zone.Unreadable) > 0 && apierrors.IsInvalid(err) // see leaveUnreadable
	if client.IgnoreNotFound(err) != nil && !onlyEvent {
		return fmt.Errorf("writing status: %w", err)
	}
	recordEvents(r.Recorder, zone, before.Status.Conditions, zone.Status.Conditions)
	return nil
}

// lookAtZone looks at the provider of a zone, and where that is well, at the zone's name servers and at what changed in them.
func (r *DNSZoneReconciler) lookAtZone(ctx context.Context, zone *v1alpha1.DNSZone, known *knownZone) (*outcome.Error, error) {
	trouble, err := r.look(ctx, zone, known)
	if err != nil || trouble != nil {
		return trouble, err
	}
	r.lookAtServers(ctx, zone, known)
	return nil, r.tellDrift(ctx, zone)
}

// findOlder tells that another DNSZone has the same apex and came first.
func (r *DNSZoneReconciler) findOlder(ctx context.Context, zone *v1alpha1.DNSZone) (*outcome.Error, error) {
	if zone.Spec.Zone == "" {
		return nil, nil
	}
	var zones v1alpha1.DNSZoneList
	if err := r.List(ctx, &zones, client.MatchingFields{indexApex: string(zone.Spec.Zone)}); err != nil {
		return nil, fmt.Errorf("listing DNSZones of %s: %w", zone.Spec.Zone, err)
	}
	for i := range zones.Items {
		other := &zones.Items[i]
		if other.UID != zone.UID && claims.Older(other, zone) {
			return outcome.Stalled(v1alpha1.ReasonDomainClaimed,
				"DNSZone %s was there first with zone %s; the platform team has to delete one of the two",
				other.Name, zone.Spec.Zone), nil
		}
	}
	return nil, nil
}

// look probes the zone, notes how it is and tells the Federations when that is news.
func (r *DNSZoneReconciler) look(ctx context.Context, zone *v1alpha1.DNSZone, known *knownZone) (*outcome.Error, error) {
	trouble, err := r.build(ctx, zone, known)
	if err != nil {
		return nil, err
	}
	apex := string(zone.Spec.Zone)
	if trouble == nil {
		note := r.Zones.readingSerial(apex)
		trouble = known.built.probe(ctx, paceOf(zone.Spec.Provider))
		if p, ok := known.built.provider.(versioned); ok && trouble == nil {
			if serial, read := p.Serial(); read {
				note(serial)
			}
		}
	}
	if !r.Zones.set(apex, known.built.provider, trouble) {
		return trouble, nil
	}
	if fields := unreadableZone(zone); len(fields) > 0 {
		ctrl.LoggerFrom(ctx).Error(fields.Err(), "leaving a zone as it is whose DNSZone can't be read")
	}
	return trouble, r.tell(ctx, zone)
}

// tellDrift tells the Federations in a zone that others changed it, if they did and it is time to.
func (r *DNSZoneReconciler) tellDrift(ctx context.Context, zone *v1alpha1.DNSZone) error {
	if !r.Zones.tellOfDrift(string(zone.Spec.Zone)) {
		return nil
	}
	return r.tell(ctx, zone)
}

// tell the Federations in a zone that there is news of it.
func (r *DNSZoneReconciler) tell(ctx context.Context, zone *v1alpha1.DNSZone) error {
	select {
	case r.Changed <- event.TypedGenericEvent[*v1alpha1.DNSZone]{Object: zone.DeepCopy()}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// build makes the zone's provider, anew only when the spec or a secret changed. There is none as long as one is missing.
func (r *DNSZoneReconciler) build(ctx context.Context, zone *v1alpha1.DNSZone, known *knownZone) (*outcome.Error, error) {
	if trouble := zoneUnreadable(zone); trouble != nil {
		known.built = builtProvider{}
		return trouble, nil
	}
	secrets, trouble, err := r.readSecrets(ctx, zone, known)
	if err != nil {
		return nil, err
	}
	built := known.built
	if trouble == nil && built.provider != nil && built.generation == zone.Generation && maps.Equal(built.secrets, secrets) {
		return nil, nil
	}
	known.built = builtProvider{}
	if trouble != nil {
		return trouble, nil
	}
	provider, err := r.NewProvider(zone.Spec, secrets)
	switch {
	case errors.As(dnsOutcome(err), &trouble):
		return trouble, nil
	case err != nil:
		return nil, fmt.Errorf("making the provider of DNSZone %s: %w", zone.Name, err)
	}
	known.built = builtProvider{generation: zone.Generation, secrets: secrets, provider: provider}
	return nil, nil
}

// recall what is known of a DNSZone. Nothing is known of one that was created under the name of another, whose deletion may have
// gone unseen: then its generation tells nothing, and its zone may be another, too.
func (r *DNSZoneReconciler) recall(zone *v1alpha1.DNSZone) *knownZone {
	r.mu.Lock()
	known := r.known[zone.Name]
	r.mu.Unlock()
	if known != nil && known.uid == zone.UID {
		return known
	}
	r.forget(zone.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]*knownZone{}
	}
	r.known[zone.Name] = &knownZone{uid: zone.UID}
	return r.known[zone.Name]
}

// forget a DNSZone that is gone. Should another one have the same apex, it is looked at again within moments.
func (r *DNSZoneReconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.known[name]; known != nil {
		r.Zones.remove(known.apex)
	}
	delete(r.known, name)
}
