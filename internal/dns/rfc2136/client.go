// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// defaultTimeout of an exchange. Two of them fit within the ten seconds in which an outage is to be seen.
const defaultTimeout = 2500 * time.Millisecond

// ednsSize is the buffer size told to servers; it matters for datagrams only, but the option makes servers add extended
// errors (RFC 8914).
const ednsSize = 1232

// signatureSize is what the signature of a message takes at most: two names, the longest MAC and what is fixed (RFC 8945 section 4.2).
const signatureSize = 2*255 + 64 + 26

// Config of a Client.
type Config struct {
	// Zone is the apex.
	Zone string
	// Servers of the primary (host:port). They must be ways to the same primary. The first is used until it fails, then the
	// next until that fails, and so on.
	Servers []string
	// KeyName is the name of the TSIG key.
	KeyName string
	// Algorithm is hmac-sha256, hmac-sha384 or hmac-sha512; empty means hmac-sha256.
	Algorithm string
	// Secret in base64.
	Secret string
	// Timeout of an exchange; zero means 2.5 seconds.
	Timeout time.Duration
	// Now tells the time for signatures; nil means time.Now.
	Now func() time.Time
	// Dial opens connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client writes to and reads from the primary of one zone. Several goroutines may use it at once.
type Client struct {
	cfg  Config
	apex string
	key  key
	// guard is what is known of the server's handling of prerequisites.
	guard atomic.Int32
	// keyAccepted tells that a server signed an answer with the key.
	keyAccepted atomic.Bool
	// serial is what the last probe saw of the zone, beyond its 32 bits marked as known.
	serial atomic.Uint64
	// first is the index of the server to begin with.
	first atomic.Int32
}

// New checks the configuration. It contacts nobody.
func New(cfg Config) (*Client, error) {
	k := key{name: dns.Canonical(cfg.KeyName), secret: strings.TrimSpace(cfg.Secret)}
	switch cfg.Algorithm {
	case "", "hmac-sha256":
		k.algorithm = miekg.HmacSHA256
	case "hmac-sha384":
		k.algorithm = miekg.HmacSHA384
	case "hmac-sha512":
		k.algorithm = miekg.HmacSHA512
	default:
		return nil, fmt.Errorf("algorithm: %q is not one of hmac-sha256, hmac-sha384, hmac-sha512", cfg.Algorithm)
	}
	if _, ok := miekg.IsDomainName(cfg.Zone); !ok || cfg.Zone == "" {
		return nil, fmt.Errorf("zone: %q is not a domain name", cfg.Zone)
	}
	if _, ok := miekg.IsDomainName(cfg.KeyName); !ok || cfg.KeyName == "" {
		return nil, fmt.Errorf("keyName: %q is not a domain name", cfg.KeyName)
	}
	if len(cfg.Servers) == 0 {
		return nil, errors.New("servers: none given")
	}
	for _, s := range cfg.Servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return nil, fmt.Errorf("servers: %q is not of the form host:port", s)
		}
	}
	// The secret itself must not get into a message.
	if raw, err := base64.StdEncoding.DecodeString(k.secret); err != nil || len(raw) == 0 {
		return nil, errors.New("secret: not in base64; give it as tsig-keygen prints it between the quotes, and nothing else")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	cfg.Servers = slices.Clone(cfg.Servers)
	return &Client{cfg: cfg, apex: dns.Canonical(cfg.Zone), key: k}, nil
}

// Apex of the zone.
func (c *Client) Apex() string { return c.apex }

// Capabilities are those of RFC 2136: an update is atomic, and prerequisites are checked, unless Probe or Apply found that
// the server ignores them.
func (c *Client) Capabilities() dns.Capabilities {
	return dns.Capabilities{Writes: true, Atomic: true, Prerequisites: c.guard.Load() != guardIgnored}
}

// Probe finds out, by one signed query, whether the server answers, knows the key and has the zone. The first time it also
// finds out whether the server checks prerequisites; a refusal to tell is left for Apply to report, which knows what
// rights are needed.
func (c *Client) Probe(ctx context.Context) error {
	return c.attempt(ctx, func(s *session) error {
		soa, err := s.soa()
		if err != nil {
			return err
		}
		c.serial.Store(serialKnown | uint64(soa.Serial))
		_, _ = s.guarded(dns.Change{})
		return nil
	})
}

// serialKnown marks a serial number as one that was seen.
const serialKnown = 1 << 32

// Serial returns the serial number of the zone that the last probe saw.
func (c *Client) Serial() (serial uint32, known bool) {
	seen := c.serial.Load()
	return uint32(seen), seen&serialKnown != 0
}

// Zone asks the primary for the zone's start of authority and name servers.
func (c *Client) Zone(ctx context.Context) (dns.Zone, error) {
	zone := dns.Zone{Apex: c.apex}
	err := c.attempt(ctx, func(s *session) error {
		soa, err := s.soa()
		if err != nil {
			return err
		}
		answer, err := s.query(dns.Key{Name: c.apex, Type: dns.TypeNS})
		if err != nil {
			return err
		}
		zone.Serial, zone.NameServers = soa.Serial, nil
		for _, rr := range answer.Answer {
			if ns, ok := rr.(*miekg.NS); ok {
				zone.NameServers = append(zone.NameServers, dns.Canonical(ns.Ns))
			}
		}
		slices.Sort(zone.NameServers)
		return nil
	})
	return zone, err
}

// Get asks the primary for record sets, over one connection.
func (c *Client) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	var sets []dns.RRset
	err := c.attempt(ctx, func(s *session) error {
		var err error
		sets, err = s.sets(keys)
		return err
	})
	return sets, err
}

// Apply sends the change as one update message.
func (c *Client) Apply(ctx context.Context, change dns.Change) error {
	if err := c.checkSize(change); err != nil {
		return err
	}
	return c.attempt(ctx, func(s *session) error {
		guarded, err := s.guarded(change)
		if err != nil {
			return err
		}
		if !guarded {
			sets, err := s.sets(change.Conditions())
			if err != nil {
				return err
			}
			if !change.Holds(sets) {
				return dns.ErrPrerequisite
			}
		}
		m := c.update(change)
		answer, err := s.exchange(m)
		if err != nil {
			return unsettled(err)
		}
		return s.checkUpdate(answer, change)
	})
}

// checkSize refuses what does not fit into a message with its signature.
func (c *Client) checkSize(change dns.Change) error {
	raw, err := c.update(change).Pack()
	if err != nil || len(raw) > miekg.MaxMsgSize-signatureSize {
		return errors.Join(dns.ErrTooLarge, err)
	}
	return nil
}

// update builds the message; the meaning of its sections is that of RFC 2136 sections 2.4 and 2.5.
func (c *Client) update(change dns.Change) *miekg.Msg {
	m := new(miekg.Msg)
	m.SetUpdate(c.apex)
	m.Compress = true
	for _, k := range change.Absent {
		m.RRsetNotUsed([]miekg.RR{wire.Header(k)})
	}
	for _, set := range change.Equal {
		m.Used(wire.Records(set))
	}
	for _, k := range change.Drop {
		m.RemoveRRset([]miekg.RR{wire.Header(k)})
	}
	for _, set := range change.Put {
		if !slices.Contains(change.Absent, set.Key()) {
			m.RemoveRRset([]miekg.RR{wire.Header(set.Key())})
		}
		m.Insert(wire.Records(set))
	}
	m.SetEdns0(ednsSize, false)
	return m
}

var _ dns.Provider = (*Client)(nil)
