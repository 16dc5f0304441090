// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// The server drops a former domain when nobody can be led there any more. Pods take that up some seconds later, like every
// configuration. Until then they serve all that is wanted and something that nobody asks for, so the Federation stays Ready.

// shrinkWithin bounds for how long pods may serve more than is wanted before the condition says so.
const shrinkWithin = 2 * time.Minute

// shrinkage is a rollout that only drops what is former.
type shrinkage struct {
	// from is what the pods run before, and to what they run after it.
	from, to rollout
	began    time.Time
}

// shrinkages remembers the last one of each Federation.
type shrinkages struct {
	mu    sync.Mutex
	byFed map[types.UID]shrinkage
}

func (m *shrinkages) note(uid types.UID, one shrinkage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byFed == nil {
		m.byFed = map[types.UID]shrinkage{}
	}
	m.byFed[uid] = one
}

func (m *shrinkages) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byFed, uid)
}

// covers reports whether a server that does not run what it should serves all that is wanted, and for a short time something former.
func (m *shrinkages) covers(uid types.UID, want rollout, live engine.LiveStatus, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, noted := m.byFed[uid]
	age := now.Sub(one.began)
	return noted && one.to == want && age >= 0 && age < shrinkWithin &&
		slices.Contains([]string{one.from.config, want.config}, live.Generation) &&
		slices.Contains([]string{one.from.secret, want.secret}, live.SecretGeneration)
}

// settled reports whether a server runs what it should, and serves the certificate that it was given.
func settled(live engine.LiveStatus, want rollout, serial string) bool {
	return live.Generation == want.config && live.SecretGeneration == want.secret && !check.Outdated(live.Certificate, serial)
}

// noteShrinkage notes a rollout that is about to begin, if it only drops what is former: what is mounted is what would be rendered with
// the former domains and ports of status before.
func (r *FederationReconciler) noteShrinkage(s *scope, server Server, to rollout, data map[string][]byte) error {
	before := &s.before.Status
	if len(before.FormerDomains)+len(before.FormerPorts) <= len(s.fed.Status.FormerDomains)+len(s.fed.Status.FormerPorts) {
		return nil
	}
	wide := s.fed.DeepCopy()
	wide.Status.FormerDomains, wide.Status.FormerPorts = before.FormerDomains, before.FormerPorts
	config, err := server.Render(desired.ServerInput(wide, s.trustedCAs))
	if err != nil {
		return fmt.Errorf("rendering the server's configuration with former domains: %w", err)
	}
	if maps.Equal(config.Files, s.mountedConfig.Data) && r.fits(s, data) {
		from := rollout{config: config.Generation, secret: string(s.mounted.Data[engine.KeyGeneration]), token: to.token}
		r.shrinkages.note(s.fed.UID, shrinkage{from, to, r.Now()})
	}
	return nil
}

// fits reports whether the Secret that is mounted does as well as the one with the given data: it differs in the certificate at most,
// and the one in place is good for all that is wanted.
func (r *FederationReconciler) fits(s *scope, data map[string][]byte) bool {
	for _, key := range []string{engine.KeyAccounts, engine.KeyDialbackSecret, engine.KeyToken} {
		if !bytes.Equal(data[key], s.mounted.Data[key]) {
			return false
		}
	}
	cert, key := s.mounted.Data[engine.KeyTLSCert], s.mounted.Data[engine.KeyTLSKey]
	verdict := pki.Judge(cert, key, desired.AddressableDomains(s.fed), r.Now())
	return bytes.Equal(cert, data[engine.KeyTLSCert]) || pki.ByOwnCA(verdict).Status == metav1.ConditionTrue
}

// noticeable returns the dropped record sets that somebody may still ask for. Address records of a former host are not among them once
// its time is over: no service record has named it for as long as resolvers remember.
func (s *scope) noticeable(dropped []dns.Key) []dns.Key {
	return slices.DeleteFunc(slices.Clone(dropped), func(key dns.Key) bool {
		is := func(former v1alpha1.FormerHost) bool { return former.Hostname == dns.Display(dns.Bare(key.Name)) }
		return key.Type != dns.TypeSRV && slices.ContainsFunc(s.before.Status.FormerHosts, is) &&
			!slices.ContainsFunc(s.fed.Status.FormerHosts, is) && !is(v1alpha1.FormerHost{Hostname: desired.Hostname(s.fed)})
	})
}
