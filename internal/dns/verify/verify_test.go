// SPDX-License-Identifier: Apache-2.0

package verify_test

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
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

var (
	srv  = dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com"})
	host = address("cup1.cupdomain.com", "203.0.113.130")
)

func address(name string, addresses ...string) dns.RRset {
	var parsed []netip.Addr
	for _, a := range addresses {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return dns.AddressRecords(name, 300, parsed)[0]
}

func zoneWith(sets ...dns.RRset) *dnstest.Memory {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: sets})
	return m
}

// lab is a primary that is asked through the provider, and servers at 127.0.0.1, 127.0.0.2 ... named ns1, ns2 ...
type lab struct {
	primary  *dnstest.Memory
	verifier verify.Verifier
}

func newLab(t *testing.T, servers ...miekg.HandlerFunc) lab {
	t.Helper()
	l := lab{primary: zoneWith(srv, host)}
	var names, hosts []string
	for i := range servers {
		names = append(names, fmt.Sprintf("ns%d.cupdomain.com", i+1))
		hosts = append(hosts, fmt.Sprintf("127.0.0.%d", i+1))
		l.primary.Edit(dns.Change{Put: []dns.RRset{address(names[i], hosts[i])}})
	}
	l.primary.SetNameServers(names...)
	port := dnstest.FreePort(t, hosts...)
	for i, handler := range servers {
		if handler != nil {
			dnstest.Serve(t, fmt.Sprintf("%s:%d", hosts[i], port), handler, nil)
		}
	}
	l.verifier = verify.Verifier{Port: uint16(port), Timeout: 5 * time.Second}
	return l
}

func (l lab) check(t *testing.T, want []dns.RRset, gone ...dns.Key) (verify.Report, *dns.Error) {
	t.Helper()
	report, err := l.verifier.Check(context.Background(), l.primary, want, gone)
	e, ok := dns.AsError(err)
	if err != nil && !ok {
		t.Fatalf("got error %v, want none or a *dns.Error", err)
	}
	return report, e
}

func TestRecordsArePublishedOnceEveryServerHasThem(t *testing.T) {
	second := zoneWith(host)
	l := newLab(t, dnstest.Authority(zoneWith(srv, host)), dnstest.Authority(second))
	report, err := l.check(t, []dns.RRset{srv, host})
	if err == nil || err.Reason != v1alpha1.ReasonPropagationPending || err.Permanent {
		t.Fatalf("got %v, want PropagationPending", err)
	}
	const words = "ns2.cupdomain.com (127.0.0.2) does not serve SRV _xmpp-server._tcp.cupdomain.com yet (1 of 2 servers do)"
	if !strings.HasPrefix(err.Message, words) {
		t.Errorf("got message %q, want that it begins with %q", err.Message, words)
	}
	if report.Published(srv.Key()) || !report.Published(host.Key()) {
		t.Errorf("got %+v, want only the address published", report)
	}
	second.Edit(dns.Change{Put: []dns.RRset{srv}})
	report, err = l.check(t, []dns.RRset{srv, host})
	if err != nil || !report.Published(srv.Key()) {
		t.Errorf("got %+v %v, want all published", report, err)
	}
	if report.Published(dns.Key{Name: "www.cupdomain.com.", Type: dns.TypeA}) {
		t.Error("a record that was not asked for counts as published")
	}
}

func TestOldDataCountsAsNotServedButAnotherTTLDoesNotMatter(t *testing.T) {
	short := host
	short.TTL = 5
	l := newLab(t, dnstest.Authority(zoneWith(short)), dnstest.Authority(zoneWith(address("cup1.cupdomain.com", "203.0.113.99"))))
	report, err := l.check(t, []dns.RRset{host})
	if err == nil || err.Reason != v1alpha1.ReasonPropagationPending || len(report.Servers[0].Pending) != 0 || len(report.Servers[1].Pending) != 1 {
		t.Errorf("got %+v %v, want only the second server pending", report, err)
	}
}

func TestRemovedRecordsMustBeGoneEverywhere(t *testing.T) {
	second := zoneWith(srv)
	l := newLab(t, dnstest.Authority(zoneWith()), dnstest.Authority(second))
	l.primary.Edit(dns.Change{Drop: []dns.Key{srv.Key()}})
	_, err := l.check(t, nil, srv.Key())
	const words = "ns2.cupdomain.com (127.0.0.2) still serves SRV _xmpp-server._tcp.cupdomain.com, which was removed (1 of 2"
	if err == nil || !strings.HasPrefix(err.Message, words) {
		t.Fatalf("got %v, want that it begins with %q", err, words)
	}
	second.Edit(dns.Change{Drop: []dns.Key{srv.Key()}})
	if report, err := l.check(t, nil, srv.Key()); err != nil || !report.Published(srv.Key()) {
		t.Errorf("got %+v %v, want that it is gone", report, err)
	}
}

func TestWhatThePrimaryHasInPlaceOfARemovedRecordCountsAsGone(t *testing.T) {
	tests := map[string]dns.RRset{
		"A record of somebody else": address("cup1.cupdomain.com", "203.0.113.99"),
		"A wildcard":                address("*.cupdomain.com", "203.0.113.99"),
		"An alias":                  {Name: "cup1.cupdomain.com.", Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}},
	}
	for name, left := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, dnstest.Authority(zoneWith(left)), dnstest.Authority(zoneWith(host)))
			l.primary.Edit(dns.Change{Drop: []dns.Key{host.Key()}})
			l.primary.Edit(dns.Change{Put: []dns.RRset{left}})
			report, err := l.check(t, nil, host.Key())
			if err == nil || len(report.Servers[0].Pending) != 0 || len(report.Servers[1].Pending) != 1 {
				t.Errorf("got %+v %v, want only the second server pending", report, err)
			}
		})
	}
}

