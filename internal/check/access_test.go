// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// accessOf follows public DNS to both domains, and replaces the resolvers' real addresses by R0, R1 and so on.
func accessOf(t *testing.T, c *Checker, edit func(*AccessTarget), resolvers ...*resolver) Access {
	t.Helper()
	target := AccessTarget{Domains: domains, Hosts: []string{"cup1.cupdomain.com", "old.cupdomain.com"}}
	for _, r := range resolvers {
		target.Resolvers = append(target.Resolvers, r.address)
	}
	if edit != nil {
		edit(&target)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Second)
	defer cancel()
	got := c.Access(ctx, target)
	for _, list := range [][]Barred{got.Barred, got.Unclear} {
		for i := range list {
			for j, r := range resolvers {
				list[i].Why = strings.ReplaceAll(list[i].Why, r.address, "R"+string(rune('0'+j)))
			}
		}
	}
	return got
}

func TestAccessFollowsPublicDNS(t *testing.T) {
	good := startServer(t, serves(keyPair(t, today, domains...)))
	one := startServer(t, serves(keyPair(t, today, "cupdomain.com")))
	const old = "203.0.113.7:5269"
	both := func(why string) Access {
		return Access{Barred: []Barred{{domains[0], why}, {domains[1], why}}}
	}
	for name, test := range map[string]struct {
		network network
		records []string
		edit    func(*AccessTarget)
		want    Access
	}{
		"all is well": {network: network{publicAddress: good}, records: zone, want: Access{Reached: domains}},
		"the DNS still leads to a former host, which answers": {
			network: network{old: good},
			records: []string{
				"_xmpp-server._tcp.cupdomain.com. 60 IN SRV 3 4 5269 old.cupdomain.com.",
				"_xmpp-server._tcp.conference.cupdomain.com. 60 IN SRV 0 0 5269 old.cupdomain.com.",
				"old.cupdomain.com. 60 IN A 203.0.113.7",
			},
			want: Access{Reached: domains},
		},
		"one of two addresses answers": {
			network: network{publicAddress: good}, records: append([]string{"cup1.cupdomain.com. 60 IN A 203.0.113.9"}, zone...),
			want: Access{Reached: domains},
		},
		"nothing listens": {network: network{}, records: zone, want: both(publicAddress + ": TCP connections are refused")},
		"the certificate names one of them": {
			network: network{publicAddress: one}, records: zone,
			want: Access{Reached: domains[:1], Barred: []Barred{{domains[1], publicAddress + ": the certificate served for " +
				`conference.cupdomain.com does not name it, but "cupdomain.com"`}}},
		},
		"one of them is gone from the DNS": {
			network: network{publicAddress: good}, records: without("_xmpp-server._tcp.conference.cupdomain.com."),
			want: Access{Reached: domains[:1], Barred: []Barred{{domains[1],
				"public DNS has no SRV record _xmpp-server._tcp.conference.cupdomain.com"}}},
		},
		"the DNS leads to somebody else": {
			network: network{publicAddress: good}, records: zone, edit: func(t *AccessTarget) { t.Hosts = []string{"other.example"} },
			want: both(`public DNS leads to "cup1.cupdomain.com", which is no host of this Federation`),
		},
		"somebody else comes by chance": {
			network: network{publicAddress: good},
			records: append([]string{"_xmpp-server._tcp.cupdomain.com. 60 IN SRV 0 0 5269 other.example."}, zone...),
			want: Access{Reached: domains[1:], Barred: []Barred{{domains[0],
				`public DNS leads to "other.example", which is no host of this Federation`}}},
		},
		"others share the names": {
			network: network{publicAddress: good}, edit: func(t *AccessTarget) { t.Shared = true },
			records: append([]string{"_xmpp-server._tcp.cupdomain.com. 60 IN SRV 0 0 5269 other.example."}, zone...),
			want:    Access{Reached: domains},
		},
		"the operator has no route": {
			network: network{publicAddress: syscall.ENETUNREACH}, records: zone,
			want: Access{Unclear: []Barred{
				{domains[0], "the operator's network has no route to " + publicAddress},
				{domains[1], "the operator's network has no route to " + publicAddress},
			}},
		},
		"source ranges close the address to the operator": {
			network: network{"10.0.0.1:5269": good}, records: zone, edit: func(t *AccessTarget) {
				t.Through = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
				t.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.128")}
			},
			want: Access{Reached: domains},
		},
		"source ranges, and the DNS leads to another address": {
			network: network{"10.0.0.1:5269": good}, records: zone, edit: func(t *AccessTarget) {
				t.Through = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
				t.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.1")}
			},
			want: both("public DNS leads to 203.0.113.128, which is no address of this Federation"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := accessOf(t, checker(test.network), test.edit, startResolver(t, test.records...))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAccessByDirectTLSIsEnough(t *testing.T) {
	direct := startServer(t, servesDirect(keyPair(t, today, domains...)))
	records := append([]string{
		"_xmpps-server._tcp.cupdomain.com. 60 IN SRV 0 0 5270 cup1.cupdomain.com.",
		"_xmpps-server._tcp.conference.cupdomain.com. 60 IN SRV 0 0 5270 cup1.cupdomain.com.",
	}, zone...)
	c := checker(network{"203.0.113.128:5270": direct})
	got := accessOf(t, c, func(t *AccessTarget) { t.Direct = true }, startResolver(t, records...))
	if diff := cmp.Diff(Access{Reached: domains}, got); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
}

func TestAccessIsWhatEveryResolverThatAnswersLeadsTo(t *testing.T) {
	good := startServer(t, serves(keyPair(t, today, domains...)))
	silent := startResolver(t)
	silent.rcodes = map[string]int{}
	for _, name := range []string{"_xmpp-server._tcp.cupdomain.com.", "_xmpp-server._tcp.conference.cupdomain.com."} {
		silent.rcodes[name] = dns.RcodeServerFailure
	}
	c := checker(network{publicAddress: good})
	if diff := cmp.Diff(Access{Reached: domains}, accessOf(t, c, nil, silent, startResolver(t, zone...))); diff != "" {
		t.Errorf("one resolver fails (-want +got):\n%s", diff)
	}
	if got := accessOf(t, c, nil, silent); len(got.Unclear) != 2 || !strings.Contains(got.Unclear[0].Why, "resolver R0 ") {
		t.Errorf("no resolver answers: %+v", got)
	}
	if got := accessOf(t, c, nil, startResolver(t, zone...), startResolver(t)); len(got.Barred) != 2 {
		t.Errorf("one resolver leads nowhere: %+v", got)
	}
}

func TestAccessThatDidNotComeToItsEndIsNoAccess(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := checker(network{}).Access(ctx, AccessTarget{Domains: domains, Resolvers: []string{startResolver(t, zone...).address}})
	if len(got.Reached) != 0 || len(got.Barred) != 0 || len(got.Unclear) != 2 {
		t.Errorf("got %+v", got)
	}
}
