// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

const (
	defaultTimeout = 10 * time.Second
	defaultBackoff = 5 * time.Second
	// attempts at a request that Route 53 throttles: an account has five requests per second, whoever makes them.
	attempts = 5
	// requestRate of an account, per second
	// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests).
	requestRate = 5
	// pageSize is as many record sets as Route 53 lists at a time.
	pageSize = 300
)

// Config of a Provider.
type Config struct {
	// Reader of the zone as the world sees it.
	Reader *public.Reader
	// HostedZoneID without "/hostedzone/"; empty to look for the account's only public hosted zone of that name.
	HostedZoneID string
	// Region of the API that signatures are for, us-east-1 in most partitions.
	Region string
	// AccessKeyID and SecretAccessKey; both empty for the default chain of the SDK: environment, web identity (IRSA), EKS pod
	// identity, instance role.
	AccessKeyID, SecretAccessKey string
	// Endpoint of the API; empty for the region's.
	Endpoint string
	// Timeout of one try of a request; zero means 10 seconds.
	Timeout time.Duration
	// Limiter of requests, shared by all providers of an account, see NewLimiter; nil for no limit.
	Limiter *rate.Limiter
	// Backoff is the longest pause between tries of a request that is throttled; zero means 5 seconds.
	Backoff time.Duration
}

// Provider writes to one hosted zone. Several goroutines may use it at once.
type Provider struct {
	reader   *public.Reader
	client   *sdk.Client
	endpoint string
	// impatient retries nothing but what is throttled, which was not carried out.
	impatient aws.Retryer

	// given is the ID of the hosted zone; empty to look for it.
	given string
	// found is the one that was looked for, until it turns out to be gone.
	found atomic.Pointer[string]
	// looking is held while it is looked for.
	looking sync.Mutex
}

// New checks the configuration. It contacts nobody.
func New(cfg Config) (*Provider, error) {
	if (cfg.AccessKeyID == "") != (cfg.SecretAccessKey == "") {
		return nil, errors.New("credentials: an access key has both an ID and a secret")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = defaultBackoff
	}
	settings, err := settings(cfg)
	if err != nil {
		return nil, &dns.Error{
			Reason: v1alpha1.ReasonCredentialsRejected,
			Message: fmt.Sprintf("the AWS configuration in the operator's environment, needed for zone %s, can't be read; the platform "+
				"team corrects it, or names a Secret with an access key in the DNSZone", dns.Display(cfg.Reader.Apex())),
			Permanent: true, Err: err,
		}
	}
	settings.Credentials = taggedCredentials{settings.Credentials}
	settings.HTTPClient = awshttp.NewBuildableClient().WithTimeout(cfg.Timeout)
	p := &Provider{reader: cfg.Reader, endpoint: cfg.Endpoint, given: cfg.HostedZoneID}
	p.client = sdk.NewFromConfig(settings, func(o *sdk.Options) {
		o.Retryer = retry.NewStandard(limits(cfg.Backoff))
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
		if cfg.Limiter != nil {
			o.APIOptions = append(o.APIOptions, paced(cfg.Limiter))
		}
	})
	p.impatient = retry.NewStandard(limits(cfg.Backoff), func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}}
	})
	return p, nil
}

// NewLimiter allows what an account may be asked, for all its zones together. Others may use the account, too.
func NewLimiter() *rate.Limiter { return rate.NewLimiter(requestRate, requestRate) }

// paced has each try of a request wait for its turn before it is signed.
func paced(limiter *rate.Limiter) func(*middleware.Stack) error {
	wait := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
		out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
	) {
		if err := dns.AwaitTurn(ctx, limiter); err != nil {
			return out, metadata, err
		}
		return next.HandleFinalize(ctx, in)
	}
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Pace", wait), (&retry.Attempt{}).ID(), middleware.After)
	}
}

// settings of the SDK. Given an access key it looks at nothing else; the operator's own environment is not the zone's.
func settings(cfg Config) (aws.Config, error) {
	if cfg.AccessKeyID == "" {
		return config.LoadDefaultConfig(context.Background(), config.WithRegion(cfg.Region))
	}
	return aws.Config{
		Region:      cfg.Region,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, "")),
	}, nil
}

func limits(backoff time.Duration) func(*retry.StandardOptions) {
	return func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, backoff }
}