func TestServersThatGiveNoProperAnswerAreNamed(t *testing.T) {
	good := dnstest.Authority(zoneWith(srv, host))
	answer := func(rcode int, authoritative bool) miekg.HandlerFunc {
		return func(w miekg.ResponseWriter, r *miekg.Msg) {
			m := new(miekg.Msg)
			m.SetRcode(r, rcode)
			m.Authoritative = authoritative
			_ = w.WriteMsg(m)
		}
	}
	tests := map[string]struct {
		handler miekg.HandlerFunc
		reason  string
		words   string
	}{
		"A server that is down":                       {nil, v1alpha1.ReasonServerUnavailable, "refuses connections"},
		"A server that can't answer":                  {answer(miekg.RcodeServerFailure, false), v1alpha1.ReasonServerUnavailable, "answers SERVFAIL"},
		"A server that does not have the zone":        {answer(miekg.RcodeRefused, false), v1alpha1.ReasonNotAuthoritative, "does not have the zone"},
		"A resolver in place of a server of the zone": {answer(miekg.RcodeSuccess, false), v1alpha1.ReasonNotAuthoritative, "does not have the zone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := newLab(t, good, test.handler).check(t, []dns.RRset{srv, host})
			if err == nil || err.Reason != test.reason || !strings.Contains(err.Message, "name server ns2.cupdomain.com (127.0.0.2) of zone cupdomain.com "+test.words) {
				t.Errorf("got %v, want %s with %q", err, test.reason, test.words)
			}
			if report.Published(srv.Key()) || report.Servers[0].Err != nil || report.Servers[1].Err == nil {
				t.Errorf("got %+v, want the first server fine and the second not", report)
			}
		})
	}
}

func TestASilentServerCostsItsTimeoutOnceNotPerRecord(t *testing.T) {
	var asked atomic.Int32
	l := newLab(t, func(miekg.ResponseWriter, *miekg.Msg) { asked.Add(1) })
	l.verifier.Timeout = 50 * time.Millisecond
	var want []dns.RRset
	for i := range 100 {
		want = append(want, address(fmt.Sprintf("h%d.cupdomain.com", i), "203.0.113.1"))
	}
	_, err := l.check(t, want)
	if err == nil || err.Reason != v1alpha1.ReasonServerUnavailable || !strings.Contains(err.Message, "does not answer in time") {
		t.Errorf("got %v, want ServerUnavailable", err)
	}
	if n := asked.Load(); n == 0 || int(n) >= len(want) {
		t.Errorf("got %d questions, want only those that were under way when the server was found silent, not %d", n, len(want))
	}
}

func TestLargeAnswersAreFetchedByTCP(t *testing.T) {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("203.0.113.%d", i+1))
	}
	large := address("cup1.cupdomain.com", many...)
	if _, err := newLab(t, dnstest.Authority(zoneWith(large))).check(t, []dns.RRset{large}); err != nil {
		t.Errorf("got %v, want that all 60 addresses are seen", err)
	}
}

func TestNameServersOutsideTheZoneAreFoundThroughResolvers(t *testing.T) {
	l := newLab(t, dnstest.Authority(zoneWith(srv, host)))
	l.primary.SetNameServers("ns.provider.example")
	_, err := l.check(t, []dns.RRset{srv})
	if err == nil || err.Reason != v1alpha1.ReasonServerUnavailable || !strings.Contains(err.Message, "no address was found of name server ns.provider.example of zone cupdomain.com") {
		t.Errorf("without resolver: got %v, want that the address is missing", err)
	}
	elsewhere := dnstest.NewMemory("example")
	elsewhere.Edit(dns.Change{Put: []dns.RRset{address("ns.provider.example", "127.0.0.1")}})
	resolver := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	dnstest.Serve(t, resolver, dnstest.Authority(elsewhere), nil)
	l.verifier.Resolvers = []string{"127.0.0.1:1", resolver}
	report, err := l.check(t, []dns.RRset{srv})
	if err != nil || len(report.Servers) != 1 || report.Servers[0].String() != "ns.provider.example (127.0.0.1)" {
		t.Errorf("got %+v %v, want the server found through the second resolver", report, err)
	}
}

func TestIPv6IsAskedOnlyWhereThereIsNothingElse(t *testing.T) {
	l := newLab(t, dnstest.Authority(zoneWith(srv)))
	l.primary.Edit(dns.Change{Put: []dns.RRset{address("ns1.cupdomain.com", "2001:db8::53")}})
	if report, err := l.check(t, []dns.RRset{srv}); err != nil || len(report.Servers) != 1 {
		t.Errorf("got %+v %v, want only 127.0.0.1 asked", report, err)
	}
}

func TestAZoneWithoutNameServersIsReported(t *testing.T) {
	_, err := newLab(t).check(t, []dns.RRset{srv})
	if err == nil || err.Reason != v1alpha1.ReasonNotAuthoritative {
		t.Errorf("got %v, want NotAuthoritative", err)
	}
}

func TestTroubleWithThePrimaryIsPassedOn(t *testing.T) {
	l := newLab(t, dnstest.Authority(zoneWith(srv)))
	cause := errors.New("cause")
	l.primary.Fail(&dns.Error{Reason: v1alpha1.ReasonTSIGKeyUnknown, Message: "unknown", Permanent: true, Err: cause})
	if _, err := l.check(t, []dns.RRset{srv}); err == nil || !errors.Is(err, cause) {
		t.Errorf("got %v, want the error of the primary", err)
	}
}
