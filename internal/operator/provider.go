// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/cloudflare"
	"github.com/xmppfed/xmppfed/internal/dns/dnsendpoint"
	"github.com/xmppfed/xmppfed/internal/dns/manual"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
	"github.com/xmppfed/xmppfed/internal/dns/route53"
	"github.com/xmppfed/xmppfed/internal/dns/webhook"
)

// newZoneProvider makes providers. The name servers of zones that are not written to at their primary are found through
// resolvers. DNSEndpoints are written to the namespace with direct, which does not cache.
func newZoneProvider(resolvers []string, direct client.Client, namespace string) controllers.NewZoneProvider {
	limits := limiters{}
	return func(spec v1alpha1.DNSZoneSpec, secrets controllers.ZoneSecrets) (controllers.ZoneProvider, error) {
		if spec.Provider.RFC2136 != nil {
			return newRFC2136(spec, secrets, namespace)
		}
		reader, err := public.New(public.Config{Zone: string(spec.Zone), Resolvers: resolvers})
		if err != nil {
			return nil, err
		}
		switch p := spec.Provider; {
		case p.Manual != nil:
			return manual.New(reader), nil
		case p.DNSEndpoint != nil:
			return dnsendpoint.New(dnsendpoint.Config{
				Reader: reader, Client: direct, Namespace: namespace, FieldOwner: apply.FieldOwner, Now: time.Now,
				BareTargets: p.DNSEndpoint.SRVTargets == v1alpha1.SRVTargetsBare,
			}), nil
		case p.Route53 != nil:
			return newRoute53(*p.Route53, reader, secrets, &limits)
		case p.Cloudflare != nil:
			token := strings.TrimSpace(secrets[p.Cloudflare.APITokenSecretRef])
			return cloudflare.New(cloudflare.Config{
				Reader: reader, ZoneID: p.Cloudflare.ZoneID, APIToken: token,
				Limiter: limits.of("cloudflare "+token, cloudflare.NewLimiter),
			})
		default:
			return webhook.New(webhook.Config{
				URL: p.Webhook.URL, Reader: reader, BareTargets: p.Webhook.SRVTargets == v1alpha1.SRVTargetsBare,
			})
		}
	}
}

// newRFC2136 makes do with one of two keys when the secret of the other is missing or can't be read. The Secrets lie in the
// namespace.
func newRFC2136(spec v1alpha1.DNSZoneSpec, secrets controllers.ZoneSecrets, namespace string) (controllers.ZoneProvider, error) {
	provider := spec.Provider.RFC2136
	servers := make([]string, 0, len(provider.Servers))
	for _, address := range provider.Servers {
		servers = append(servers, string(address))
	}
	with := func(field string, key *v1alpha1.TSIGKey) (*rfc2136.Client, error) {
		if key == nil || provider.PreviousTSIG != nil && secrets[key.SecretRef] == "" {
			return nil, nil
		}
		c, err := rfc2136.New(rfc2136.Config{
			Zone: string(spec.Zone), Servers: servers, KeyName: key.KeyName, Algorithm: key.Algorithm, Secret: secrets[key.SecretRef],
		})
		if err != nil {
			return nil, unusableKey(spec.Zone, field, key.SecretRef, namespace, err)
		}
		return c, nil
	}
	newer, newerUnusable := with("tsig", &provider.TSIG)
	previous, previousUnusable := with("previousTSIG", provider.PreviousTSIG)
	switch {
	case newer != nil && previous != nil:
		return rfc2136.NewRotation(newer, previous), nil
	case newer != nil:
		return rfc2136.Single{Client: newer, Newer: true, Other: previousUnusable}, nil
	case previous != nil:
		return rfc2136.Single{Client: previous, Other: newerUnusable}, nil
	default:
		return nil, cmp.Or(newerUnusable, previousUnusable)
	}
}

// unusableKey names the key at fault. Of what admission lets pass only its secret can be wrong.
func unusableKey(zone v1alpha1.DomainName, field string, ref v1alpha1.SecretKey, namespace string, err error) error {
	return &dns.Error{
		Reason: v1alpha1.ReasonTSIGBadSignature, Permanent: true,
		Message: fmt.Sprintf("spec.provider.rfc2136.%s of the DNSZone for %s can't be used: %v; the platform team has to correct it, "+
			"or key %s of Secret %s/%s", field, zone, err, ref.Key, namespace, ref.Name),
	}
}

func newRoute53(p v1alpha1.Route53Provider, reader *public.Reader, secrets controllers.ZoneSecrets, limits *limiters) (
	controllers.ZoneProvider, error,
) {
	cfg := route53.Config{Reader: reader, HostedZoneID: p.HostedZoneID, Region: p.Region, Endpoint: p.Endpoint}
	if p.AccessKeyIDSecretRef != nil && p.SecretAccessKeySecretRef != nil {
		cfg.AccessKeyID = strings.TrimSpace(secrets[*p.AccessKeyIDSecretRef])
		cfg.SecretAccessKey = strings.TrimSpace(secrets[*p.SecretAccessKeySecretRef])
	}
	// Without an access key it is the account of the operator's pod.
	cfg.Limiter = limits.of("route53 "+cfg.AccessKeyID, route53.NewLimiter)
	return route53.New(cfg)
}
