// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/test/hostile"
)

// dropping is an address whose packets get lost: nobody answers at the other end of the veth pair.
var dropping = netip.MustParseAddrPort("10.66.0.2:5269")

// attackersAddresses are on loopback, like everything here.
var attackersAddresses = []netip.Addr{
	netip.MustParseAddr("127.0.1.1"), netip.MustParseAddr("127.0.1.2"), netip.MustParseAddr("127.0.1.3"), netip.MustParseAddr("127.0.1.4"),
	netip.MustParseAddr("127.0.1.5"), netip.MustParseAddr("127.0.1.6"), netip.MustParseAddr("127.0.1.7"), netip.MustParseAddr("127.0.1.8"),
}

var loseDropping = sync.OnceValue(func() error {
	out, err := exec.Command("sh", "-euc", `
		ip link add dropping type veth peer name dropped
		ip link set dropping arp off up
		ip link set dropped up
		ip addr add 10.66.0.1/24 dev dropping`).CombinedOutput()
	if err != nil {
		return fmt.Errorf("making a link that loses packets: %w: %s", err, out)
	}
	return nil
})

// target starts a server in the memory limit that its container has and describes it for attacks.
func (r *rig) target(t *testing.T) hostile.Target {
	t.Helper()
	r.Expect(loseDropping()).To(Succeed())
	for name, policy := range hostile.Peers {
		r.input.Peers = append(r.input.Peers, engine.Peer{Domain: name, Policy: policy})
	}
	r.input.DirectTLS = true
	r.input.Rooms = "Everyone" // as attacks in rooms need it
	limits := prosody.Engine{}.Container().Resources.Limits
	r.LimitMemory(t, limits.Memory().Value())
	names := r.UseNames(t)
	r.mountConfig(t)
	r.Start(t)
	var issuing sync.Mutex
	return hostile.Target{
		Domain: domain, Rooms: "conference." + domain,
		S2S:       fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2S),
		C2S:       fmt.Sprintf("127.0.0.1:%d", engine.PortNumberC2S),
		S2STLS:    fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2STLS),
		Addresses: attackersAddresses,
		Bystander: hostile.Account{Name: "cupuser1", Password: "pw1"},
		Attacker:  hostile.Account{Name: "cupuser2", Password: "pw2"},
		Issue: func(names ...string) tls.Certificate {
			issuing.Lock()
			defer issuing.Unlock()
			return r.ca.KeyPair(t, names...)
		},
		Expired: func(names ...string) tls.Certificate { return r.ca.ExpiredKeyPair(t, names...) },
		Names:   names, Dropping: dropping,
		Alive: func() error {
			if r.Killed(t) > 0 {
				return errors.New("killed for want of memory")
			}
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2S))
			if err != nil {
				return err
			}
			return conn.Close()
		},
		Killed:    func() int { return r.Killed(t) },
		ResetPeak: r.ResetPeakMemory,
		Peak:      func() int64 { return r.PeakMemory(t) },
	}
}

// attacks are those that every server has to stand. The short form is one of each kind that ended a server within seconds, in the size
// that is measured reliably beside other tests.
var attacks = testkit.Campaign(
	[]hostile.Attack{
		hostile.WildcardDialback(4), hostile.PlainDialback(4), hostile.Crowd(200), hostile.SlowReaders(8), hostile.BidiFlood(10),
		hostile.Unacknowledged(120), hostile.StreamsFlood(250, 10),
		hostile.UnfinishedByStrangers(1000), hostile.UnfinishedByPartners(30), hostile.NewNames(30, 20),
	},
	[]hostile.Attack{
		hostile.WildcardDialback(1), hostile.WildcardDialback(4), hostile.PlainDialback(4), hostile.Crowd(600), hostile.Crowd(1000),
		hostile.SlowReaders(8), hostile.BidiFlood(60), hostile.Idle(3000), hostile.Unacknowledged(120),
		hostile.StreamsFlood(250, 20),
		hostile.UnfinishedByStrangers(1000), hostile.UnfinishedByPartners(30), hostile.NewNames(30, 60),
	},
)

func TestHostileAttacks(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			var results []hostile.Result
			for _, attack := range attacks {
				t.Run(attack.Name, func(t *testing.T) {
					r := newRig(t, version)
					result, err := hostile.Run(context.Background(), r.target(t), attack)
					r.Expect(err).NotTo(HaveOccurred())
					results = append(results, result)
					t.Logf("before: %s\nduring: %s\nafter: %s", result.Before, result.During, result.After)
					if result.Gone == nil {
						t.Logf("%+v", r.status().Limits)
					}
					r.Expect(result.Verdict()).To(Succeed())
				})
			}
			t.Logf("\n%s", hostile.Table(results))
		})
	}
}

// TestHostileRefused plays what has to fail: nobody speaks for another, gets the policy of another, or harms the parser.
func TestHostileRefused(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			target := r.target(t)
			groups, err := hostile.Refused(t.Context(), target)
			r.Expect(err).NotTo(HaveOccurred())
			for _, group := range groups {
				t.Run(group.Name, func(t *testing.T) { refuses(t, target, group.Attacks) })
			}
		})
	}
}

func refuses(t *testing.T, target hostile.Target, attacks []hostile.Attack) {
	g := NewWithT(t)
	results, err := hostile.RunAll(t.Context(), target, 50*time.Millisecond, attacks...)
	g.Expect(err).NotTo(HaveOccurred())
	t.Logf("\n%s", hostile.Table(results))
	for _, result := range results {
		if err := result.Verdict(); err != nil {
			t.Errorf("%s: %v", result.Attack, err)
		}
		g.Expect(result.Said).To(ContainSubstring(saidByPolicy[result.Attack]), result.Attack)
	}
	g.Expect(results).To(HaveLen(len(attacks)), "the server was there until the end")
}
