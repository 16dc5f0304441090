// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// count the Federations in the zone and the records that they have there. Vanished are those that lost theirs lately and are no more.
func (r *DNSZoneReconciler) count(ctx context.Context, zone *v1alpha1.DNSZone) (vanished int, err error) {
	apex := string(zone.Spec.Zone)
	var feds v1alpha1.FederationList
	// Nothing is changed, so the cache's own objects will do.
	if err := r.List(ctx, &feds, client.MatchingFields{indexZones: apex}, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing Federations with records in zone %s: %w", apex, err)
	}
	lost := lossesOf(zone).Recent(r.Now())
	zone.Status.Federations, zone.Status.Records = int32(len(feds.Items)), 0
	for i := range feds.Items {
		delete(lost, client.ObjectKeyFromObject(&feds.Items[i]).String())
		for _, record := range feds.Items[i].Status.Records {
			if record.State != v1alpha1.RecordPending && holds(&feds.Items[i], apex, record.Name) {
				zone.Status.Records++
			}
		}
	}
	return len(lost), nil
}

// selectorTrouble is a selector that can't be read. It is no reason not to write to the zone, where records may stand.
func selectorTrouble(zone *v1alpha1.DNSZone) *outcome.Error {
	_, err := claims.Namespaces(zone)
	if err == nil || len(zone.Unreadable) > 0 {
		return nil
	}
	// It repeats what the selector has, however long, and has its own idea of spaces.
	why := strings.Join(strings.Fields(err.Error()), " ")
	return outcome.Stalled(v1alpha1.ReasonDomainNotAllowed, "no namespace may publish in zone %s, because spec.namespaces.selector can't "+
		"be read: %.1000s; the platform team has to correct it", zone.Spec.Zone, why)
}

// updateZoneStatus says how a zone is. There is no provider as long as none can be made. It returns how long the zone may go on like
// that before it counts as Failed; zero when there is nothing to wait for.
func updateZoneStatus(zone *v1alpha1.DNSZone, provider ZoneProvider, trouble *outcome.Error, now time.Time) (left time.Duration) {
	status := &zone.Status
	status.ObservedGeneration = zone.Generation
	status.Provider = zone.Spec.Provider.Name()
	if provider != nil {
		status.Guarantee = guaranteeOf(provider.Capabilities())
		status.Key = keyInUse(zone.Spec.Provider.RFC2136, provider)
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady}
	if trouble == nil {
		ready.Message = usable(zone, provider)
	} else {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, trouble.Reason, trouble.Message+unusableKey(provider)
	}
	sum := sumUp(ready, status.Conditions, zone.Generation, now)
	sum.write(&status.Conditions, zone.Generation, now)
	return sum.left
}

func guaranteeOf(c dns.Capabilities) v1alpha1.Guarantee {
	switch {
	case !c.Writes:
		return v1alpha1.GuaranteeNone
	case c.BestEffort():
		return v1alpha1.GuaranteeBestEffort
	default:
		return v1alpha1.GuaranteeAtomic
	}
}

// usable is the message of a zone that is Ready.
func usable(zone *v1alpha1.DNSZone, provider ZoneProvider) string {
	apex := string(zone.Spec.Zone)
	switch zone.Status.Provider {
	case v1alpha1.DNSProviderManual:
		return "the name servers of " + apex + " answer; its administrator creates what status.records of each Federation lists"
	case v1alpha1.DNSProviderWebhook:
		return "the webhook answers and is for " + apex + "; as its protocol knows no conditional changes, nobody else may write the " +
			"names that Federations publish"
	case v1alpha1.DNSProviderRoute53:
		return "Route 53 has the public hosted zone " + apex + " and accepts the credentials"
	case v1alpha1.DNSProviderCloudflare:
		return "Cloudflare serves " + apex + " and accepts the API token; as its API knows no conditional changes, nobody else may write " +
			"the names that Federations publish"
	case v1alpha1.DNSProviderDNSEndpoint:
		return "DNSEndpoints can be written and the name servers of " + apex + " answer; whether an ExternalDNS publishes them, " +
			"DNSPublished of each Federation tells"
	case v1alpha1.DNSProviderRFC2136:
	}
	primary := "the primary of " + apex + " answers and accepts the key" + changeOfKeys(zone, provider)
	if zone.Status.Guarantee == v1alpha1.GuaranteeBestEffort {
		return primary + ", but ignores the conditions of updates (RFC 2136 section 2.4); " +
			"nobody else may write the names that Federations publish"
	}
	return primary
}

// rotating is a ZoneProvider that may have two keys.
type rotating interface {
	// Rotated tells that the newer one is in use.
	Rotated() bool
	// OtherUnusable says why the one that is not in use can't be, and what to do; nil if it could.
	OtherUnusable() error
}

// keyInUse is the name of the key that the server accepted.
func keyInUse(spec *v1alpha1.RFC2136Provider, provider ZoneProvider) string {
	if spec == nil {
		return ""
	}
	if keys, two := provider.(rotating); two && spec.PreviousTSIG != nil && !keys.Rotated() {
		return spec.PreviousTSIG.KeyName
	}
	return spec.TSIG.KeyName
}

// changeOfKeys says how far it has come: it follows the words "accepts the key".
func changeOfKeys(zone *v1alpha1.DNSZone, provider ZoneProvider) string {
	spec := zone.Spec.Provider.RFC2136
	unusable := unusableKey(provider)
	switch {
	case spec == nil || spec.PreviousTSIG == nil:
		return ""
	case zone.Status.Key == spec.TSIG.KeyName:
		return fmt.Sprintf(" %s; as soon as it has the rights there that %s had, the platform team removes "+
			"spec.provider.rfc2136.previousTSIG, and the server's administrator that key", spec.TSIG.KeyName, spec.PreviousTSIG.KeyName) +
			unusable
	case unusable != "":
		return fmt.Sprintf(" %s of spec.provider.rfc2136.previousTSIG", spec.PreviousTSIG.KeyName) + unusable
	default:
		return fmt.Sprintf(" %s of spec.provider.rfc2136.previousTSIG, but not %s yet, or not for updates; the server's "+
			"administrator adds it with the same rights, the platform team its Secret", spec.PreviousTSIG.KeyName, spec.TSIG.KeyName)
	}
}

// unusableKey says that of two keys one is broken: it follows another sentence.
func unusableKey(provider ZoneProvider) string {
	if keys, two := provider.(rotating); two && keys.OtherUnusable() != nil {
		return "; " + keys.OtherUnusable().Error()
	}
	return ""
}
