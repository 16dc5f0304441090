// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"net"
	"strconv"
	"testing"

	miekg "github.com/miekg/dns"
)

// Serve answers queries and updates at the address, by UDP and TCP, as the handler says, until the test ends. Secrets
// are TSIG secrets in base64 by canonical key name; the handler finds the result of verification in TsigStatus.
func Serve(t testing.TB, address string, handler miekg.HandlerFunc, secrets map[string]string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatalf("listening for datagrams: %v", err)
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatalf("listening for connections: %v", err)
	}
	for _, s := range []*miekg.Server{{PacketConn: packets}, {Listener: listener, MaxTCPQueries: -1}} {
		started := make(chan struct{})
		s.Handler, s.TsigSecret = handler, secrets
		s.NotifyStartedFunc = func() { close(started) }
		// The library's default refuses updates.
		s.MsgAcceptFunc = func(miekg.Header) miekg.MsgAcceptAction { return miekg.MsgAccept }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
}

// FreePort is a port that is free for UDP and TCP at each of the hosts.
func FreePort(t testing.TB, hosts ...string) int {
	t.Helper()
	for range 100 {
		if port, ok := tryPort(hosts); ok {
			return port
		}
	}
	t.Fatalf("finding a port that is free at %v: all tries failed", hosts)
	return 0
}

func tryPort(hosts []string) (int, bool) {
	port := 0
	for _, h := range hosts {
		packets, err := net.ListenPacket("udp", net.JoinHostPort(h, strconv.Itoa(port)))
		if err != nil {
			return 0, false
		}
		defer packets.Close()
		port = packets.LocalAddr().(*net.UDPAddr).Port
		listener, err := net.Listen("tcp", net.JoinHostPort(h, strconv.Itoa(port)))
		if err != nil {
			return 0, false
		}
		defer listener.Close()
	}
	return port, true
}
