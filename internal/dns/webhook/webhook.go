// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// defaultTimeout of a request; providers may have to page through the API of a DNS service.
const defaultTimeout = 30 * time.Second

// Config of a Provider.
type Config struct {
	// URL of the webhook, for example http://localhost:8888.
	URL string
	// Reader of the zone: the protocol tells nothing of name servers.
	Reader *public.Reader
	// BareTargets writes the target of service records without its trailing dot, as ExternalDNS did up to version 0.20.
	// Servers of that time list targets without dot whatever was written, and then don't know the record any more that is
	// to be updated. Later ones demand the dot.
	BareTargets bool
	// Timeout of a request; zero means 30 seconds.
	Timeout time.Duration
}

// Provider writes to one zone. Several goroutines may use it at once.
type Provider struct {
	reader *public.Reader
	url    *url.URL
	client *http.Client
	bare   bool

	mu sync.Mutex
	// adjusted are TTLs that the webhook has put in place of ours, see adjust.
	adjusted map[dns.Key]ttls
}

// ttls are what was wanted and what the webhook made of it.
type ttls struct{ wanted, adjusted uint32 }

// New checks the configuration. It contacts nobody.
func New(cfg Config) (*Provider, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("url: %q is not of the form http://host:port", cfg.URL)
	}
	if u.User != nil {
		return nil, errors.New("url: must not hold credentials; the protocol has none")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	client := &http.Client{
		Timeout: cfg.Timeout,
		// A redirect would turn a request that writes into one that reads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Provider{reader: cfg.Reader, url: u, client: client, bare: cfg.BareTargets, adjusted: map[dns.Key]ttls{}}, nil
}

// Apex of the zone.
func (p *Provider) Apex() string { return p.reader.Apex() }

// Capabilities are those of the protocol, which has neither prerequisites nor atomic changes.
func (p *Provider) Capabilities() dns.Capabilities { return dns.Capabilities{Writes: true} }

// Probe finds out whether the webhook answers and is for the zone.
func (p *Provider) Probe(ctx context.Context) error {
	var filter domainFilter
	if err := p.call(ctx, http.MethodGet, "/", nil, &filter); err != nil {
		return err
	}
	if filter.admits(p.Apex()) {
		return nil
	}
	return &dns.Error{
		Reason: v1alpha1.ReasonNotAuthoritative,
		Message: fmt.Sprintf("the webhook %s is not for zone %s: its domain filter leaves it out; whoever runs it adds the zone to the "+
			"filter, or correct the DNSZone", p.url, p.zoneName()),
		Permanent: true,
	}
}

// admits tells whether names of the zone pass. A filter by regular expressions says nothing about a zone.
func (f domainFilter) admits(apex string) bool {
	within := func(domain string) bool { return dns.InZone(apex, strings.TrimPrefix(domain, ".")) }
	include := slices.Concat(f.Include, f.Filters)
	return (len(include) == 0 || slices.ContainsFunc(include, within)) && !slices.ContainsFunc(f.Exclude, within)
}

// Zone is what the world sees of it.
func (p *Provider) Zone(ctx context.Context) (dns.Zone, error) { return p.reader.Zone(ctx) }

// Get picks record sets from the list of all.
func (p *Provider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	list, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	var sets []dns.RRset
	for _, k := range keys {
		if set, ok := list.get(k); ok {
			sets = append(sets, p.withWantedTTL(set))
		}
	}
	return sets, nil
}

func (p *Provider) list(ctx context.Context) (listing, error) {
	var all []endpoint
	if err := p.call(ctx, http.MethodGet, "/records", nil, &all); err != nil {
		return nil, err
	}
	return newListing(all), nil
}

// Apply carries out the change step by step. Prerequisites are looked at before the first.
func (p *Provider) Apply(ctx context.Context, change dns.Change) error {
	list, err := p.list(ctx)
	if err != nil {
		return err
	}
	if err := change.CheckNames(p.Apex()); err != nil {
		return err
	}
	var sets []dns.RRset
	for _, k := range change.Conditions() {
		if set, ok := list.get(k); ok {
			sets = append(sets, set)
		}
	}
	if !change.Holds(sets) {
		return dns.ErrPrerequisite
	}
	wanted, err := p.adjust(ctx, change.Put)
	if err != nil {
		return err
	}
	for _, step := range steps(change, list, wanted) {
		if err := p.call(ctx, http.MethodPost, "/records", step, nil); err != nil {
			return dns.Unsettled(err)
		}
	}
	return nil
}

// adjust lets the webhook say how it would have the record sets. It may change their TTL, which is noted so that what is
// read is not taken for drift; all else is ours to decide.
func (p *Provider) adjust(ctx context.Context, sets []dns.RRset) (map[dns.Key]endpoint, error) {
	out := map[dns.Key]endpoint{}
	if len(sets) == 0 {
		return out, nil
	}
	var ours, theirs []endpoint
	for _, set := range sets {
		ours = append(ours, toEndpoint(set, p.bare))
	}
	if err := p.call(ctx, http.MethodPost, "/adjustendpoints", ours, &theirs); err != nil {
		return nil, err
	}
	list := newListing(theirs)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, set := range sets {
		k := set.Key()
		got := list[k]
		if len(got) != 1 || !toSet(k, got).SameData(set) {
			return nil, p.unsupported(k)
		}
		out[k] = got[0]
		p.adjusted[k] = ttls{wanted: set.TTL, adjusted: uint32(got[0].RecordTTL)}
	}
	return out, nil
}

func (p *Provider) unsupported(k dns.Key) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonUpdateRejected,
		Message: fmt.Sprintf("the webhook %s of zone %s does not take %s as it is: it leaves it out or changes it; choose a provider that "+
			"supports %s records", p.url, p.zoneName(), k, dns.TypeName(k.Type)),
		Permanent: true,
		PerName:   true,
	}
}

// withWantedTTL undoes what the webhook did to the TTL.
func (p *Provider) withWantedTTL(set dns.RRset) dns.RRset {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.adjusted[set.Key()]; ok && t.adjusted == set.TTL {
		set.TTL = t.wanted
	}
	return set
}

// steps in which the change is sent, in the order of its stages.
func steps(change dns.Change, list listing, wanted map[dns.Key]endpoint) []changes {
	var stages [dns.Stages]changes
	for _, k := range change.Drop {
		s := &stages[change.DropStage(k)]
		s.Delete = append(s.Delete, list[k]...)
	}
	for _, set := range change.Put {
		k := set.Key()
		s := &stages[change.PutStage(k)]
		switch old := list[k]; len(old) {
		case 0:
			s.Create = append(s.Create, wanted[k])
		case 1:
			s.UpdateOld, s.UpdateNew = append(s.UpdateOld, old[0]), append(s.UpdateNew, wanted[k])
		default:
			s.Delete, s.Create = append(s.Delete, old...), append(s.Create, wanted[k])
		}
	}
	return slices.DeleteFunc(stages[:], changes.empty)
}

var _ dns.Provider = (*Provider)(nil)
