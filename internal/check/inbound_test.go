// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// run checks the target, and replaces the resolvers' real addresses in the message by R0, R1 and so on.
func run(t *testing.T, c *Checker, target InboundTarget) Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Second)
	defer cancel()
	return runWithin(ctx, c, target)
}

func runWithin(ctx context.Context, c *Checker, target InboundTarget) Verdict {
	v := c.Inbound(ctx, target)
	for i, r := range target.Resolvers {
		v.Message = strings.ReplaceAll(v.Message, r, "R"+string(rune('0'+i)))
	}
	return v
}

func statusOf(reason string) metav1.ConditionStatus {
	switch reason {
	case v1alpha1.ReasonReachable:
		return metav1.ConditionTrue
	case v1alpha1.ReasonResolverUnavailable, v1alpha1.ReasonNotChecked:
		return metav1.ConditionUnknown
	}
	return metav1.ConditionFalse
}

func expect(t *testing.T, got Verdict, reason, message string) {
	t.Helper()
	if got.Reason != reason || got.Status != statusOf(reason) {
		t.Errorf("got %s %s, want %s %s", got.Status, got.Reason, statusOf(reason), reason)
	}
	if got.Message != message {
		t.Errorf("message\n got %s\nwant %s", got.Message, message)
	}
	if len(got.Message) > 1024 {
		t.Errorf("message of %d bytes", len(got.Message))
	}
}

func TestInboundReachable(t *testing.T) {
	server := startServer(t, serves(keyPair(t, today, domains...)))
	got := run(t, checker(network{publicAddress: server}), target(startResolver(t, zone...)))
	expect(t, got, v1alpha1.ReasonReachable, "partners find cupdomain.com, conference.cupdomain.com in public DNS "+
		"(asked: R0) and reach 203.0.113.128 at port 5269, encrypted, with a certificate that names the domain")
}