// Apex of the zone.
func (p *Provider) Apex() string { return p.reader.Apex() }

// Capabilities are those of change batches.
func (p *Provider) Capabilities() dns.Capabilities {
	return dns.Capabilities{Writes: true, Prerequisites: true, Atomic: true}
}

// Zone is what the world sees of it.
func (p *Provider) Zone(ctx context.Context) (dns.Zone, error) { return p.reader.Zone(ctx) }

// Probe finds out whether the credentials lead to the hosted zone, and whether that is the right one.
func (p *Provider) Probe(ctx context.Context) error {
	id, err := p.zoneID(ctx)
	if err != nil {
		return err
	}
	out, err := p.client.GetHostedZone(ctx, &sdk.GetHostedZoneInput{Id: aws.String(id)})
	if err != nil {
		return p.failure(err, "route53:GetHostedZone")
	}
	switch name := dns.Canonical(aws.ToString(out.HostedZone.Name)); {
	case name != p.Apex():
		return p.wrongZone(fmt.Sprintf("hosted zone %s is zone %s and not %s", id, dns.Display(name), p.zoneName()))
	case private(*out.HostedZone):
		return p.wrongZone(fmt.Sprintf("hosted zone %s of %s is private, so that no partner can see it", id, p.zoneName()))
	}
	return nil
}

func private(zone types.HostedZone) bool { return zone.Config != nil && zone.Config.PrivateZone }

// zoneID looks the hosted zone up by its name, and again when there is none with that ID any more.
func (p *Provider) zoneID(ctx context.Context) (string, error) {
	if p.given != "" {
		return p.given, nil
	}
	p.looking.Lock()
	defer p.looking.Unlock()
	if id := p.found.Load(); id != nil {
		return *id, nil
	}
	out, err := p.client.ListHostedZonesByName(ctx, &sdk.ListHostedZonesByNameInput{DNSName: aws.String(p.Apex())})
	if err != nil {
		return "", p.failure(err, "route53:ListHostedZonesByName")
	}
	var ids []string
	for _, zone := range out.HostedZones {
		if dns.Canonical(aws.ToString(zone.Name)) == p.Apex() && !private(zone) {
			ids = append(ids, strings.TrimPrefix(aws.ToString(zone.Id), "/hostedzone/"))
		}
	}
	switch len(ids) {
	case 0:
		return "", p.wrongZone(fmt.Sprintf("the AWS account has no public hosted zone %s", p.zoneName()))
	case 1:
		p.found.Store(&ids[0])
		return ids[0], nil
	default:
		return "", p.wrongZone(fmt.Sprintf("the AWS account has several public hosted zones %s: %s", p.zoneName(), strings.Join(ids, ", ")))
	}
}

// Get reads record sets as they are at Route 53, whether its name servers have them yet or not.
func (p *Provider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	found, err := p.find(ctx, keys)
	if err != nil {
		return nil, err
	}
	var sets []dns.RRset
	for _, k := range keys {
		if set, ok := found.get(k); ok {
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// Apply sends the change as one batch.
func (p *Provider) Apply(ctx context.Context, change dns.Change) error {
	if err := change.CheckNames(p.Apex()); err != nil {
		return err
	}
	// What can be known not to fit needs no reading.
	if tooLarge(batch(change, nil)) {
		return dns.ErrTooLarge
	}
	keys := append(change.Conditions(), change.Drop...)
	for _, set := range change.Put {
		keys = append(keys, set.Key())
	}
	found, err := p.find(ctx, keys)
	if err != nil {
		return err
	}
	if !change.Holds(found.at(change.Conditions())) {
		return dns.ErrPrerequisite
	}
	changes := batch(change, found)
	if len(changes) == 0 {
		return nil
	}
	if tooLarge(changes) {
		return dns.ErrTooLarge
	}
	id, err := p.zoneID(ctx)
	if err != nil {
		return err
	}
	_, err = p.client.ChangeResourceRecordSets(ctx,
		&sdk.ChangeResourceRecordSetsInput{HostedZoneId: aws.String(id), ChangeBatch: &types.ChangeBatch{Changes: changes}},
		func(o *sdk.Options) { o.Retryer = p.impatient })
	if err != nil {
		return dns.Unsettled(p.failure(err, "route53:ChangeResourceRecordSets"))
	}
	return nil
}

var _ dns.Provider = (*Provider)(nil)
