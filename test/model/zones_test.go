// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

// What name servers and partners do.

// goodKey is the TSIG secret that the servers know.
const goodKey = "c2VjcmV0IG9mIHRoZXNlIHRlc3Rz"

func keySecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "fed-tsig"}, Data: map[string][]byte{"secret": []byte(goodKey)},
	}
}

func dnsZone(apex string) *v1alpha1.DNSZone {
	return &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: zoneName(apex)},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: v1alpha1.DomainName(apex),
			Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				Servers: []v1alpha1.ServerAddress{"203.0.113.53:53"},
				TSIG: v1alpha1.TSIGKey{KeyName: "fed-key", SecretRef: v1alpha1.SecretKey{
					SecretName: v1alpha1.SecretName{Name: "fed-tsig"}, Key: "secret",
				}},
			}},
			Namespaces: &v1alpha1.AllowedNamespaces{
				From:     v1alpha1.NamespacesSelector,
				Selector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{labelAllowed: "true"}},
			},
			// The model deletes as many Federations at once as it likes.
			Brake: v1alpha1.RemovalBrake{Percent: 100},
		},
	}
}

// provider writes to a zone during one life of the operator.
type provider struct {
	dns.Provider
	life   *life
	key    string
	serial atomic.Uint32
}

func (w *world) newProvider(l *life) controllers.NewZoneProvider {
	return func(spec v1alpha1.DNSZoneSpec, secrets controllers.ZoneSecrets) (controllers.ZoneProvider, error) {
		key := secrets[spec.Provider.RFC2136.TSIG.SecretRef]
		return &provider{Provider: w.zones[string(spec.Zone)], life: l, key: key}, nil
	}
}

// authorized is how a server answers requests that are signed by the wrong key.
func (p *provider) authorized() error {
	if p.life.dead.Load() {
		return errKilled
	}
	if p.key != goodKey {
		return &dns.Error{Reason: v1alpha1.ReasonTSIGBadSignature, Message: "the signature does not fit", Permanent: true}
	}
	return nil
}

// Probe implements controllers.ZoneProvider.
func (p *provider) Probe(ctx context.Context) error {
	zone, err := p.Zone(ctx)
	if err == nil {
		p.serial.Store(zone.Serial)
	}
	return err
}

// Serial returns the serial number that the last probe saw.
func (p *provider) Serial() (uint32, bool) { return p.serial.Load(), p.serial.Load() > 0 }

func (p *provider) Zone(ctx context.Context) (dns.Zone, error) {
	if err := p.authorized(); err != nil {
		return dns.Zone{}, err
	}
	return p.Provider.Zone(ctx)
}

func (p *provider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	if err := p.authorized(); err != nil {
		return nil, err
	}
	return p.Provider.Get(ctx, keys...)
}

// Apply may be the last thing that the operator does: it dies right before or right after the change.
func (p *provider) Apply(ctx context.Context, change dns.Change) error {
	if err := p.authorized(); err != nil {
		return err
	}
	if err := p.life.burn(); err != nil {
		return err
	}
	return p.Provider.Apply(ctx, change)
}

// Check implements controllers.Verifier: the only name server of a zone is its primary.
func (w *world) Check(ctx context.Context, p dns.Provider, want []dns.RRset, gone []dns.Key) (verify.Report, error) {
	var asked []dns.Key
	for _, set := range want {
		asked = append(asked, set.Key())
	}
	asked = append(asked, gone...)
	sets, err := w.zones[trimDot(p.Apex())].Get(ctx, asked...)
	if err != nil {
		return verify.Report{}, err
	}
	pending := slices.DeleteFunc(slices.Clone(want), func(wanted dns.RRset) bool {
		return slices.ContainsFunc(sets, func(set dns.RRset) bool { return set.Key() == wanted.Key() && set.SameData(wanted) })
	})
	report := verify.NewReport([]verify.Server{{Name: "ns1." + p.Apex(), Pending: keysOf(pending)}}, asked)
	if len(pending) > 0 {
		return report, &dns.Error{Reason: v1alpha1.ReasonPropagationPending, Message: "ns1 does not serve " + pending[0].Key().String() + " yet"}
	}
	return report, nil
}

// Signed implements controllers.Verifier.
func (w *world) Signed(context.Context, dns.Provider, []string, time.Time) (string, error) {
	return "the zone is not signed", nil
}

// serials implements controllers.SerialReader.
type serials struct{ *world }

func (s serials) Serials(ctx context.Context, p dns.Provider, _ uint32) (uint32, []v1alpha1.NameServerStatus, error) {
	zone, err := s.zones[trimDot(p.Apex())].Zone(ctx)
	return zone.Serial, nil, err
}

// Inbound implements controllers.InboundChecker: partners reach what the zones lead to, if a server is there.
func (w *world) Inbound(_ context.Context, target check.InboundTarget) check.Verdict {
	for _, domain := range target.Domains {
		if why := w.barred(domain); why != "" {
			return check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnreachable, Message: domain + ": " + why}
		}
	}
	return check.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: "partners reach it"}
}

// Access implements controllers.InboundChecker.
func (w *world) Access(_ context.Context, target check.AccessTarget) check.Access {
	var access check.Access
	for _, domain := range target.Domains {
		if why := w.barred(domain); why != "" {
			access.Barred = append(access.Barred, check.Barred{Domain: domain, Why: why})
			continue
		}
		access.Reached = append(access.Reached, domain)
	}
	return access
}

// Serves implements controllers.InboundChecker: servers that run serve what they are configured for.
func (w *world) Serves(_ context.Context, target check.InboundTarget) check.Proof {
	var proof check.Proof
	for _, domain := range target.Domains {
		proof.Served = append(proof.Served, dns.Display(dns.SRVRecord(dns.ServiceXMPPServer, domain, 0).Name))
	}
	slices.Sort(proof.Served)
	return proof
}

// barred says why partners don't reach a domain; empty if they do.
func (w *world) barred(domain string) string {
	service, exists := lookup(w.zones[apexOf(domain)], dns.SRVRecord(dns.ServiceXMPPServer, domain, 0).Key())
	if !exists {
		return "there is no service record"
	}
	host := hostOf(service)
	if apexOf(host) == "" {
		return "the service record leads elsewhere"
	}
	if _, exists := lookup(w.zones[apexOf(host)], dns.Key{Name: dns.Canonical(host), Type: dns.TypeA}); !exists {
		return host + " has no address"
	}
	return ""
}

func keysOf(sets []dns.RRset) []dns.Key {
	keys := make([]dns.Key, 0, len(sets))
	for _, set := range sets {
		keys = append(keys, set.Key())
	}
	return keys
}

func address(name string, ttl uint32, data string) dns.RRset {
	return dns.AddressRecords(name, ttl, []netip.Addr{netip.MustParseAddr(data)})[0]
}
