// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// discreet keeps back what a cluster looks like, but for one network.
var discreet = &Discretion{Disclosed: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, Resolvers: []string{"10.96.0.10:53"}}

func TestDiscretion_HidesWhatIsNotPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"203.0.113.1": false, "2001:db8::1": false, "10.20.3.4": false, "::ffff:10.20.3.4": false,
		"10.21.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "100.64.0.1": true, "127.0.0.1": true, "169.254.169.254": true,
		"0.0.0.0": true, "224.0.0.1": true, "::1": true, "fe80::1%eth0": true, "fd00:10:96::1": true, "::ffff:10.21.0.1": true,
	} {
		address := netip.MustParseAddr(text)
		if got := discreet.Hides(address); got != want {
			t.Errorf("%s is hidden: %t", text, got)
		}
		if (*Discretion)(nil).Hides(address) {
			t.Errorf("%s is hidden without discretion", text)
		}
	}
	for server, want := range map[string]bool{
		"10.96.0.10:53": false, "10.96.0.10:6443": true, "10.20.0.9:53": false, "203.0.113.53:53": false, "dns": true,
	} {
		if got := discreet.hidesResolver(server); got != want {
			t.Errorf("resolver %s is hidden: %t", server, got)
		}
	}
}

// end is a Dialer to one server, which says something and closes the connection, or fails.
type end struct {
	says string
	err  error
}

func (e end) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if errors.Is(e.err, os.ErrDeadlineExceeded) {
		<-ctx.Done()
	}
	if e.err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: e.err}
	}
	ours, theirs := net.Pipe()
	go func() {
		_, _ = theirs.Read(make([]byte, 1024))
		_, _ = io.WriteString(theirs, e.says)
		_ = theirs.Close()
	}()
	return ours, nil
}

