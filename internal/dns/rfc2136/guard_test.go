// SPDX-License-Identifier: Apache-2.0

package rfc2136_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestWhetherAServerChecksPrerequisitesIsFoundOutOnceItDoes(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	careless := dnstest.Careless(zone)
	var checks atomic.Bool
	var asked atomic.Int32
	handler := func(w miekg.ResponseWriter, r *miekg.Msg) {
		if r.Opcode == miekg.OpcodeUpdate && len(r.Ns) == 0 {
			asked.Add(1)
			if checks.Load() {
				_ = w.WriteMsg(reply(r, miekg.RcodeYXRrset, true))
				return
			}
		}
		careless(w, r)
	}
	c := newClient(t, serverConfig(serve(t, handler)))
	probe := func(bestEffort bool, times int32) {
		t.Helper()
		for range 2 {
			if err := c.Probe(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.Capabilities().BestEffort(); got != bestEffort || asked.Load() != times {
			t.Errorf("best effort is %t after %d questions, want %t after %d", got, asked.Load(), bestEffort, times)
		}
	}
	probe(true, 2)
	host := dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})
	zone.Edit(dns.Change{Put: host})
	if err := c.Apply(context.Background(), dns.Change{Absent: []dns.Key{host[0].Key()}, Drop: []dns.Key{host[0].Key()}}); !errors.Is(err, dns.ErrPrerequisite) {
		t.Errorf("got %v, want that the client looks where the server does not", err)
	}
	checks.Store(true)
	probe(false, 4)
}

func TestRefusedSignaturesWithoutReasonAreToldFromZonesThatAreNotThere(t *testing.T) {
	tests := map[string]struct {
		sign   bool
		reason string
	}{
		"An unsigned NOTAUTH to a query, as PowerDNS answers": {false, v1alpha1.ReasonTSIGBadSignature},
		"A signed NOTAUTH to a query":                         {true, v1alpha1.ReasonNotAuthoritative},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
				_ = w.WriteMsg(reply(r, miekg.RcodeNotAuth, test.sign))
			})))
			e, ok := dns.AsError(c.Probe(context.Background()))
			if !ok || e.Reason != test.reason || !e.Permanent {
				t.Errorf("got %+v, want %s", e, test.reason)
			}
		})
	}
}

// badKey is an answer that says, without a signature, that the key is not known.
func badKey(w miekg.ResponseWriter, r *miekg.Msg, rcode int) {
	m := reply(r, rcode, false)
	m.Extra = append(m.Extra, &miekg.TSIG{
		Hdr:       miekg.RR_Header{Name: keyName, Rrtype: miekg.TypeTSIG, Class: miekg.ClassANY},
		Algorithm: miekg.HmacSHA256, TimeSigned: uint64(time.Now().Unix()), OrigId: r.Id, Error: miekg.RcodeBadKey,
	})
	raw, err := m.Pack()
	if err == nil {
		_, _ = w.Write(raw)
	}
}

func TestABadKeyWithAnythingButNotAuthIsNoAnswerToAnUpdate(t *testing.T) {
	for _, rcode := range []int{
		miekg.RcodeSuccess, miekg.RcodeYXRrset, miekg.RcodeNXRrset, miekg.RcodeYXDomain, miekg.RcodeNameError, miekg.RcodeRefused,
		miekg.RcodeServerFailure,
	} {
		t.Run(miekg.RcodeToString[rcode], func(t *testing.T) {
			c := newClient(t, serverConfig(serve(t, guarding(func(w miekg.ResponseWriter, r *miekg.Msg) {
				if r.Opcode == miekg.OpcodeUpdate {
					badKey(w, r, rcode)
					return
				}
				_ = w.WriteMsg(reply(r, miekg.RcodeSuccess, true))
			}))))
			if _, err := c.Get(context.Background(), anyChange.Drop[0]); err != nil {
				t.Fatalf("a query that is answered with a signature: %v", err)
			}
			e, ok := dns.AsError(c.Apply(context.Background(), anyChange))
			if !ok || e.Reason != v1alpha1.ReasonTSIGKeyUnknown {
				t.Errorf("got %v, want TSIGKeyUnknown", e)
			}
		})
	}
}

func TestAKeyThatIsOnlyUnknownForUpdatesLacksTheRight(t *testing.T) {
	// Knot DNS answers so: signed to queries, BADKEY to updates.
	c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
		if r.Opcode == miekg.OpcodeUpdate {
			badKey(w, r, miekg.RcodeNotAuth)
			return
		}
		_ = w.WriteMsg(reply(r, miekg.RcodeSuccess, true))
	})))
	e, ok := dns.AsError(c.Apply(context.Background(), anyChange))
	if !ok || e.Reason != v1alpha1.ReasonTSIGKeyUnknown {
		t.Errorf("before any query: got %v, want TSIGKeyUnknown", e)
	}
	if _, err := c.Get(context.Background(), anyChange.Drop[0]); err != nil {
		t.Fatal(err)
	}
	e, ok = dns.AsError(c.Apply(context.Background(), anyChange))
	if !ok || e.Reason != v1alpha1.ReasonUpdateRefused || !strings.Contains(e.Message, "grant fed-key name cup1.cupdomain.com. A;") {
		t.Errorf("after a query that was answered: got %v, want UpdateRefused with the grants", e)
	}
}

func TestAServerThatDoesNotUnderstandTheQuestionIsStillUpdated(t *testing.T) {
	for _, rcode := range []int{miekg.RcodeFormatError, miekg.RcodeNotImplemented} {
		careless := dnstest.Careless(dnstest.NewMemory("cupdomain.com"))
		c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
			if r.Opcode == miekg.OpcodeUpdate && len(r.Ns) == 0 {
				_ = w.WriteMsg(reply(r, rcode, true))
				return
			}
			careless(w, r)
		})))
		if err := c.Apply(context.Background(), anyChange); err != nil || !c.Capabilities().BestEffort() {
			t.Errorf("%s: got %v, capabilities %+v, want an update by best effort", miekg.RcodeToString[rcode], err, c.Capabilities())
		}
	}
}

func TestASecondaryThatIsListedByMistakeIsNotHeldOnTo(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	secondary := serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
		rcode := miekg.RcodeSuccess
		if r.Opcode == miekg.OpcodeUpdate {
			rcode = miekg.RcodeRefused
		}
		_ = w.WriteMsg(reply(r, rcode, true))
	})
	c := newClient(t, serverConfig(address, secondary))
	e, ok := dns.AsError(c.Apply(context.Background(), anyChange))
	if !ok || e.Reason != v1alpha1.ReasonUpdateRefused {
		t.Errorf("while the primary is away: got %v, want UpdateRefused by the secondary", e)
	}
	dnstest.Serve(t, address, guarding(func(w miekg.ResponseWriter, r *miekg.Msg) {
		_ = w.WriteMsg(reply(r, miekg.RcodeSuccess, true))
	}), map[string]string{keyName: dnstest.FedSecret})
	if err := c.Apply(context.Background(), anyChange); err != nil {
		t.Errorf("after the primary is back: got %v, want that it is used", err)
	}
}
