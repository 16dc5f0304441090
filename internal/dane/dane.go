// SPDX-License-Identifier: Apache-2.0

// Package dane decides for which keys TLSA records are published (RFC 6698, RFC 7673), and when a certificate with another
// key may be handed to the server: never before every resolver could know its record, so that at no moment a partner
// finds a certificate that no record matches (RFC 7671 section 8.1).
package dane

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/internal/clock"
)

// Key is the SHA-256 of the public key of the first certificate in a PEM chain, in hexadecimal: what a TLSA record 3 1 1
// holds. It is the same after a renewal with the same key. Empty: there is no certificate.
func Key(chain []byte) string {
	block, _ := pem.Decode(chain)
	if block == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Expired tells that the first certificate of a PEM chain is past its end, or none.
func Expired(chain []byte, now time.Time) bool {
	block, _ := pem.Decode(chain)
	if block == nil {
		return true
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err != nil || now.After(cert.NotAfter)
}

// State is what has to be remembered between decisions. Should it get lost, waiting begins anew.
type State struct {
	// Served is the key that the server was last known to use.
	Served string
	// Next is the key that waits to be handed over; empty: none.
	Next string
	// Since is when every authoritative server was seen to serve the record of Next; zero: not yet.
	Since time.Time
}

// Facts are what a decision is made by.
type Facts struct {
	// Best is the key of the newest good certificate, Handed that of the one that the server was given; empty: none.
	Best, Handed string
	// HandedExpired is set when the certificate that the server was given is past its end.
	HandedExpired bool
	// TTL is how long resolvers may have the records as they were.
	TTL time.Duration
	Now time.Time
}

// Decision is what to do.
type Decision struct {
	State
	// Keys to publish, sorted.
	Keys []string
	// Hold is set while the server has to go on with the certificate that it was given.
	Hold bool
	// After is when that ends; zero when it is not known.
	After time.Duration
}

// Decide what to publish and whether the newest certificate may be handed to the server. Nothing is held back when the
// server's certificate has expired: then everybody else refuses it.
func Decide(s State, f Facts) Decision {
	if s.Served == "" {
		s.Served = f.Handed
	}
	switch {
	case f.Handed == "" || f.Best == f.Handed:
		s.Next, s.Since = "", time.Time{}
	case s.Next != f.Best:
		s.Next, s.Since = f.Best, time.Time{}
	}
	d := Decision{State: s}
	for _, key := range []string{s.Served, f.Handed, f.Best} {
		if key != "" && !slices.Contains(d.Keys, key) {
			d.Keys = append(d.Keys, key)
		}
	}
	slices.Sort(d.Keys)
	if s.Next == "" || f.HandedExpired {
		return d
	}
	if s.Since.IsZero() {
		d.Hold = true
		return d
	}
	d.After = clock.Left(s.Since, f.Now, f.TTL)
	d.Hold = d.After > 0
	return d
}

// Published notes that every authoritative server serves the record of the key that waits.
func (s State) Published(now time.Time) State {
	if s.Next != "" && s.Since.IsZero() {
		s.Since = now
	}
	return s
}
