// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	oldHeader = `<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'` +
		` xmlns:stream='http://etherx.jabber.org/streams' id='1'>`
	hang = "hang"
)

var (
	gmailZone = []string{
		"_xmpp-server._tcp.gmail.com. 300 IN SRV 0 0 5269 xmpp.gmail.com.", "xmpp.gmail.com. 300 IN A 203.0.113.20",
	}
	asksFor = regexp.MustCompile(` to='([^']*)'`)
)

func refusal(condition string) string {
	return streamHeader + "<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
}

// service answers a stream by the domain that it is opened to, and counts the streams to each.
type service struct {
	answers   map[string]string
	otherwise string

	mu    sync.Mutex
	asked map[string]int
}

func (s *service) start(t *testing.T) string {
	s.asked = map[string]int{}
	return startServer(t, s.serve)
}

func (s *service) serve(conn net.Conn, in *bufio.Reader) {
	skipTags(in, 1)
	tag, err := in.ReadString('>')
	to := asksFor.FindStringSubmatch(tag)
	if err != nil || to == nil || strings.Contains(tag, "from=") {
		return
	}
	s.mu.Lock()
	s.asked[to[1]]++
	s.mu.Unlock()
	answer, found := s.answers[to[1]]
	if !found {
		answer = s.otherwise
	}
	if answer == "" {
		return
	}
	if answer != hang {
		say(conn, answer)
	}
	_, _ = in.ReadString(0) // until the client goes
}

func (s *service) count(domain string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[domain]
}

func conflictTarget(resolvers ...*resolver) ConflictTarget {
	t := ConflictTarget{
		Service: "gmail.com", Domains: []string{"cupdomain.com", "conference.cupdomain.com"},
		Ours: []netip.Addr{netip.MustParseAddr("203.0.113.128")},
	}
	for _, r := range resolvers {
		t.Resolvers = append(t.Resolvers, r.address)
	}
	return t
}

func conflicts(t *testing.T, n network, target ConflictTarget) ([]Conflict, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
	defer cancel()
	return checker(n).Conflict(ctx, target)
}

func TestConflictKnowsWhatAServiceHosts(t *testing.T) {
	const features = streamHeader + startTLSOffer
	both := []Conflict{{"cupdomain.com", "xmpp.gmail.com:5269"}, {"conference.cupdomain.com", "xmpp.gmail.com:5269"}}
	for name, tc := range map[string]struct {
		answers   map[string]string
		otherwise string
		want      []Conflict
	}{
		"nothing of ours, so it says host-unknown":           {nil, refusal("host-unknown"), nil},
		"nothing of ours any more, so it says host-gone":     {nil, refusal("host-gone"), nil},
		"nothing of ours, and wants to know who asks":        {nil, refusal("improper-addressing"), nil},
		"nothing of ours, so it closes the connection":       {nil, "", nil},
		"nothing of ours, for it is no XMPP server":          {nil, "HTTP/1.1 400 Bad Request\r\n\r\n", nil},
		"nothing of ours, and is older than XMPP 1.0":        {nil, oldHeader + strings.TrimPrefix(refusal("host-unknown"), streamHeader), nil},
		"any name, as a proxy with a default host does":      {nil, features, nil},
		"any name, and is older than XMPP 1.0":               {nil, oldHeader, nil},
		"all our domains":                                    {map[string]string{"cupdomain.com": features, "conference.cupdomain.com": features}, refusal("host-unknown"), both},
		"one of our domains only":                            {map[string]string{"conference.cupdomain.com": features}, refusal("host-unknown"), both[1:]},
		"all our domains, and just closes on other names":    {map[string]string{"cupdomain.com": features, "conference.cupdomain.com": features}, "", both},
		"one of our domains, and is older than XMPP 1.0":     {map[string]string{"cupdomain.com": oldHeader}, oldHeader + strings.TrimPrefix(refusal("host-unknown"), streamHeader), both[:1]},
		"one of our domains, and says nothing of the others": {map[string]string{"cupdomain.com": features, "conference.cupdomain.com": hang}, refusal("host-unknown"), both[:1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{answers: tc.answers, otherwise: tc.otherwise}
			n := network{"203.0.113.20:5269": s.start(t)}
			got, err := conflicts(t, n, conflictTarget(startResolver(t, gmailZone...)))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
			for _, domain := range []string{"cupdomain.com", "conference.cupdomain.com"} {
				if s.count(domain) == 0 {
					t.Errorf("%s was not asked for", domain)
				}
			}
			if suspicious := len(tc.want) > 0; suspicious && s.count(nobodys) != 1 {
				t.Errorf("asked %d times for a name that nobody hosts", s.count(nobodys))
			}
		})
	}
}

