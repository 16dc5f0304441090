// SPDX-License-Identifier: Apache-2.0

package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	"golang.org/x/time/rate"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

const (
	defaultEndpoint = "https://api.cloudflare.com/client/v4/"
	defaultTimeout  = 10 * time.Second
	// pageSize is how many records are listed at a time.
	pageSize = 1000
	// requestRate per second, after a burst, makes the 1,200 requests in five minutes that a user has
	// (https://developers.cloudflare.com/fundamentals/api/reference/limits/).
	requestRate  = 3
	requestBurst = 300
)

// Config of a Provider.
type Config struct {
	// Reader of the zone as the world sees it.
	Reader *public.Reader
	// ZoneID of the zone; empty to look for the only zone of that name that the token leads to.
	ZoneID string
	// APIToken with the permissions Zone.DNS Edit and Zone.Zone Read.
	APIToken string
	// Endpoint of the API; empty for Cloudflare's.
	Endpoint string
	// Limiter of requests, shared by all providers with the same token, see NewLimiter; nil for no limit.
	Limiter *rate.Limiter
	// Timeout of a request; zero means 10 seconds.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Provider writes to one zone. Several goroutines may use it at once.
type Provider struct {
	reader  *public.Reader
	records *sdk.RecordService
	zones   *zones.ZoneService

	// given is the ID of the zone; empty to look for it.
	given string
	// found is the one that was looked for, until it turns out to be gone.
	found atomic.Pointer[string]
	// looking is held while it is looked for.
	looking sync.Mutex
	// lists are shared between those who read.
	lists lists
}

// New checks the configuration. It contacts nobody.
func New(cfg Config) (*Provider, error) {
	if cfg.APIToken == "" || strings.ContainsAny(cfg.APIToken, " \t\r\n") {
		return nil, &dns.Error{
			Reason: v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("what the Secret holds is no API token of Cloudflare for zone %s; the platform team puts one there, "+
				"without anything around it", dns.Display(cfg.Reader.Apex())),
			Permanent: true,
		}
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = defaultEndpoint
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	options := []option.RequestOption{
		option.WithBaseURL(cfg.Endpoint), option.WithAPIToken(cfg.APIToken),
		option.WithHTTPClient(&http.Client{
			Timeout: cfg.Timeout,
			// A redirect would turn a request that writes into one that reads.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		// What is throttled may have to wait for minutes, and what changes something must not be sent twice blindly.
		option.WithMaxRetries(0),
	}
	if cfg.Limiter != nil {
		options = append(options, option.WithMiddleware(paced(cfg.Limiter)))
	}
	return &Provider{
		reader: cfg.Reader, records: sdk.NewRecordService(options...), zones: zones.NewZoneService(options...), given: cfg.ZoneID,
		lists: newLists(cfg),
	}, nil
}

// NewLimiter allows what a user may ask, for all zones together. Who asks for more gets no answers for five minutes.
func NewLimiter() *rate.Limiter { return rate.NewLimiter(requestRate, requestBurst) }

// paced has each request wait for its turn.
func paced(limiter *rate.Limiter) option.Middleware {
	return func(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		if err := dns.AwaitTurn(request.Context(), limiter); err != nil {
			return nil, err
		}
		return next(request)
	}
}

// Apex of the zone.
func (p *Provider) Apex() string { return p.reader.Apex() }

// Capabilities are those of batches.
func (p *Provider) Capabilities() dns.Capabilities {
	return dns.Capabilities{Writes: true, Atomic: true}
}

// Zone is what the world sees of it.
func (p *Provider) Zone(ctx context.Context) (dns.Zone, error) { return p.reader.Zone(ctx) }

// Probe finds out whether the token leads to the zone, and whether Cloudflare serves it.
func (p *Provider) Probe(ctx context.Context) error {
	id, err := p.zoneID(ctx)
	if err != nil {
		return err
	}
	params := zones.ZoneGetParams{}
	params.ZoneID.Value = id
	var status *http.Response
	zone, err := p.zones.Get(ctx, params, option.WithResponseInto(&status))
	if err != nil {
		return p.failure(err, status)
	}
	return p.checkZone(zone)
}

// checkZone refuses a zone that is another one, or that partners don't see.
func (p *Provider) checkZone(zone *zones.Zone) error {
	switch {
	case dns.Canonical(zone.Name) != p.Apex():
		return p.wrongZone(fmt.Sprintf("the zone with the ID given is %s and not %s", zone.Name, p.zoneName()))
	case zone.Type == zones.TypePartial || zone.Type == zones.TypeSecondary:
		return p.wrongZone(fmt.Sprintf("Cloudflare has zone %s as a %s zone, whose records are kept elsewhere", p.zoneName(), zone.Type))
	case zone.Status != zones.ZoneStatusActive:
		return p.notActive(zone)
	}
	return nil
}

// zoneID looks the zone up by its name, and again when there is none with that ID any more.
func (p *Provider) zoneID(ctx context.Context) (string, error) {
	if p.given != "" {
		return p.given, nil
	}
	p.looking.Lock()
	defer p.looking.Unlock()
	if id := p.found.Load(); id != nil {
		return *id, nil
	}
	params := zones.ZoneListParams{}
	params.Name.Value, params.Name.Present = p.zoneName(), true
	var status *http.Response
	page, err := p.zones.List(ctx, params, option.WithResponseInto(&status))
	if err != nil {
		return "", p.failure(err, status)
	}
	var ids []string
	for _, zone := range page.Result {
		if dns.Canonical(zone.Name) == p.Apex() {
			ids = append(ids, zone.ID)
		}
	}
	switch len(ids) {
	case 0:
		return "", p.wrongZone(fmt.Sprintf("the Cloudflare API token leads to no zone %s", p.zoneName()))
	case 1:
		p.found.Store(&ids[0])
		return ids[0], nil
	default:
		return "", p.wrongZone(fmt.Sprintf("the Cloudflare API token leads to several zones %s: %s", p.zoneName(), strings.Join(ids, ", ")))
	}
}

// Get picks record sets from the list of all, which may be some seconds old, see lists.
func (p *Provider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	list, err := p.lists.recent(ctx, p.list)
	if err != nil {
		return nil, err
	}
	var sets []dns.RRset
	for _, k := range keys {
		if set, ok := list.get(k); ok {
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// list all records, page by page. It returns the number of pages, too.
func (p *Provider) list(ctx context.Context) (found listing, pages int, err error) {
	id, err := p.zoneID(ctx)
	if err != nil {
		return nil, 0, err
	}
	params := sdk.RecordListParams{}
	params.ZoneID.Value = id
	params.PerPage.Value, params.PerPage.Present = pageSize, true
	found = listing{}
	for number := 1; ; number++ {
		var answer struct {
			Result     []record `json:"result"`
			ResultInfo struct {
				TotalPages int `json:"total_pages"`
			} `json:"result_info"`
		}
		var status *http.Response
		_, err := p.records.List(ctx, params, option.WithQuery("page", strconv.Itoa(number)),
			option.WithResponseBodyInto(&answer), option.WithResponseInto(&status))
		if err != nil {
			return nil, 0, p.failure(err, status)
		}
		for _, r := range answer.Result {
			found.add(r)
		}
		if number >= answer.ResultInfo.TotalPages {
			return found, number, nil
		}
	}
}

// Apply sends the change as one batch. Prerequisites are looked at right before.
func (p *Provider) Apply(ctx context.Context, change dns.Change) error {
	if err := p.checkPut(change); err != nil {
		return err
	}
	list, err := p.lists.newest(ctx, p.list)
	if err != nil {
		return err
	}
	if !change.Holds(list.at(change.Conditions())) {
		return dns.ErrPrerequisite
	}
	b := newBatch(change, list)
	if b.empty() {
		return nil
	}
	if len(b.Deletes)+len(b.Puts)+len(b.Posts) > maxBatch {
		return dns.ErrTooLarge
	}
	body, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encoding a batch: %w", err)
	}
	id, err := p.zoneID(ctx)
	if err != nil {
		return err
	}
	defer p.lists.outdate()
	params := sdk.RecordBatchParams{}
	params.ZoneID.Value = id
	var status *http.Response
	_, err = p.records.Batch(ctx, params, option.WithRequestBody("application/json", body), option.WithResponseInto(&status))
	if err != nil {
		return dns.Unsettled(p.failure(err, status))
	}
	return nil
}

var _ dns.Provider = (*Provider)(nil)
