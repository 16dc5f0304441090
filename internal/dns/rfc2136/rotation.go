// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"context"
	"sync/atomic"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Rotation is a Client whose key is being changed: while the server does not accept the new key, or does not let it update,
// the previous one serves. So server and operator may get the new key, and lose the old one, in any order.
type Rotation struct {
	newer, previous *Client
	// unknown tells that the server did not accept the new key when it was probed, refused that it did not let it update.
	unknown, refused atomic.Bool
}

// NewRotation of two Clients for the same zone.
func NewRotation(newer, previous *Client) *Rotation {
	return &Rotation{newer: newer, previous: previous}
}

// current is the Client in use.
func (r *Rotation) current() *Client {
	if r.unknown.Load() || r.refused.Load() {
		return r.previous
	}
	return r.newer
}

// Rotated tells that the server accepts the new key, as far as it was asked.
func (r *Rotation) Rotated() bool { return r.current() == r.newer }

// Apex of the zone.
func (r *Rotation) Apex() string { return r.newer.Apex() }

// Capabilities are those of the Client in use.
func (r *Rotation) Capabilities() dns.Capabilities { return r.current().Capabilities() }

// Probe finds out which key the server accepts. When it accepts neither, the error is that of the new one.
func (r *Rotation) Probe(ctx context.Context) error {
	err := r.newer.Probe(ctx)
	if !keyTrouble(err) {
		r.unknown.Store(false)
		return err
	}
	if r.previous.Probe(ctx) != nil {
		return err
	}
	r.unknown.Store(true)
	return nil
}

// Serial returns the serial number of the zone that the last probe saw.
func (r *Rotation) Serial() (serial uint32, known bool) { return r.current().Serial() }

// Zone asks the primary for the zone's start of authority and name servers.
func (r *Rotation) Zone(ctx context.Context) (zone dns.Zone, err error) {
	err = r.with(func(c *Client) error {
		zone, err = c.Zone(ctx)
		return err
	})
	return zone, err
}

// Get asks the primary for record sets.
func (r *Rotation) Get(ctx context.Context, keys ...dns.Key) (sets []dns.RRset, err error) {
	err = r.with(func(c *Client) error {
		sets, err = c.Get(ctx, keys...)
		return err
	})
	return sets, err
}

// Apply sends the change as one update message. One that was refused for the key's sake has changed nothing, so it may be
// sent again with the other.
func (r *Rotation) Apply(ctx context.Context, change dns.Change) error {
	if r.unknown.Load() {
		return r.with(func(c *Client) error { return c.Apply(ctx, change) })
	}
	err := r.newer.Apply(ctx, change)
	if !keyTrouble(err) && !has(err, v1alpha1.ReasonUpdateRefused) {
		r.refused.Store(false)
		return err
	}
	if again := r.previous.Apply(ctx, change); !keyTrouble(again) && !has(again, v1alpha1.ReasonUpdateRefused) {
		r.refused.Store(true)
		return again
	}
	return err
}

// with asks with the key in use, and with the other one should the server have changed its mind. The error is that of the
// key in use.
func (r *Rotation) with(ask func(*Client) error) error {
	other := r.previous
	if r.current() == r.previous {
		other = r.newer
	}
	err := ask(r.current())
	if !keyTrouble(err) {
		return err
	}
	if again := ask(other); !keyTrouble(again) {
		return again
	}
	return err
}

// keyTrouble tells that the server does not accept the key.
func keyTrouble(err error) bool {
	return has(err, v1alpha1.ReasonTSIGKeyUnknown) || has(err, v1alpha1.ReasonTSIGBadSignature)
}

func has(err error, reason string) bool {
	e, ok := dns.AsError(err)
	return ok && e.Reason == reason
}

// OtherUnusable is nil: there are Clients with both keys.
func (r *Rotation) OtherUnusable() error { return nil }

// Single is a Client without one to fall back on: with the newer of two keys, or with the previous one while there is no
// secret of the newer that can be used.
type Single struct {
	*Client
	Newer bool
	// Other says why the other key can't be used; nil when there is none, or no secret of it.
	Other error
}

// Rotated tells that the newer key is in use.
func (s Single) Rotated() bool { return s.Newer }

// OtherUnusable says why the other key can't be used.
func (s Single) OtherUnusable() error { return s.Other }

var _ dns.Provider = (*Rotation)(nil)
