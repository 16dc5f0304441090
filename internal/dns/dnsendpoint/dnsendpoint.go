// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"context"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// Client reads and writes objects at the API server itself, not in a cache.
type Client interface {
	client.Reader
	client.Writer
}

// Config of a Provider.
type Config struct {
	// Reader of the zone as the world sees it.
	Reader *public.Reader
	// Client for the objects, which stand in Namespace.
	Client    Client
	Namespace string
	// BareTargets writes the target of service records without its trailing dot, as ExternalDNS demands up to version 0.20.
	// Later ones demand the dot.
	BareTargets bool
	// FieldOwner of what is written.
	FieldOwner client.FieldOwner
	// Now is the clock.
	Now func() time.Time
}

// Provider hands the records of one zone over. Several goroutines may use it at once.
type Provider struct {
	Config
}

// New provider. It contacts nobody.
func New(cfg Config) *Provider { return &Provider{cfg} }

// Apex of the zone.
func (p *Provider) Apex() string { return p.Reader.Apex() }

// Capabilities are few: a record of somebody else is looked for right before records are handed over, and a change takes
// several objects.
func (p *Provider) Capabilities() dns.Capabilities { return dns.Capabilities{Writes: true} }

// Zone is what the world sees of it.
func (p *Provider) Zone(ctx context.Context) (dns.Zone, error) { return p.Reader.Zone(ctx) }

// Probe finds out whether there are DNSEndpoints in the cluster, the operator has rights on them, and the zone's name
// servers answer. It also forgets what was handed over once and is gone.
func (p *Provider) Probe(ctx context.Context) error {
	if err := p.forget(ctx); err != nil {
		return err
	}
	_, err := p.Zone(ctx)
	return err
}

// Get reads what is handed over, and for everything else what the world sees. What it sees only because it was handed over
// once is left out.
func (p *Provider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	objects, err := p.read(ctx, keys)
	if err != nil {
		return nil, err
	}
	return p.view(ctx, objects, keys)
}

func (p *Provider) view(ctx context.Context, objects map[string]object, keys []dns.Key) ([]dns.RRset, error) {
	var sets []dns.RRset
	var others []dns.Key
	for _, k := range keys {
		set, found := objects[placeOf(k)].get(k, p.BareTargets)
		ownership, _ := dns.Ownership(k)
		switch {
		case found:
			sets = append(sets, set)
		case !ownership:
			others = append(others, k)
		}
	}
	if len(others) == 0 {
		return sets, nil
	}
	seen, err := p.Reader.Get(ctx, others...)
	for _, set := range seen {
		if !objects[placeOf(set.Key())].had(set) {
			sets = append(sets, set)
		}
	}
	return sets, err
}

// read the objects of record sets, by name.
func (p *Provider) read(ctx context.Context, keys []dns.Key) (map[string]object, error) {
	objects := map[string]object{}
	for _, k := range keys {
		name := placeOf(k)
		if _, done := objects[name]; done {
			continue
		}
		o := newObject(p.Namespace, name)
		err := p.Client.Get(ctx, client.ObjectKeyFromObject(o), o.Unstructured)
		switch {
		case apierrors.IsNotFound(err) && !noKind(err):
			o = newObject(p.Namespace, name)
		case err != nil:
			return nil, p.failure(ctx, err, name)
		}
		objects[name] = o
	}
	return objects, nil
}

// madeUp tells whether a record set that the world sees is made up from a wildcard (RFC 4592), which owns nothing.
func (p *Provider) madeUp(ctx context.Context, set dns.RRset) (bool, error) {
	var wildcards []dns.Key
	for name := set.Name; name != p.Apex() && dns.InZone(name, p.Apex()); {
		_, name, _ = strings.Cut(name, ".")
		wildcards = append(wildcards, dns.Key{Name: "*." + name, Type: set.Type})
	}
	found, err := p.Reader.Get(ctx, wildcards...)
	return slices.ContainsFunc(found, func(w dns.RRset) bool {
		w.Name = set.Name
		return w.SameData(set)
	}), err
}

var _ dns.Delegate = (*Provider)(nil)
