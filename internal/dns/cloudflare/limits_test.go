// SPDX-License-Identifier: Apache-2.0

package cloudflare_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/cloudflare"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestRequestsOfAnAccountWaitForTheirTurn(t *testing.T) {
	_, server := serve(t)
	limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
	shared := func(c *cloudflare.Config) { c.Limiter = limiter }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}
	if _, err := newProvider(t, server.URL, shared).Get(ctx, key); err != nil {
		t.Errorf("the first request: %v", err)
	}
	_, err := newProvider(t, server.URL, shared).Get(ctx, key)
	dnstest.WantError(t, err, v1alpha1.ReasonRateLimited, false, "1,200 in five minutes", "cupdomain.com")
	if !errors.Is(err, dns.ErrNoTurn) {
		t.Errorf("got %v, want that the request had no turn", err)
	}
	if sent := server.Requests(); len(sent) != 1 {
		t.Errorf("%v were sent, want one request", sent)
	}
}

func TestATTLThatTheZoneDoesNotTakeIsTold(t *testing.T) {
	_, server := serve(t)
	_, err := dnstest.Converge(t, newProvider(t, server.URL, nil), units(30, false)...)
	dnstest.WantError(t, err, v1alpha1.ReasonUpdateRejected, true, "no TTL below 60 seconds, or 30 in an Enterprise zone", "spec.dns.ttl")
	server.MinTTL = 30
	if _, err := dnstest.Converge(t, newProvider(t, server.URL, nil), units(30, false)...); err != nil {
		t.Errorf("in an Enterprise zone: %v", err)
	}
}

func TestTextIsSentUpToTheSizeThatCloudflareTakes(t *testing.T) {
	// Twenty strings with their lengths, the last of which makes up the rest, behind the name and ten bytes.
	text := func(size int) dns.TXT {
		out := make(dns.TXT, 20)
		for i := range out {
			out[i] = strings.Repeat("a", 200)
		}
		out[19] = strings.Repeat("a", size-len("text.cupdomain.com.")-1-10-19*201-1)
		return out
	}
	for name, test := range map[string]struct {
		data     []dns.Data
		tooLarge bool
	}{
		"As long as it may be":          {[]dns.Data{text(4096)}, false},
		"A byte longer":                 {[]dns.Data{text(4097)}, true},
		"Several are long together":     {[]dns.Data{text(4000), text(4001)}, false},
		"Several are too long together": {[]dns.Data{text(4090), text(4091), text(4000)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			zone, server := serve(t)
			set := dns.RRset{Name: "text.cupdomain.com.", Type: dns.TypeTXT, TTL: 300, Data: test.data}
			err := newProvider(t, server.URL, nil).Apply(t.Context(), dns.Change{Put: []dns.RRset{set}})
			if !test.tooLarge {
				if err != nil || len(zone.Dump()) != len(test.data) {
					t.Errorf("got %v, %d records, want them written", err, len(zone.Dump()))
				}
				return
			}
			if !errors.Is(err, dns.ErrTooLarge) {
				t.Errorf("got %v, want that it is too large", err)
			}
			if n := len(server.Requests()); n > 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}
