// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

// updates is a zone at a server that takes dynamic updates.
type updates struct {
	t             *testing.T
	address, zone string
}

func (z updates) client(change func(*rfc2136.Config)) *rfc2136.Client {
	z.t.Helper()
	cfg := rfc2136.Config{
		Zone: z.zone, Servers: []string{z.address}, KeyName: dnstest.FedKey, Algorithm: "hmac-sha256", Secret: dnstest.FedSecret,
		// A busy machine may be slow; what is tested here is not speed.
		Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := rfc2136.New(cfg)
	if err != nil {
		z.t.Fatal(err)
	}
	return c
}

// probed clients know what the server is capable of.
func (z updates) probed(change func(*rfc2136.Config)) dns.Provider {
	z.t.Helper()
	c := z.client(change)
	if err := c.Probe(context.Background()); err != nil {
		z.t.Fatal(err)
	}
	return c
}

func (z updates) Provider() dns.Provider { return z.probed(nil) }

// Losing connects through connections of which the one that carries an update breaks before the answer comes.
func (z updates) Losing() dns.Provider {
	var lost atomic.Bool
	return z.probed(func(cfg *rfc2136.Config) {
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &losingConn{Conn: conn, lost: &lost}, err
		}
	})
}

// losingConn breaks once, after an update (opcode 5) that changes something was processed.
type losingConn struct {
	net.Conn
	lost   *atomic.Bool
	update bool
}

func (c *losingConn) Write(b []byte) (int, error) {
	c.update = len(b) > 12 && b[4]>>3&0xf == 5 && (b[10] != 0 || b[11] != 0)
	return c.Conn.Write(b)
}

func (c *losingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.update && c.lost.CompareAndSwap(false, true) {
		return 0, net.ErrClosed
	}
	return n, err
}

// careless is a zone at a server that ignores prerequisites.
type careless struct {
	updates
	memoryZone
}

func (z careless) Provider() dns.Provider { return z.updates.Provider() }
func (z careless) Losing() dns.Provider   { return z.updates.Losing() }

func newCarelessZone(t *testing.T) conformance.Zone {
	t.Helper()
	z := newMemoryZone()
	address := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	dnstest.Serve(t, address, dnstest.Careless(z.Memory), map[string]string{dnstest.FedKey + ".": dnstest.FedSecret})
	return careless{updates{t, address, z.Apex()}, z}
}

func TestAServerThatIgnoresPrerequisitesIsGoodForBestEffort(t *testing.T) {
	exceptions := maps.Clone(besideAlias)
	exceptions["Records below a wildcard are published, as a wildcard owns nothing"] = "what the server makes up from a wildcard can't be " +
		"told from a record when prerequisites are ignored; it is reported as a record of others"
	table.Run(t, conformance.Subject{Name: "no prerequisites", Fresh: newCarelessZone, Exceptions: exceptions})
}
