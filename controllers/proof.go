// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// The DNS must not lead partners to a server that isn't there. So a record that the Federation doesn't have yet waits until
// the pods have answered for its domain; one that it has is kept up to date whatever becomes of the pods. The proof runs
// aside, is made only while a record waits, and is forgotten as soon as the pods are not ready any more.

// serving is a server that runs the configuration of this generation in every pod.
type serving struct {
	// pods are the addresses of all pods; none while not all of them are ready and up to date.
	pods []netip.Addr
	// generation of the configuration that they run.
	generation string
}

// serves reports whether every pod serves as it should. It does so as well while the step for ServerReady misses its goal because of
// accounts or volumes.
func (s *scope) serves() bool { return len(s.serving.pods) > 0 }

// waitsForServer reports whether new records wait for the server.
func waitsForServer(fed *v1alpha1.Federation) bool {
	return fed.Spec.DNS.PublicationPolicy != v1alpha1.PublishImmediately
}

// proveServer has the pods asked for every domain, if a record waits for that.
func (r *FederationReconciler) proveServer(s *scope) error {
	if !s.serves() {
		r.proofs.forget(s.fed.UID)
		return nil
	}
	target := proofTarget(s)
	encoded, err := json.Marshal([]any{target, s.serving.generation, s.fed.Spec.Exposure.Clients})
	if err != nil {
		return fmt.Errorf("encoding what the server is asked for: %w", err)
	}
	inputs, last := string(encoded), r.proofs.get(s.fed.UID)
	if last.asking != inputs { // it says nothing of this server
		r.proofs.forget(s.fed.UID)
	} else if last.good || r.untilProof(s.fed) > 0 {
		return nil
	}
	if s.publishedAll || !waitsForServer(s.fed) || !r.proofs.begin(s.fed.UID, inputs) {
		return nil
	}
	fed := s.fed.DeepCopy()
	r.aside(fed, func(ctx context.Context) {
		proof := r.Inbound.Serves(ctx, target)
		proof.Served = append(proof.Served, clientServices(fed, proof.Served)...)
		r.proofs.end(fed.UID, proof, proof.Missing == "", inputs, r.Now())
	})
	return nil
}

// untilProof is how long it is until the pods are asked again; zero if they may be asked now.
func (r *FederationReconciler) untilProof(fed *v1alpha1.Federation) time.Duration {
	last := r.proofs.get(fed.UID)
	if last.inputs == "" || last.running || last.good {
		return 0
	}
	return last.left(fed.Spec.Verification.Interval.Duration, r.Now())
}

// proofTarget is what the pods are asked for: the same as partners ask for, at the ports of the pods.
func proofTarget(s *scope) check.InboundTarget {
	target := check.InboundTarget{
		Domains: desired.AddressableDomains(s.fed), Hostname: desired.Hostname(s.fed),
		Port: uint16(engine.PortNumberS2S), Through: s.serving.pods,
	}
	if s.fed.Spec.Exposure.DirectTLS != nil {
		target.DirectPort = uint16(engine.PortNumberS2STLS)
	}
	return target
}

// clientServices are the service records of clients that may lead to pods which serve servers: they are the same pods, whose
// configuration opens the ports, and which say that they run it.
func clientServices(fed *v1alpha1.Federation, served []string) []string {
	var names []string
	for _, name := range served {
		domain, found := strings.CutPrefix(name, dns.ServiceXMPPServer+".")
		if !found || fed.Spec.Exposure.Clients == nil {
			continue
		}
		names = append(names, dns.ServiceXMPPClient+"."+domain)
		if fed.Spec.Exposure.Clients.DirectTLS != nil {
			names = append(names, dns.ServiceXMPPSClient+"."+domain)
		}
	}
	return names
}

// servingPods are the pods of a server that runs what it should in all of them. Those that end take no new connections.
func servingPods(pods []corev1.Pod, running rollout) serving {
	found := serving{generation: running.String()}
	for _, pod := range pods {
		if address, err := netip.ParseAddr(pod.Status.PodIP); err == nil && pod.DeletionTimestamp.IsZero() {
			found.pods = append(found.pods, address)
		}
	}
	return found
}

