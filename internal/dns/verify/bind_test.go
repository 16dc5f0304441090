// SPDX-License-Identifier: Apache-2.0

//go:build integration

package verify_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

func TestASecondaryBINDFollowsThePrimary(t *testing.T) {
	const primaryHost, secondaryHost = "127.0.0.1", "127.0.0.2"
	port := dnstest.FreePort(t, primaryHost, secondaryHost)
	zones := map[string]string{"cupdomain.com": "@ NS ns2\nns2 A " + secondaryHost + "\n"}
	primary := dnstest.StartNamed(t, dnstest.NamedOptions{Host: primaryHost, Port: port, Zones: zones, Notify: secondaryHost})
	secondary := dnstest.StartNamed(t, dnstest.NamedOptions{Host: secondaryHost, Port: port, Zones: zones, Primary: primaryHost})
	client, err := rfc2136.New(rfc2136.Config{
		Zone: "cupdomain.com", Servers: []string{primary.Address}, KeyName: dnstest.FedKey, Secret: dnstest.FedSecret, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	verifier := verify.Verifier{Port: uint16(port), Timeout: time.Second}
	eventually := func(what string, want []dns.RRset, gone ...dns.Key) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, err = verifier.Check(context.Background(), client, want, gone); err == nil {
				return
			}
			if e, ok := dns.AsError(err); !ok || e.Permanent {
				break
			}
		}
		t.Fatalf("%s: %v", what, err)
	}

	eventually("the secondary takes over the zone", nil)
	if err := client.Apply(context.Background(), dns.Change{Put: []dns.RRset{srv, host}}); err != nil {
		t.Fatal(err)
	}
	eventually("records get to the secondary", []dns.RRset{srv, host})

	secondary.Stop()
	moved := address("cup1.cupdomain.com", "203.0.113.131")
	if err := client.Apply(context.Background(), dns.Change{Put: []dns.RRset{moved}, Drop: []dns.Key{srv.Key()}}); err != nil {
		t.Fatal(err)
	}
	report, err := verifier.Check(context.Background(), client, []dns.RRset{moved}, []dns.Key{srv.Key()})
	e, ok := dns.AsError(err)
	if !ok || e.Reason != v1alpha1.ReasonServerUnavailable || !strings.Contains(e.Message, "ns2.cupdomain.com ("+secondaryHost+")") {
		t.Errorf("with the secondary stopped: got %v, want ServerUnavailable about it", err)
	}
	if len(report.Servers) != 2 || strings.Contains(e.Message, strconv.Itoa(port)) {
		t.Errorf("got %+v, want two servers and no port in %q", report.Servers, e.Message)
	}
	secondary.Start()
	eventually("the secondary catches up", []dns.RRset{moved}, srv.Key())
}
