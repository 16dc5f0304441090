// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"testing"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestEveryNameServerTellsWhichVersionOfTheZoneItServes(t *testing.T) {
	current, stale := zoneWith(srv, host), zoneWith(srv)
	refusing := func(w miekg.ResponseWriter, r *miekg.Msg) {
		_ = w.WriteMsg(new(miekg.Msg).SetRcode(r, miekg.RcodeRefused))
	}
	l := newLab(t, dnstest.Authority(current), dnstest.Authority(stale), refusing, nil)
	for serialOf(t, current) < serialOf(t, l.primary) {
		current.Edit(dns.Change{Put: []dns.RRset{host}})
	}
	for name, test := range map[string]struct {
		since  uint32
		behind v1alpha1.NameServerState
	}{
		"A server that lacks the last changes only is about to follow": {serialOf(t, stale), v1alpha1.NameServerInStep},
		"One that lacks what was there before is behind":               {serialOf(t, l.primary), v1alpha1.NameServerBehind},
		"When nothing was seen before nothing can be missing":          {0, v1alpha1.NameServerInStep},
		"Serial numbers wrap around":                                   {1<<32 - 1, v1alpha1.NameServerInStep},
	} {
		t.Run(name, func(t *testing.T) {
			newest, states, err := l.verifier.Serials(context.Background(), l.primary, test.since)
			if err != nil || newest != serialOf(t, l.primary) {
				t.Fatalf("got serial %d, %v, want %d", newest, err, serialOf(t, l.primary))
			}
			want := []v1alpha1.NameServerStatus{
				{Name: "ns1.cupdomain.com", Address: "127.0.0.1", State: v1alpha1.NameServerInStep, Serial: int64(newest)},
				{Name: "ns2.cupdomain.com", Address: "127.0.0.2", State: test.behind, Serial: int64(serialOf(t, stale))},
				{Name: "ns3.cupdomain.com", Address: "127.0.0.3", State: v1alpha1.NameServerNotAuthoritative},
				{Name: "ns4.cupdomain.com", Address: "127.0.0.4", State: v1alpha1.NameServerUnreachable},
			}
			for i := range want {
				if i >= len(states) || states[i] != want[i] {
					t.Errorf("got %+v, want %+v", states, want)
					break
				}
			}
		})
	}
}

func serialOf(t *testing.T, zone *dnstest.Memory) uint32 {
	t.Helper()
	z, err := zone.Zone(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return z.Serial
}