// holdBack marks the units that are not to be claimed yet: those with a service record that the server has not proved. The
// addresses of the host wait for the first service record: partners try them where there is none, and a server that is to be
// taken over answers at the old ones.
func (r *FederationReconciler) holdBack(s *scope, wanted map[string][]dns.Unit) {
	if s.keeping {
		for _, units := range wanted {
			for i := range units {
				units[i].HeldOnly = true
			}
		}
		return
	}
	if !waitsForServer(s.fed) {
		return
	}
	served := r.proofs.get(s.fed.UID).result.Served
	leads := slices.ContainsFunc(s.before.Status.Records, isPublishedService)
	for _, units := range wanted {
		for i := range units {
			proved, all := countServed(units[i], served)
			units[i].HeldOnly = proved < all
			leads = leads || proved > 0
		}
	}
	if leads {
		return
	}
	for _, units := range wanted {
		for i := range units {
			units[i].HeldOnly = true
		}
	}
}

// countServed counts the service records of a unit, and those of them that the server has proved.
func countServed(unit dns.Unit, served []string) (proved, all int) {
	for _, set := range unit.Records {
		if set.Type != dns.TypeSRV {
			continue
		}
		all++
		if slices.Contains(served, dns.Display(set.Name)) {
			proved++
		}
	}
	return proved, all
}

func isPublishedService(record v1alpha1.RecordStatus) bool {
	return record.Type == dns.TypeName(dns.TypeSRV) && record.State == v1alpha1.RecordPublished
}

// advisable sorts the units of a zone that people write to. Nothing is owned there, so what was published according to status
// counts as held, and the administrator is asked for the rest once the server has proved itself.
func advisable(units []dns.Unit, records []v1alpha1.RecordStatus) (now, later []dns.Unit) {
	for _, unit := range units {
		held := slices.ContainsFunc(records, func(record v1alpha1.RecordStatus) bool {
			return record.State == v1alpha1.RecordPublished && slices.ContainsFunc(unit.Records, func(set dns.RRset) bool {
				return dns.Display(set.Name) == record.Name && set.TypeName() == record.Type
			})
		})
		if unit.HeldOnly && !held {
			later = append(later, unit)
			continue
		}
		unit.HeldOnly = false
		now = append(now, unit)
	}
	return now, later
}

// without leaves out the record sets with some keys.
func without(records []dns.RRset, keys []dns.Key) []dns.RRset {
	return slices.DeleteFunc(slices.Clone(records), func(set dns.RRset) bool { return slices.Contains(keys, set.Key()) })
}

// waiting says which records wait for the server; nil when none does. After is when to look again for other causes; zero: never.
func (r *FederationReconciler) waiting(s *scope, after time.Duration) error {
	if len(s.withheld) == 0 {
		return nil
	}
	names := make([]string, 0, len(s.withheld))
	for _, key := range s.withheld {
		names = append(names, key.String())
	}
	slices.Sort(names)
	why := ""
	if missing := r.proofs.get(s.fed.UID).result.Missing; missing != "" {
		why = missing + "; "
	}
	return outcome.Waiting(v1alpha1.ReasonWaitingForServer, sooner(after, r.untilProof(s.fed)),
		"not published before the server has answered for the domain: %s; %ssee condition %s, or set spec.dns.publicationPolicy to %s "+
			"to publish without a server", phrase.List(names, maxListed), why, v1alpha1.ConditionServerReady, v1alpha1.PublishImmediately)
}

// sooner is the sooner of two times to look again, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// withholds reports whether the service record of a domain waits for the server. What waits is no part of the way in.
func (s *scope) withholds(service, domain string) bool {
	return slices.Contains(s.withheld, dns.SRVRecord(service, domain, 0).Key())
}

// publishedInPart reports whether nothing is wrong in the DNS, and some domain is found there, though others wait for the server.
func (s *scope) publishedInPart() bool {
	failed := s.findings[v1alpha1.ConditionDNSPublished].err
	return failed != nil && failed.Reason == v1alpha1.ReasonWaitingForServer &&
		slices.ContainsFunc(desired.AddressableDomains(s.fed), func(domain string) bool {
			return !s.withholds(dns.ServiceXMPPServer, domain)
		})
}