func TestConflictIsNotInventedByALimitOnConnections(t *testing.T) {
	streams := 0
	var mu sync.Mutex
	server := startServer(t, func(conn net.Conn, in *bufio.Reader) {
		mu.Lock()
		streams++
		answer := streamHeader + startTLSOffer
		if streams > 1 {
			answer = refusal("policy-violation")
		}
		mu.Unlock()
		says(answer)(conn, in)
	})
	target := conflictTarget(startResolver(t, gmailZone...))
	target.Domains = target.Domains[:1]
	if got, err := conflicts(t, network{"203.0.113.20:5269": server}, target); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestConflictLeavesOpenWhatItCouldNotLearn(t *testing.T) {
	for name, tc := range map[string]struct {
		zone    []string
		answers map[string]string
		dial    error
		want    string
	}{
		"when the DNS knows no server": {
			[]string{}, nil, nil, "finding servers of gmail.com: gmail.com has no address",
		},
		"when the DNS says that there is no service": {
			[]string{"_xmpp-server._tcp.gmail.com. 300 IN SRV 0 0 0 ."}, nil, nil,
			"finding servers of gmail.com: its service record says that it has none",
		},
		"when connections are refused": {
			gmailZone, nil, os.NewSyscallError("connect", syscall.ECONNREFUSED), "connecting to xmpp.gmail.com:5269: connection refused",
		},
		"when packets are dropped": {
			gmailZone, nil, os.ErrDeadlineExceeded, "connecting to xmpp.gmail.com:5269: no answer in time",
		},
		"when the server says nothing": {
			gmailZone, map[string]string{"cupdomain.com": hang}, nil,
			"asking xmpp.gmail.com:5269 for cupdomain.com: no stream header in time",
		},
		"when the server is overloaded": {
			gmailZone, map[string]string{"conference.cupdomain.com": refusal("resource-constraint")}, nil,
			"asking xmpp.gmail.com:5269 for conference.cupdomain.com: stream error resource-constraint",
		},
		"when the counter-check stays open": {
			gmailZone, map[string]string{"cupdomain.com": streamHeader + startTLSOffer, nobodys: refusal("system-shutdown")}, nil,
			"asking xmpp.gmail.com:5269 for xmppfed-check.invalid: stream error system-shutdown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := network{"203.0.113.20:5269": tc.dial}
			if tc.dial == nil {
				n["203.0.113.20:5269"] = (&service{answers: tc.answers, otherwise: refusal("host-unknown")}).start(t)
			}
			got, err := conflicts(t, n, conflictTarget(startResolver(t, tc.zone...)))
			if got != nil || err == nil || err.Error() != tc.want {
				t.Errorf("got %v, %v, want the error %s", got, err, tc.want)
			}
		})
	}
}

func TestConflictGoesOnToAResolverThatAnswers(t *testing.T) {
	lost := startResolver(t)
	lost.change(func() {
		lost.rcodes["_xmpp-server._tcp.gmail.com."], lost.rcodes["xmpp.gmail.com."] = dns.RcodeServerFailure, dns.RcodeServerFailure
	})
	s := &service{otherwise: refusal("host-unknown")}
	n := network{"203.0.113.20:5269": s.start(t)}
	if got, err := conflicts(t, n, conflictTarget(lost, startResolver(t, gmailZone...))); got != nil || err != nil {
		t.Errorf("with one resolver that answers: got %v, %v", got, err)
	}
	target := conflictTarget(lost)
	want := fmt.Sprintf("finding servers of gmail.com: resolver %s answers SERVFAIL", lost.address)
	if got, err := conflicts(t, n, target); err == nil || err.Error() != want {
		t.Errorf("with none: got %v, %v, want %s", got, err, want)
	}
	c := checker(n)
	c.ResolvConf = "/nonexistent"
	if _, err := c.Conflict(t.Context(), ConflictTarget{Service: "gmail.com", Domains: domains}); err == nil {
		t.Error("without any: no error")
	}
}

