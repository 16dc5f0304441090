// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// rememberFor is how long what was handed over is remembered at least, be it gone or not: name servers may lag behind
// each other, and ExternalDNS may write once more what it read before.
const rememberFor = time.Hour

// forget what was handed over once and is gone.
func (p *Provider) forget(ctx context.Context) error {
	var all unstructured.UnstructuredList
	all.SetGroupVersionKind(Kind)
	err := p.Client.List(ctx, &all, client.InNamespace(p.Namespace), client.MatchingLabels{labelFormer: "true"})
	if err != nil {
		return p.failure(ctx, err, "")
	}
	for i := range all.Items {
		o := object{&all.Items[i]}
		old := o.former()
		if !p.has(o) {
			continue
		}
		if since := clock.Past(old.Since, p.Now()); since != old.Since {
			if err := p.replace(ctx, o, o.formerSince(since)); err != nil {
				return err
			}
			continue
		}
		if clock.Left(old.Since, p.Now(), rememberFor) > 0 {
			continue
		}
		var keys []dns.Key
		for _, e := range old.Endpoints {
			keys = append(keys, e.key())
		}
		seen, err := p.Reader.Get(ctx, keys...)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(seen, o.had) {
			continue
		}
		if err := p.replace(ctx, o, o.withoutFormer()); err != nil {
			return err
		}
	}
	return nil
}

// replace an object unless somebody changed it meanwhile: then the next probe looks at it again.
func (p *Provider) replace(ctx context.Context, before, after object) error {
	if err := p.write(ctx, before, after); !errors.Is(err, dns.ErrPrerequisite) {
		return err
	}
	return nil
}

// has tells whether the object is about the zone.
func (p *Provider) has(o object) bool {
	return !slices.ContainsFunc(o.former().Endpoints, func(e endpoint) bool { return !dns.InZone(e.DNSName, p.Apex()) })
}