func TestInboundJudgesTheServer(t *testing.T) {
	const fixCertificate = ". Have a certificate issued with the DNS names cupdomain.com, conference.cupdomain.com and put it " +
		"in the Secret of spec.tls.secretRef; if it is there, the server has not taken it up: see its log"
	const fixNotXMPP = ". Check that the address and port lead to this Federation's Service and to nothing else; a load " +
		"balancer without ready pods behind it may also take connections and drop them"
	const fixTLS = ". Check the certificate and key in the Secret of spec.tls.secretRef, and the server's log"
	streamError := func(condition, text string) string {
		return streamHeader + "<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" + text + "</text></stream:error></stream:stream>"
	}
	for name, tc := range map[string]struct {
		script  func(net.Conn, *bufio.Reader)
		failure error
		reason  string
		id      ID
		message string
	}{
		"nothing listens": {
			failure: syscall.ECONNREFUSED, reason: v1alpha1.ReasonConnectionRefused, id: TCP,
			message: "TCP connections are refused. Check that the server's pod is ready, and that the load balancer, or the " +
				"NAT device before it, hands this port on to the Service",
		},
		"packets are dropped": {
			failure: os.ErrDeadlineExceeded, reason: v1alpha1.ReasonConnectionTimeout, id: TCP,
			message: "TCP connections get no answer. Check the firewalls on the way, " +
				"spec.exposure.loadBalancer.sourceRanges, and that the load balancer has this address",
		},
		"a router says that there is no way": {
			failure: syscall.EHOSTUNREACH, reason: v1alpha1.ReasonConnectionTimeout, id: TCP,
			message: "TCP connections fail (no route to host). Check the routes and firewalls between the operator and the " +
				"load balancer",
		},
		"a web server": {
			script: says("HTTP/1.1 400 Bad Request\r\n\r\n"), reason: v1alpha1.ReasonNotXMPP, id: StreamOpens,
			message: `what answers does not speak XMPP (the peer starts with "HTTP/1.1 400 Bad Request????")` + fixNotXMPP,
		},
		"a load balancer that drops what it takes": {
			script: func(net.Conn, *bufio.Reader) {}, reason: v1alpha1.ReasonNotXMPP, id: StreamOpens,
			message: "what answers does not speak XMPP (the peer closes the connection)" + fixNotXMPP,
		},
		"a server that is silent": {
			script: says(""), reason: v1alpha1.ReasonNotXMPP, id: StreamOpens,
			message: "what answers does not speak XMPP (no stream header in time)" + fixNotXMPP,
		},
		"a server that does not serve the domains": {
			script: says(streamError("host-unknown", "This host does not serve &lt;it>\n")),
			reason: v1alpha1.ReasonStreamRefused, id: StreamOpens,
			message: `the server refuses streams to cupdomain.com with "host-unknown" "This host does not serve <it>?"; ` +
				publicAddress + `: the server refuses streams to conference.cupdomain.com with "host-unknown" "This host ` +
				`does not serve <it>?". The server there does not serve the domain: check that the address leads to this ` +
				"Federation's pods, and the condition ServerReady",
		},
		"a server that demands encryption and offers none": {
			script: says(streamError("policy-violation", "TLS is required")),
			reason: v1alpha1.ReasonTLSNotOffered, id: EncryptionKept,
			message: `the server demands encryption of streams to cupdomain.com before it could have offered any ("TLS is required"); ` +
				publicAddress + `: the server demands encryption of streams to conference.cupdomain.com before it could have offered any ` +
				`("TLS is required"). It has to offer STARTTLS in its stream features: see its settings for encryption between servers`,
		},
		"a server older than XMPP 1.0": {
			script: says(strings.Replace(streamHeader, " id='1' version='1.0'", " id='1'", 1)),
			reason: v1alpha1.ReasonTLSNotOffered, id: EncryptionKept,
			message: "the server offers no encryption (STARTTLS) for cupdomain.com; " + publicAddress + ": the server offers " +
				"no encryption (STARTTLS) for conference.cupdomain.com. It has no usable certificate for the domain: see the " +
				"condition CertificateReady, then the server's log",
		},
		"a server that refuses the TLS it offers": {
			script: says(streamHeader + startTLSOffer + "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
			reason: v1alpha1.ReasonTLSFailed, id: Handshake,
			message: "TLS for cupdomain.com fails (the peer offers it and then refuses); " + publicAddress + ": TLS for " +
				"conference.cupdomain.com fails (the peer offers it and then refuses)" + fixTLS,
		},
		"a certificate of another name": {
			script: serves(keyPair(t, today, "cup1.cupdomain.com")), reason: v1alpha1.ReasonCertificateNameMismatch, id: Certificate,
			message: `the certificate served for cupdomain.com does not name it, but "cup1.cupdomain.com"; ` + publicAddress +
				`: the certificate served for conference.cupdomain.com does not name it, but "cup1.cupdomain.com"` + fixCertificate,
		},
		"a certificate that lacks the group chat": {
			script: serves(keyPair(t, today, "cupdomain.com")), reason: v1alpha1.ReasonCertificateNameMismatch, id: Certificate,
			message: `the certificate served for conference.cupdomain.com does not name it, but "cupdomain.com"` + fixCertificate,
		},
		"an expired certificate": {
			script: serves(keyPair(t, today.AddDate(0, 0, -91), domains...)), reason: v1alpha1.ReasonCertificateExpired, id: Certificate,
			message: "the certificate served for cupdomain.com expired at 2026-11-21 12:00 UTC; " + publicAddress + ": the " +
				"certificate served for conference.cupdomain.com expired at 2026-11-21 12:00 UTC" + fixCertificate,
		},
		"a certificate of the future": {
			script: serves(keyPair(t, today.Add(time.Hour), "*.cupdomain.com", "cupdomain.com")),
			reason: v1alpha1.ReasonCertificateExpired, id: Clock,
			message: "the certificate served for cupdomain.com is valid from 2026-11-22 12:55 UTC only; " + publicAddress +
				": the certificate served for conference.cupdomain.com is valid from 2026-11-22 12:55 UTC only. Set the " +
				"clocks by NTP: that of whoever issued it, or the one here, is wrong",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := network{publicAddress: tc.failure}
			if tc.script != nil {
				n[publicAddress] = startServer(t, tc.script)
			}
			got := run(t, checker(n), target(startResolver(t, zone...)))
			expect(t, got, tc.reason, publicAddress+": "+tc.message+tag(tc.id))
		})
	}
	t.Run("a handshake that fails", func(t *testing.T) {
		t.Parallel()
		server := startServer(t, func(conn net.Conn, in *bufio.Reader) {
			skipTags(in, 2)
			say(conn, streamHeader+startTLSOffer)
			skipTags(in, 1)
			say(conn, proceed)
			say(conn, "\x15\x03\x01\x00\x02\x02\x28") // the fatal alert handshake_failure
		})
		got := run(t, checker(network{publicAddress: server}), target(startResolver(t, zone...)))
		if got.Reason != v1alpha1.ReasonTLSFailed {
			t.Errorf("got %+v", got)
		}
	})
}

