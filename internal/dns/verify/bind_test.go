// SPDX-License-Identifier: Apache-2.0

//go:build integration

package verify_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

// relay queries to a server, since BIND listens at 127.0.0.1 only and all servers of a zone have the same port.
func relay(server string) miekg.HandlerFunc {
	return func(w miekg.ResponseWriter, r *miekg.Msg) {
		client := miekg.Client{Net: w.LocalAddr().Network()}
		if answer, _, err := client.Exchange(r, server); err == nil {
			_ = w.WriteMsg(answer)
		}
	}
}

func TestASecondaryBINDFollowsThePrimary(t *testing.T) {
	const secondaryHost = "127.0.0.2"
	port := dnstest.FreePort(t, "127.0.0.1", secondaryHost)
	secondaryPort := dnstest.FreePort(t, "127.0.0.1")
	zones := map[string]string{"cupdomain.com": "@ NS ns2\nns2 A " + secondaryHost + "\n"}
	primary := dnstest.StartNamed(t, dnstest.NamedOptions{Port: port, Zones: zones, NotifyPort: secondaryPort})
	secondary := dnstest.StartNamed(t, dnstest.NamedOptions{Port: secondaryPort, Zones: zones, PrimaryPort: port})
	dnstest.Serve(t, fmt.Sprintf("%s:%d", secondaryHost, port), relay(secondary.Address), nil)
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
		t.Fatalf("%s: %v\nlog of the secondary:\n%s", what, err, secondary.Log())
	}

	ns2 := address("ns2.cupdomain.com", secondaryHost)
	eventually("the secondary takes over the zone", []dns.RRset{ns2})
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
