// SPDX-License-Identifier: Apache-2.0

// Package hostile plays strangers, partners, users and crowds that want an XMPP server down, and a healthy partner beside
// them whose messages are measured. It knows nothing of the server's software: an engine's tests start the server in its
// real memory limit, describe it as a [Target] and call [Run].
package hostile

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"
)

// Names is the DNS that the server under attack sees.
type Names interface {
	// Point has the servers of domains be at address.
	Point(address netip.AddrPort, domains ...string) error
}

// Account is a user of the server.
type Account struct{ Name, Password string }

// Target is a server under attack.
type Target struct {
	// Domain is served for federation and clients, Rooms is its room service.
	Domain, Rooms string
	// S2S and C2S are the addresses, with ports, for STARTTLS, S2STLS is the one for direct TLS (XEP-0368).
	S2S, C2S, S2STLS string
	// Addresses are the attackers' own: they listen at the first, and connect from all of them.
	Addresses []netip.Addr
	// Bystander receives what the healthy partner sends, Attacker is the user whom attacks log in as.
	Bystander, Attacker Account
	// Issue returns a certificate that the server trusts, Expired one that it would have trusted a minute ago.
	Issue, Expired func(names ...string) tls.Certificate
	// Names is the DNS of the server.
	Names Names
	// Dropping is an address where packets get lost, the zero value if there is none.
	Dropping netip.AddrPort
	// Alive returns why the server is gone, or nil.
	Alive func() error
	// Killed returns how often the kernel has ended the server for want of memory.
	Killed func() int
	// ResetPeak begins a new measurement of memory, Peak returns the most that was in use since, in bytes.
	ResetPeak func()
	Peak      func() int64
}

// Attack is something to do to a target.
type Attack struct {
	Name string
	// Do returns what came of it in a few words. It returns an error if the attack could not be carried out, if it was let in,
	// or if those whom the server has to serve in spite of it were not served; being refused or cut off is what it expects.
	Do func(ctx context.Context, target Target) (string, error)
	// Limit is how long it may take.
	Limit time.Duration
}