func TestConflictFindsTheServer(t *testing.T) {
	srv := func(data string) string { return "_xmpp-server._tcp.gmail.com. 300 IN SRV " + data }
	for name, tc := range map[string]struct {
		zone  []string
		route string
		at    string
		want  string
	}{
		"by service record": {gmailZone, "", "203.0.113.20:5269", "xmpp.gmail.com:5269"},
		"by name, when there is no service record": {
			[]string{"gmail.com. 300 IN A 203.0.113.20"}, "", "203.0.113.20:5269", "gmail.com:5269",
		},
		"by IPv6 address": {
			[]string{srv("0 0 5269 six.gmail.com."), "six.gmail.com. 300 IN AAAA 2001:db8::20"}, "", "[2001:db8::20]:5269", "six.gmail.com:5269",
		},
		"by priority, then weight": {
			[]string{
				srv("5 0 5269 b.gmail.com."), srv("0 1 5269 c.gmail.com."), srv("0 9 5270 a.gmail.com."),
				"a.gmail.com. 300 IN A 203.0.113.21", "b.gmail.com. 300 IN A 203.0.113.22", "c.gmail.com. 300 IN A 203.0.113.23",
			}, "", "203.0.113.21:5270", "a.gmail.com:5270",
		},
		"behind others that don't answer": {
			[]string{
				srv("0 0 5269 none.gmail.com."), srv("1 0 5269 dead.gmail.com."), srv("2 0 5269 live.gmail.com."),
				"dead.gmail.com. 300 IN A 203.0.113.21", "live.gmail.com. 300 IN A 203.0.113.20",
			}, "", "203.0.113.20:5269", "live.gmail.com:5269",
		},
		"at the address of a route": {nil, "203.0.113.99:5299", "203.0.113.99:5299", "203.0.113.99:5299"},
		"at the host of a route": {
			[]string{"inside.example. 300 IN A 203.0.113.98"}, "inside.example:5269", "203.0.113.98:5269", "inside.example:5269",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{answers: map[string]string{"cupdomain.com": streamHeader + startTLSOffer}, otherwise: refusal("host-unknown")}
			target := conflictTarget(startResolver(t, tc.zone...))
			target.Route, target.Domains = tc.route, target.Domains[:1]
			got, err := conflicts(t, network{tc.at: s.start(t)}, target)
			want := []Conflict{{"cupdomain.com", tc.want}}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
}

func TestConflictDoesNotAskOurOwnServer(t *testing.T) {
	hosting := &service{otherwise: streamHeader + startTLSOffer}
	server := hosting.start(t)
	for name, address := range map[string]string{
		"at our public address": "203.0.113.128", "on this machine": "127.0.0.1", "at a metadata service": "169.254.169.254",
	} {
		t.Run(name, func(t *testing.T) {
			zone := []string{gmailZone[0], "xmpp.gmail.com. 300 IN A " + address}
			got, err := conflicts(t, network{address + ":5269": server}, conflictTarget(startResolver(t, zone...)))
			if got != nil || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
			if hosting.count("cupdomain.com") > 0 {
				t.Error("it was asked")
			}
		})
	}
}

func TestConflictEndsWithItsContext(t *testing.T) {
	s := &service{answers: map[string]string{"cupdomain.com": oldHeader}, otherwise: refusal("host-unknown")}
	n := network{"203.0.113.20:5269": s.start(t)}
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Second)
	target := conflictTarget(startResolver(t, gmailZone...))
	target.Domains = target.Domains[:1]
	go func() {
		for s.count("cupdomain.com") == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if got, err := checker(n).Conflict(ctx, target); got != nil || err == nil {
		t.Errorf("got %v, %v, want an error: what had no time to be refused is not hosted", got, err)
	}
}

func TestHostedVerdictCanBeForwarded(t *testing.T) {
	const fix = `, hosted elsewhere now, from your XMPP service"`
	for name, tc := range map[string]struct {
		domains []string
		want    string
	}{
		"one domain": {
			[]string{"cupdomain.com"},
			"the service of gmail.com also hosts cupdomain.com: what its users write to us never leaves it. " +
				`Forward to its support: "Please remove cupdomain.com` + fix,
		},
		"a domain and its group chat": {
			[]string{"cupdomain.com", "conference.cupdomain.com"},
			"the service of gmail.com also hosts cupdomain.com, conference.cupdomain.com: what its users write to us never leaves it. " +
				`Forward to its support: "Please remove cupdomain.com, conference.cupdomain.com` + fix,
		},
		"several domains": {
			[]string{"cupdomain.com", "conference.cupdomain.com", "a.example"},
			"the service of gmail.com also hosts cupdomain.com and 2 more: what its users write to us never leaves it. " +
				`Forward to its support: "Please remove cupdomain.com and 2 more` + fix,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var found []Conflict
			for _, domain := range tc.domains {
				found = append(found, Conflict{Domain: domain, Server: "xmpp.gmail.com:5269"})
			}
			got := HostedVerdict(PeerTarget{Domain: "gmail.com", Policy: strict, From: "cupdomain.com"}, found)
			if got.Reason != v1alpha1.ReasonPeerHostsOurDomain || got.Status != statusFor(got.Reason) || got.Message != tc.want+tagged(t, got) {
				t.Errorf("got %+v\nwant %s", got, tc.want)
			}
		})
	}
	long := strings.Repeat("very-long-label.", 15) + "example"
	got := HostedVerdict(PeerTarget{Domain: long}, []Conflict{{Domain: long}, {Domain: "\u202econference." + long}})
	if len(got.Message) > maxPeerMessage || !strings.Contains(got.Message, "hosts very-long") || !strings.HasSuffix(got.Message, fix+tag(HostedThere)) {
		t.Errorf("message of %d bytes: %s", len(got.Message), got.Message)
	}
}
