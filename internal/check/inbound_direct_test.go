// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const directAddress = "203.0.113.128:5270"

// directZone is the zone of a Federation that offers direct TLS.
var directZone = append([]string{
	"_xmpps-server._tcp.cupdomain.com. 300 IN SRV 0 0 5270 cup1.cupdomain.com.",
	"_xmpps-server._tcp.conference.cupdomain.com. 300 IN SRV 0 0 5270 cup1.cupdomain.com.",
}, zone...)

func TestInboundTakesTheWayOfDirectTLSToo(t *testing.T) {
	good := keyPair(t, today, domains...)
	const fixNone = "; to go without direct TLS, take spec.exposure.directTLS away [D07]"
	for name, tc := range map[string]struct {
		direct func(net.Conn, *bufio.Reader) // nil: nothing listens
		reason string
		says   []string
	}{
		"it works": {servesDirect(good), v1alpha1.ReasonReachable, []string{"; by direct TLS at port 5270 as well"}},
		"nothing listens": {nil, v1alpha1.ReasonConnectionRefused, []string{
			directAddress + ": direct TLS: TCP connections are refused. ", fixNone,
		}},
		"the port is the one for STARTTLS": {serves(good), v1alpha1.ReasonTLSFailed, []string{
			directAddress + ": direct TLS: TLS for cupdomain.com fails (", "leads to the port s2s-tls of this Federation's Service", "[D07]",
		}},
		"another certificate": {
			servesDirect(keyPair(t, today, "cup1.cupdomain.com")), v1alpha1.ReasonCertificateNameMismatch,
			[]string{directAddress + `: direct TLS: the certificate served for cupdomain.com does not name it, but "cup1.cupdomain.com"`, "[D07]"},
		},
		"no stream opens after TLS": {
			servesNothing(good), v1alpha1.ReasonNotXMPP, []string{directAddress + ": direct TLS: what answers does not speak XMPP", "[D07]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := network{publicAddress: startServer(t, serves(good))}
			if tc.direct != nil {
				n[directAddress] = startServer(t, tc.direct)
			}
			tgt := target(startResolver(t, directZone...))
			tgt.DirectPort = 5270
			got := run(t, checker(n), tgt)
			if got.Reason != tc.reason {
				t.Errorf("got %+v, want reason %s", got, tc.reason)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.Message, words) {
					t.Errorf("message %q lacks %q", got.Message, words)
				}
			}
		})
	}
}

// servesNothing ends the connection once it is encrypted.
func servesNothing(pair tls.Certificate) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, _ *bufio.Reader) {
		secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
		if secured.Handshake() == nil {
			skipTags(bufio.NewReader(secured), 1)
		}
	}
}

func TestInboundWantsTheServiceRecordsOfDirectTLS(t *testing.T) {
	good := startServer(t, serves(keyPair(t, today, domains...)))
	for name, tc := range map[string]struct {
		records []string
		reason  string
		says    string
	}{
		"none": {zone, v1alpha1.ReasonSRVMissing, "there is no SRV record _xmpps-server._tcp.cupdomain.com"},
		"of another port": {
			append([]string{"_xmpps-server._tcp.cupdomain.com. 300 IN SRV 0 0 5223 cup1.cupdomain.com.", directZone[1]}, zone...),
			v1alpha1.ReasonSRVMismatch, `the SRV record _xmpps-server._tcp.cupdomain.com is "0 0 5223 cup1.cupdomain.com."`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tgt := target(startResolver(t, tc.records...))
			tgt.DirectPort = 5270
			got := run(t, checker(network{publicAddress: good}), tgt)
			if got.Reason != tc.reason || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
