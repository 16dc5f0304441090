// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
		if !p.has(o) || p.Now().Sub(old.Since) < rememberFor {
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
		if err := p.write(ctx, o, o.withoutFormer()); err != nil && !errors.Is(err, dns.ErrPrerequisite) {
			return err
		}
	}
	return nil
}

// has tells whether the object is about the zone.
func (p *Provider) has(o object) bool {
	return !slices.ContainsFunc(o.former().Endpoints, func(e endpoint) bool { return !dns.InZone(e.DNSName, p.Apex()) })
}
