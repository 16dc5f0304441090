// SPDX-License-Identifier: Apache-2.0

// Package manual is the provider of zones that only people write to. It reads what the world sees, so that what is missing
// can be told, and noticed when it is there.
package manual

import (
	"context"
	"fmt"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// Provider of one zone. Several goroutines may use it at once.
type Provider struct{ *public.Reader }

// New provider of the zone that the reader reads.
func New(reader *public.Reader) Provider { return Provider{reader} }

// Capabilities are none: people write.
func (Provider) Capabilities() dns.Capabilities { return dns.Capabilities{} }

// Probe finds out whether one of the zone's name servers answers.
func (p Provider) Probe(ctx context.Context) error {
	_, err := p.Zone(ctx)
	return err
}

// Apply refuses: people write.
func (p Provider) Apply(context.Context, dns.Change) error {
	return &dns.Error{
		Reason:    v1alpha1.ReasonRecordsToCreate,
		Message:   fmt.Sprintf("the operator does not write to zone %s (provider manual); its administrator does", dns.Display(p.Apex())),
		Permanent: true,
	}
}

var _ dns.Provider = Provider{}