func TestDiscretion_OneAnswerForEveryCause(t *testing.T) {
	p := patience{connect: 4 * time.Second, stream: 3 * time.Second, handshake: 2 * time.Second}
	const hidden, disclosed = "10.21.0.1:6443", "10.20.0.1:5269"
	for name, tc := range map[string]struct {
		at     string
		end    end
		direct bool
		told   bool
	}{
		"nothing listens":                  {at: hidden, end: end{err: syscall.ECONNREFUSED}},
		"packets are dropped":              {at: hidden, end: end{err: os.ErrDeadlineExceeded}},
		"there is no route":                {at: hidden, end: end{err: syscall.EHOSTUNREACH}},
		"a web server":                     {at: hidden, end: end{says: "HTTP/1.1 400 Bad Request\r\n\r\n"}},
		"what closes":                      {at: hidden},
		"nothing listens for direct TLS":   {at: hidden, end: end{err: syscall.ECONNREFUSED}, direct: true},
		"a web server for direct TLS":      {at: hidden, end: end{says: "HTTP/1.1 400 Bad Request\r\n\r\n"}, direct: true},
		"an XMPP server is told of":        {at: hidden, end: end{says: streamHeader + "<stream:features/>"}, told: true},
		"a refused stream is told of":      {at: hidden, end: end{says: refusal("host-unknown")}, told: true},
		"a disclosed network is told of":   {at: disclosed, end: end{err: syscall.ECONNREFUSED}, told: true},
		"a public address is told of":      {at: "203.0.113.1:5269", end: end{err: syscall.ECONNREFUSED}, told: true},
		"what the cluster gave is told of": {at: "10.21.0.9:5269", end: end{err: syscall.ECONNREFUSED}, told: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, began := NewDiscreet(discreet), time.Now()
				c.Dialer = tc.end
				at := netip.MustParseAddrPort(tc.at)
				got := trial{address: at, domain: "cupdomain.com", direct: tc.direct}
				got.hidden = c.hides(at.Addr(), []netip.Addr{netip.MustParseAddr("10.21.0.9")}, nil)
				c.try(t.Context(), &got, p)
				result, _ := judgeSteps(InboundTarget{}, got, today)
				want := "no server answers there; why is not told of addresses that are not public"
				if is := result.Reason == v1alpha1.ReasonUndisclosed && result.Words == want && result.Mark == Fail; is == tc.told {
					t.Errorf("got %+v", result)
				}
				if took := time.Since(began); took != p.connect+p.stream+p.handshake && !tc.told || took > 0 && tc.told {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestDiscretion_Resolvers asks a port that nobody listens at, one that is silent, and one that is no DNS server.
func TestDiscretion_Resolvers(t *testing.T) {
	listen := func() net.PacketConn {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	closed, silent, garbage := listen(), listen(), listen()
	_ = closed.Close()
	go func() {
		for buffer := make([]byte, 512); ; {
			_, from, err := garbage.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = garbage.WriteTo([]byte("no DNS message"), from)
		}
	}()
	refusing := startResolver(t)
	refusing.change(func() { refusing.rcodes["cupdomain.com."] = dns.RcodeRefused })
	ask := func(c *Checker, server string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Resolver.LookupAddresses(ctx, server, "cupdomain.com")
		return unanswered("R", err).Words
	}
	for _, conn := range []net.PacketConn{closed, silent, garbage} {
		server := conn.LocalAddr().String()
		if got := ask(NewDiscreet(&Discretion{}), server); got != "resolver R: "+errUndisclosed.Error() {
			t.Errorf("got %q", got)
		}
		if got := ask(NewDiscreet(&Discretion{Resolvers: []string{server}}), server); strings.Contains(got, errUndisclosed.Error()) {
			t.Errorf("of the operator's own: %q", got)
		}
	}
	if got := ask(NewDiscreet(&Discretion{}), refusing.address); got != "resolver R answers REFUSED" {
		t.Errorf("of a DNS server: %q", got)
	}
}

func TestDiscretion_Pings(t *testing.T) {
	refused := func(addresses ...string) engine.Pong {
		return engine.Pong{Stage: engine.StageConnect, Failure: "connection refused", Addresses: addresses}
	}
	for name, tc := range map[string]struct {
		domain, route string
		pong          engine.Pong
		hidden        bool
	}{
		"a private address":                        {pong: refused("10.21.0.1"), hidden: true},
		"a private address beside a public one":    {pong: refused("203.0.113.1", "10.21.0.1"), hidden: true},
		"a public address":                         {pong: refused("203.0.113.1", "2001:db8::1")},
		"a disclosed address":                      {pong: refused("10.20.0.1")},
		"more addresses than are said":             {pong: refused("203.0.113.1", ""), hidden: true},
		"addresses that an older server keeps":     {pong: refused(), hidden: true},
		"what is no XMPP server at a private one":  {pong: engine.Pong{Stage: engine.StageStream, Addresses: []string{"10.21.0.1"}}, hidden: true},
		"a private server that answers":            {pong: engine.Pong{Stage: engine.StageAnswer, Answered: true, Addresses: []string{"10.21.0.1"}}},
		"a private server that refuses TLS":        {pong: engine.Pong{Stage: engine.StageTLS, Addresses: []string{"10.21.0.1"}}},
		"a private server that refuses the stream": {pong: engine.Pong{Stage: engine.StageStream, Received: &engine.StreamError{}, Addresses: []string{"10.21.0.1"}}},
		"a name that is not there":                 {route: "xmpp.gmail.com:5269", pong: engine.Pong{Stage: engine.StageResolve}},
		"a name of the cluster that is not there":  {route: "db.team.svc:5432", pong: engine.Pong{Stage: engine.StageResolve}, hidden: true},
		"one with the cluster's domain":            {route: "db.team.svc.corp.example:5432", pong: engine.Pong{Stage: engine.StageResolve}, hidden: true},
		"a partner that is one":                    {domain: "db.team.svc.cluster.local", pong: engine.Pong{Stage: engine.StageResolve}, hidden: true},
		"a name of one label":                      {route: "db:5432", pong: engine.Pong{Stage: engine.StageResolve}, hidden: true},
		"nothing of what became of it":             {pong: engine.Pong{}},
	} {
		t.Run(name, func(t *testing.T) {
			target := PeerTarget{Domain: "gmail.com", Route: tc.route}
			if tc.domain != "" {
				target.Domain = tc.domain
			}
			if got := discreet.HidesPing(target, tc.pong); got != tc.hidden {
				t.Errorf("hidden: %t", got)
			}
			if (*Discretion)(nil).HidesPing(target, tc.pong) {
				t.Error("hidden without discretion")
			}
		})
	}
	got := UndisclosedPing(PeerTarget{Domain: "gmail.com", From: "cupdomain.com", Route: "10.21.0.1:6443"})
	want := "no XMPP server answers for gmail.com at 10.21.0.1:6443; why is not told of addresses that are not public. Check its route or " +
		"records; the platform team can have more told (--disclosed-networks)" + tagged(t, got)
	if got.Message != want {
		t.Errorf("got %s\nwant %s", got.Message, want)
	}
}

// TestDiscretion_Inbound takes the whole way in, to an address that a Federation chose.
func TestDiscretion_Inbound(t *testing.T) {
	answering := startResolver(t, zone...)
	private := target(answering)
	private.Addresses = []netip.Addr{netip.MustParseAddr("10.21.0.1")}
	answering.change(func() {
		key := asked{"cup1.cupdomain.com.", dns.TypeA}
		answering.records[key] = []dns.RR{&dns.A{Hdr: *answering.records[key][0].Header(), A: net.IPv4(10, 21, 0, 1)}}
	})
	check := func(n network, given ...netip.Addr) Verdict {
		c := checker(n)
		c.discretion = discreet
		to := private
		to.Assigned = given
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return c.Inbound(ctx, to)
	}
	web := startServer(t, says("HTTP/1.1 400 Bad Request\r\n\r\n"))
	closed, other := check(network{}), check(network{"10.21.0.1:5269": web})
	if closed.Reason != v1alpha1.ReasonUndisclosed || closed.Message != other.Message || closed.Reason != other.Reason {
		t.Errorf("got %+v\nand %+v", closed, other)
	}
	if given := check(network{}, private.Addresses...); given.Reason != v1alpha1.ReasonConnectionRefused {
		t.Errorf("an address that the load balancer has given: %+v", given)
	}
	server := startServer(t, serves(keyPair(t, today, domains...)))
	if healthy := check(network{"10.21.0.1:5269": server}); healthy.Reason != v1alpha1.ReasonReachable {
		t.Errorf("a healthy server: %+v", healthy)
	}
}
