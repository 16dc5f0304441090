// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	// DNSBelief is the operator's FederationReconciler.DNSBelief.
	DNSBelief = 5 * time.Minute
	// unversionedBelief bounds it for zones whose changes nobody tells the operator of.
	unversionedBelief = 30 * time.Second
)

// verified remembers of which Federations the DNS was found as wanted, so that it is not read again because a pod started, or a check
// of the way in is over.
type verified struct {
	mu    sync.Mutex
	byFed map[types.UID]verifiedDNS
}

// verifiedDNS is what was found, when, and from what it followed.
type verifiedDNS struct {
	finding finding
	at      time.Time
	inputs  string
}

func (v *verified) get(uid types.UID) verifiedDNS {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.byFed[uid]
}

// put keeps what was found; nothing is kept of what is not as wanted.
func (v *verified) put(uid types.UID, found verifiedDNS) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if found.inputs == "" {
		delete(v.byFed, uid)
		return
	}
	if v.byFed == nil {
		v.byFed = map[types.UID]verifiedDNS{}
	}
	v.byFed[uid] = found
}

// publishOrBelieve publishes, unless the DNS was found as wanted a short while ago and nothing changed since: neither what is wanted,
// nor what status says of it, nor what is known of the zones. The check that is due every verification interval always reads.
func (r *FederationReconciler) publishOrBelieve(ctx context.Context, s *scope) (finding, error) {
	before := r.zoneVersions(s)
	inputs, err := verifiableInputs(s, before)
	if err != nil {
		return finding{}, err
	}
	last := r.verified.get(s.fed.UID)
	if age := r.Now().Sub(last.at); last.inputs != "" && last.inputs == inputs && age >= 0 && age < r.belief(s) {
		s.publishedAll = true
		return last.finding, nil
	}
	found, failed := r.publish(ctx, s)
	if inputs, err = verifiableInputs(s, before); err != nil {
		return finding{}, err
	}
	if failed != nil || found.reason != v1alpha1.ReasonPublished || found.after != 0 || !s.publishedAll {
		inputs = ""
	}
	r.verified.put(s.fed.UID, verifiedDNS{finding: found, at: r.Now(), inputs: inputs})
	return found, failed
}

// belief returns for how long what was found is believed. It ends before the next check is due.
func (r *FederationReconciler) belief(s *scope) time.Duration {
	limit := min(s.fed.Spec.Verification.Interval.Duration/2, r.DNSBelief)
	for _, apex := range s.fed.Status.Zones {
		if !r.Zones.versioned(apex) {
			return min(limit, unversionedBelief)
		}
	}
	return limit
}

// zoneVersions are those of the zones that the Federation has, or wants, names in.
func (r *FederationReconciler) zoneVersions(s *scope) map[string]int {
	versions := map[string]int{}
	for _, apex := range s.fed.Status.Zones {
		versions[apex] = r.Zones.version(apex)
	}
	for _, apex := range s.apexes {
		versions[apex] = r.Zones.version(apex)
	}
	return versions
}

// verifiableInputs encodes what the records of a Federation follow from. It is empty where more than that decides: while a host name,
// a domain or a port is given up, names are handed over, or TLSA records are wanted.
func verifiableInputs(s *scope, versions map[string]int) (string, error) {
	status := &s.fed.Status
	pending := slices.ContainsFunc(status.Records, func(r v1alpha1.RecordStatus) bool { return r.State != v1alpha1.RecordPublished })
	former := len(status.FormerHosts) + len(status.FormerDomains) + len(status.FormerPorts)
	if pending || former > 0 || wantsTLSA(s.fed) || status.TLSA != nil || s.fed.Spec.DNS.TransferTo != "" {
		return "", nil
	}
	encoded, err := json.Marshal([]any{s.fed.Generation, s.addresses, s.apexes, s.adoptable, status.Records, status.Zones, versions})
	if err != nil {
		return "", fmt.Errorf("encoding what the records follow from: %w", err)
	}
	return string(encoded), nil
}

// versioned reports whether changes of a zone that others make are told.
func (z *Zones) versioned(apex string) bool {
	z.mu.RLock()
	defer z.mu.RUnlock()
	provider, ok := z.byApex[apex].provider.(versioned)
	if !ok {
		return false
	}
	_, known := provider.Serial()
	return known
}
