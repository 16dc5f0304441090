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
	// Point has the server of domain, and of every name below it, be at address.
	Point(domain string, address netip.AddrPort)
}

// Account is a user of the server.
type Account struct{ Name, Password string }

// Target is a server under attack.
type Target struct {
	// Domain is served for federation and clients, Rooms is its room service.
	Domain, Rooms string
	// S2S and C2S are the addresses, with ports, for STARTTLS.
	S2S, C2S string
	// Bystander receives what the healthy partner sends, Attacker is the user whom attacks log in as.
	Bystander, Attacker Account
	// LaxPeer is a partner whose policy allows plaintext and dialback.
	LaxPeer string
	// Issue returns a certificate that the server trusts.
	Issue func(names ...string) tls.Certificate
	// Names is the DNS of the server.
	Names Names
	// Dropping is an address where packets get lost, the zero value if there is none.
	Dropping netip.AddrPort
	// Alive returns why the server is gone, or nil.
	Alive func() error
	// ResetPeak begins a new measurement of memory, Peak returns the most that was in use since, in bytes.
	ResetPeak func()
	Peak      func() int64
}

// Attack is something to do to a target. It returns an error if it could not be carried out, or if those whom the server
// has to serve in spite of it were not served; being refused or cut off is what it expects.
type Attack struct {
	Name string
	Do   func(ctx context.Context, target Target) error
	// Limit is how long it may take.
	Limit time.Duration
}
