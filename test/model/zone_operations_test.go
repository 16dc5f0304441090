// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Operations of those who look after zones, and of those who write into them by hand.

// opForeign has somebody else publish at a name that a Federation may want: a domain, or a host.
func (w *world) opForeign(a, b int) error {
	name := domains[a%len(domains)]
	set := dns.SRVRecord(dns.ServiceXMPPServer, name, 300, dns.SRV{Port: 5269, Target: "old.example"})
	if b%4 == 0 {
		name = federations[a%len(federations)] + "." + apexes[b/4%len(apexes)]
		set = address(name, 300, "203.0.112.77")
	}
	apex := apexOf(name)
	zone := w.zones[apex]
	if occupied(zone, set.Key()) || occupied(zone, dns.Key{Name: "own._xmppfed." + dns.Canonical(name), Type: dns.TypeTXT}) {
		return nil // whoever replaces what is ours is a vandal
	}
	zone.Edit(dns.Change{Put: []dns.RRset{set}})
	w.foreign[apex][set.Key()] = set
	return nil
}

// opUnforeign removes it again, and addresses of others in the zone.
func (w *world) opUnforeign(a, _ int) error {
	domain := domains[a%len(domains)]
	apex := apexOf(domain)
	for key := range w.foreign[apex] {
		if key.Type == dns.TypeA || strings.HasSuffix(key.Name, "."+dns.Canonical(domain)) {
			w.zones[apex].Edit(dns.Change{Drop: []dns.Key{key}})
			delete(w.foreign[apex], key)
			delete(w.stripped, key)
		}
	}
	return nil
}

// opVandal removes or changes what the operator published, but not the ownership records.
func (w *world) opVandal(a, b int) error {
	apex := apexes[a%len(apexes)]
	var ours []dns.RRset
	for _, set := range w.zones[apex].Sets() {
		if _, foreign := w.foreign[apex][set.Key()]; !foreign && (set.Type == dns.TypeA || set.Type == dns.TypeSRV) {
			ours = append(ours, set)
		}
	}
	if len(ours) == 0 {
		return nil
	}
	victim := ours[b%len(ours)]
	if victim.Type == dns.TypeA && b%2 == 0 {
		w.zones[apex].Edit(dns.Change{Put: []dns.RRset{address(victim.Name, victim.TTL, "203.0.112.66")}})
		return nil
	}
	w.zones[apex].Edit(dns.Change{Drop: []dns.Key{victim.Key()}})
	return nil
}

// opStrip removes the ownership record of a domain that is published. Its service record is nobody's then.
func (w *world) opStrip(a, _ int) error {
	domain := domains[a%len(domains)]
	apex := apexOf(domain)
	service := dns.SRVRecord(dns.ServiceXMPPServer, domain, 0).Key()
	set, published := lookup(w.zones[apex], service)
	if _, foreign := w.foreign[apex][service]; !published || foreign {
		return nil
	}
	w.zones[apex].Edit(dns.Change{Drop: []dns.Key{{Name: "own._xmppfed." + dns.Canonical(domain), Type: dns.TypeTXT}}})
	w.foreign[apex][service], w.stripped[service] = set, true
	return nil
}

func (w *world) opRevoke(a, b int) error {
	namespace := &corev1.Namespace{}
	if err := w.api.Get(context.Background(), client.ObjectKey{Name: namespaces[a%len(namespaces)]}, namespace); err != nil {
		return err
	}
	namespace.Labels = map[string]string{}
	if b%2 == 0 {
		namespace.Labels[labelAllowed] = "true"
	}
	return w.api.Update(context.Background(), namespace)
}

// opZoneKey replaces the TSIG secret by a wrong one, or by the right one.
func (w *world) opZoneKey(a, _ int) error {
	secret := keySecret()
	if a%2 == 0 {
		secret.Data["secret"] = []byte("d3Jvbmc=")
	}
	return w.api.Update(context.Background(), secret)
}

// opZoneGone deletes a DNSZone, or creates it again.
func (w *world) opZoneGone(a, b int) error {
	zone := dnsZone(apexes[a%len(apexes)])
	if b%2 == 0 {
		return client.IgnoreNotFound(w.api.Delete(context.Background(), zone))
	}
	return client.IgnoreAlreadyExists(w.api.Create(context.Background(), zone))
}

// opWait lets time of the bubble pass, which passes at once.
func (w *world) opWait(a, _ int) error {
	waits := []time.Duration{50 * time.Millisecond, time.Second, 5 * time.Second, time.Minute}
	time.Sleep(waits[a%len(waits)])
	return nil
}
