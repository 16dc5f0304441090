// SPDX-License-Identifier: Apache-2.0

//go:build integration

package conformance_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/webhook"
)

// hookedZone is a zone of a real PowerDNS behind the webhook server of a real ExternalDNS.
type hookedZone struct {
	serverZone
	t   *testing.T
	url string
}

func (z hookedZone) Provider() dns.Provider { return z.through(z.url) }

// Losing goes through a proxy that breaks the connection when the first change is made.
func (z hookedZone) Losing() dns.Provider {
	target, err := url.Parse(z.url)
	if err != nil {
		z.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	var lost atomic.Bool
	proxy.ModifyResponse = func(answer *http.Response) error {
		if answer.StatusCode == http.StatusNoContent && lost.CompareAndSwap(false, true) {
			return http.ErrAbortHandler
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(proxy)
	z.t.Cleanup(server.Close)
	return z.through(server.URL)
}

func (z hookedZone) through(address string) dns.Provider {
	z.t.Helper()
	_, port, _ := net.SplitHostPort(z.server.Address)
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		z.t.Fatal(err)
	}
	reader, err := public.New(public.Config{Zone: z.zone, Resolvers: []string{z.server.Address}, Port: uint16(number)})
	if err != nil {
		z.t.Fatal(err)
	}
	provider, err := webhook.New(webhook.Config{URL: address, Reader: reader, BareTargets: true})
	if err != nil {
		z.t.Fatal(err)
	}
	return provider
}

func TestWebhookConformsWithARealExternalDNS(t *testing.T) {
	power := dnstest.StartPowerDNS(t, map[string]string{"other.example": foreign})
	address := dnstest.StartWebhookServer(t, power)
	next := 0
	fresh := func(t *testing.T) conformance.Zone {
		zone := fmt.Sprintf("cup%02d.example", next)
		next++
		power.AddZone(t, zone, foreign)
		return hookedZone{serverZone{updates{t, power.Address, zone}, power.Daemon}, t, address}
	}
	table.Run(t, conformance.Subject{Name: "webhook (ExternalDNS 0.20, PowerDNS)", Fresh: fresh})
}
