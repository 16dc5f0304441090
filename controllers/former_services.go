// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// The server goes on serving a domain, and the Service keeps a port open, as long as a service record leads there: until every
// authoritative server has let go of it, and then for as long as resolvers may have it cached.

// servicesOf are the services by the name of the port of the pods that their records lead to.
var servicesOf = map[string]string{
	engine.PortS2S: dns.ServiceXMPPServer, engine.PortS2STLS: dns.ServiceXMPPSServer,
	engine.PortC2S: dns.ServiceXMPPClient, engine.PortC2STLS: dns.ServiceXMPPSClient,
}

// formerService is a service record of status that the spec does not want.
type formerService struct {
	// target is the name of the pods' port.
	target, domain string
	port, ttl      int32
}

// standingServices returns the service records that status lists, those included that people still have to remove.
func standingServices(status *v1alpha1.FederationStatus) []formerService {
	var all []formerService
	for _, record := range status.Records {
		for target, service := range servicesOf {
			domain, found := strings.CutPrefix(record.Name, service+".")
			if !found || record.Type != dns.TypeName(dns.TypeSRV) {
				continue
			}
			for _, data := range record.Data {
				one := formerService{target: target, domain: domain, ttl: record.TTL}
				var priority, weight int32
				if _, err := fmt.Sscan(data, &priority, &weight, &one.port); err == nil {
					all = append(all, one)
				}
			}
		}
	}
	return all
}

// formerDomains returns the domains that are served though the spec does not want them: those of status whose time is not over, and
// those of its service records, of which it is not known yet what kind they are.
func formerDomains(status *v1alpha1.FederationStatus, wanted []string, now time.Time) []v1alpha1.FormerDomain {
	var all []v1alpha1.FormerDomain
	for _, former := range status.FormerDomains {
		if former.Until = within(former.Until, former.TTL, now); !over(former.Until, now) {
			all = append(all, former)
		}
	}
	standing := standingServices(status)
	slices.SortFunc(standing, func(a, b formerService) int { return strings.Compare(a.domain, b.domain) })
	for _, service := range standing {
		all = addFormer(all, v1alpha1.FormerDomain{Domain: service.domain, TTL: service.ttl})
	}
	return slices.DeleteFunc(all, func(former v1alpha1.FormerDomain) bool { return slices.Contains(wanted, former.Domain) })
}

// addFormer adds a domain that is not among the others yet.
func addFormer(all []v1alpha1.FormerDomain, one v1alpha1.FormerDomain) []v1alpha1.FormerDomain {
	if slices.ContainsFunc(all, func(other v1alpha1.FormerDomain) bool { return other.Domain == one.Domain }) {
		return all
	}
	return append(all, one)
}

// formerPorts returns the public ports that stay open though the spec does not want them. A number that the spec wants for another
// purpose is not kept.
func formerPorts(status *v1alpha1.FederationStatus, wanted map[string]int32, now time.Time) []v1alpha1.FormerPort {
	var all []v1alpha1.FormerPort
	add := func(port v1alpha1.FormerPort) {
		for _, number := range wanted {
			if number == port.Port {
				return
			}
		}
		if !slices.ContainsFunc(all, func(other v1alpha1.FormerPort) bool { return other.Port == port.Port }) {
			all = append(all, port)
		}
	}
	for _, former := range status.FormerPorts {
		if former.Until = within(former.Until, former.TTL, now); !over(former.Until, now) {
			add(former)
		}
	}
	standing := standingServices(status)
	slices.SortFunc(standing, func(a, b formerService) int { return int(a.port - b.port) })
	for _, service := range standing {
		add(v1alpha1.FormerPort{Port: service.port, Target: service.target, TTL: service.ttl})
	}
	return all[max(0, len(all)-v1alpha1.MaxFormerPorts):]
}

func over(until *metav1.Time, now time.Time) bool { return until != nil && !now.Before(until.Time) }

// within returns the end of a wait that is no longer than it may be from now on, whatever the clock said when it began.
func within(until *metav1.Time, ttl int32, now time.Time) *metav1.Time {
	if latest := endOf(ttl, now); until != nil && latest.Before(until) {
		return &latest
	}
	return until
}

// endOf is when a time that begins now is over. Status keeps whole seconds, so the next one.
func endOf(ttl int32, now time.Time) metav1.Time {
	return metav1.NewTime(now.Add(time.Second).Truncate(time.Second).Add(time.Duration(ttl) * time.Second))
}