func TestInboundTriesEveryAddress(t *testing.T) {
	server := startServer(t, serves(keyPair(t, today, domains...)))
	r := startResolver(t, append([]string{
		"cup1.cupdomain.com. 300 IN A 203.0.113.129", "cup1.cupdomain.com. 300 IN AAAA 2001:db8::1",
	}, zone...)...)
	tgt := target(r)
	tgt.Addresses = append(tgt.Addresses, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("203.0.113.129"))

	everywhere := network{publicAddress: server, "203.0.113.129:5269": server, "[2001:db8::1]:5269": server}
	if got := run(t, checker(everywhere), tgt); got.Reason != v1alpha1.ReasonReachable {
		t.Errorf("when all answer: got %+v", got)
	}
	oneDead := network{publicAddress: server, "[2001:db8::1]:5269": server}
	got := run(t, checker(oneDead), tgt)
	if got.Reason != v1alpha1.ReasonConnectionRefused || !strings.HasPrefix(got.Message, "203.0.113.129:5269: ") {
		t.Errorf("when one refuses: got %+v", got)
	}
	noIPv6 := network{publicAddress: server, "203.0.113.129:5269": server}
	got = run(t, checker(noIPv6), tgt)
	if got.Reason != v1alpha1.ReasonConnectionRefused || !strings.HasPrefix(got.Message, "[2001:db8::1]:5269: TCP connections by IPv6 are refused. ") ||
		!strings.Contains(got.Message, "to go without IPv6, set spec.exposure.loadBalancer.ipFamilyPolicy to SingleStack") {
		t.Errorf("when one family is refused: got %+v", got)
	}
	noRoute := network{publicAddress: server, "203.0.113.129:5269": server, "[2001:db8::1]:5269": syscall.ENETUNREACH}
	got = run(t, checker(noRoute), tgt)
	note := "; but [2001:db8::1]:5269 could not be tried, the operator's network has no route there"
	if got.Reason != v1alpha1.ReasonReachable || !strings.HasSuffix(got.Message, note) {
		t.Errorf("without a route to one: got %+v", got)
	}
	tgt.Addresses, tgt.Resolvers = tgt.Addresses[1:2], []string{startResolver(t, append(without("cup1.cupdomain.com."),
		"cup1.cupdomain.com. 300 IN AAAA 2001:db8::1")...).address}
	if got = run(t, checker(noRoute), tgt); got.Reason != v1alpha1.ReasonConnectionTimeout {
		t.Errorf("without a route to the only one: got %+v", got)
	}
}

func TestInboundGoesThroughTheClusterWhenSourceRangesKeepTheOperatorOut(t *testing.T) {
	server := startServer(t, serves(keyPair(t, today, domains...)))
	tgt := target(startResolver(t, zone...))
	tgt.Through = []netip.Addr{netip.MustParseAddr("10.96.0.5"), netip.MustParseAddr("fd00:10:96::5")}
	onlyInside := network{"10.96.0.5:5269": server, "[fd00:10:96::5]:5269": server}
	got := run(t, checker(onlyInside), tgt)
	if got.Reason != v1alpha1.ReasonReachable || !strings.Contains(got.Message, "tried from inside the cluster through 10.96.0.5, fd00:10:96::5, because") {
		t.Errorf("got %+v", got)
	}
	if got = run(t, checker(network{}), tgt); !strings.HasPrefix(got.Message, "10.96.0.5:5269: ") {
		t.Errorf("with nothing listening: got %+v", got)
	}
}

func TestInboundMentionsAnotherCertificateThanTheGivenOne(t *testing.T) {
	pair := keyPair(t, today, domains...)
	server := startServer(t, serves(pair))
	tgt := target(startResolver(t, zone...))
	tgt.Serial = pair.Leaf.SerialNumber.Text(16)
	if got := run(t, checker(network{publicAddress: server}), tgt); strings.Contains(got.Message, "serial") {
		t.Errorf("got %+v", got)
	}
	tgt.Serial = "beef"
	got := run(t, checker(network{publicAddress: server}), tgt)
	if got.Reason != v1alpha1.ReasonReachable || !strings.HasSuffix(got.Message, "not yet the given one, beef [D34]") {
		t.Errorf("got %+v", got)
	}
}

func TestInboundOfNothingIsUnknown(t *testing.T) {
	for name, tgt := range map[string]InboundTarget{
		"no addresses": {Domains: domains}, "no domains": {Addresses: target().Addresses},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, checker(network{}), tgt); got.Reason != v1alpha1.ReasonNotChecked || got.Status != metav1.ConditionUnknown {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestInboundThatIsInterruptedIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server := startServer(t, func(_ net.Conn, in *bufio.Reader) {
		skipTags(in, 2)
		cancel()
		skipTags(in, 1)
	})
	got := runWithin(ctx, checker(network{publicAddress: server}), target(startResolver(t, zone...)))
	expect(t, got, v1alpha1.ReasonNotChecked, interrupted)
}

func TestInboundMessageIsBoundedAndKeepsItsFix(t *testing.T) {
	label := strings.Repeat("x", 60)
	tgt := target(startResolver(t, "cup1.cupdomain.com. 300 IN A 203.0.113.128"))
	tgt.Domains = nil
	for i := range 64 {
		tgt.Domains = append(tgt.Domains, string(rune('a'+i%26))+string(rune('a'+i/26))+"."+label+"."+label+".example")
	}
	got := run(t, checker(network{}), tgt)
	if got.Reason != v1alpha1.ReasonSRVMissing || len(got.Message) > 1024 ||
		!strings.Contains(got.Message, "and 61 more like this") || !strings.HasSuffix(got.Message, "(negative TTL of the zone) [D01]") {
		t.Errorf("got %d bytes: %s", len(got.Message), got.Message)
	}
}