// noteFormer writes to status what is served besides what the spec wants. It comes before the first change, so that nothing is
// forgotten.
func (r *FederationReconciler) noteFormer(s *scope) {
	status := &s.fed.Status
	status.FormerPorts = formerPorts(status, desired.PublicPorts(s.fed), r.Now())
	all := formerDomains(status, desired.AddressableDomains(s.fed), r.Now())
	status.FormerDomains = all[max(0, len(all)-v1alpha1.MaxFormerDomains):]
}

// keepOpen drops the former ports that the public Service as it stands does not have: nothing was led there.
func (r *FederationReconciler) keepOpen(ctx context.Context, s *scope) error {
	if len(s.fed.Status.FormerPorts) == 0 {
		return nil
	}
	var service corev1.Service
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.PublicServiceName(s.fed)}
	if err := r.Reader.Get(ctx, key, &service); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Service %s: %w", key, err)
	}
	if open := portsOf(&service); metav1.IsControlledBy(&service, s.fed) {
		s.fed.Status.FormerPorts = slices.DeleteFunc(s.fed.Status.FormerPorts, func(former v1alpha1.FormerPort) bool {
			return !slices.Contains(open, former.Port)
		})
	}
	return nil
}

// nameFormer corrects that by what the server is configured for: which former domains are group chats, where status was lost, which
// there are, and which were never served.
func (s *scope) nameFormer() {
	users, rooms := listedIn(&s.mountedConfig, desired.AnnotationDomains), listedIn(&s.mountedConfig, desired.AnnotationGroupChats)
	status, wanted := &s.fed.Status, desired.AddressableDomains(s.fed)
	if lost := s.before.Status.ObservedGeneration == 0; lost {
		for _, domain := range slices.Concat(users, rooms) {
			if !slices.Contains(wanted, domain) && len(status.FormerDomains) < v1alpha1.MaxFormerDomains {
				status.FormerDomains = addFormer(status.FormerDomains, v1alpha1.FormerDomain{Domain: domain, TTL: s.fed.Spec.DNS.TTL})
			}
		}
	}
	if _, told := s.mountedConfig.Annotations[desired.AnnotationDomains]; told {
		status.FormerDomains = slices.DeleteFunc(status.FormerDomains, func(former v1alpha1.FormerDomain) bool {
			return !slices.Contains(users, former.Domain) && !slices.Contains(rooms, former.Domain)
		})
	}
	for i := range status.FormerDomains {
		former := &status.FormerDomains[i]
		former.GroupChat = former.GroupChat || slices.Contains(rooms, former.Domain)
	}
}

// listedIn returns the names in an annotation.
func listedIn(config *corev1.ConfigMap, annotation string) []string {
	return strings.FieldsFunc(config.Annotations[annotation], func(c rune) bool { return c == ',' })
}

// formerKeys returns the service records in a zone that no name server may serve any more before the time of what they lead to
// begins, unless another owner has the name by then.
func (s *scope) formerKeys(apex string, want []dns.RRset) []dns.Key {
	var keys []dns.Key
	add := func(service, domain string) {
		key := dns.SRVRecord(service, domain, 0).Key()
		if holds(s.fed, apex, dns.Display(key.Name)) && !slices.Contains(keysOf(want), key) {
			keys = append(keys, key)
		}
	}
	for _, former := range s.fed.Status.FormerDomains {
		for _, service := range servicesOf {
			if former.Until == nil {
				add(service, former.Domain)
			}
		}
	}
	for _, former := range s.fed.Status.FormerPorts {
		for _, domain := range desired.AddressableDomains(s.fed) {
			if former.Until == nil {
				add(servicesOf[former.Target], domain)
			}
		}
	}
	return keys
}

// endFormer begins the time that former domains and ports still have, where it has not begun yet: no authoritative server has
// service records that lead to them. Soonest is when the first of them goes; zero: none is left.
func endFormer(status *v1alpha1.FederationStatus, now time.Time) (soonest time.Duration) {
	end := func(until *metav1.Time, ttl int32) *metav1.Time {
		if until == nil {
			latest := endOf(ttl, now)
			until = &latest
		}
		if left := until.Sub(now); soonest == 0 || left < soonest {
			soonest = left
		}
		return until
	}
	for i := range status.FormerDomains {
		status.FormerDomains[i].Until = end(status.FormerDomains[i].Until, status.FormerDomains[i].TTL)
	}
	for i := range status.FormerPorts {
		status.FormerPorts[i].Until = end(status.FormerPorts[i].Until, status.FormerPorts[i].TTL)
	}
	return soonest
}
