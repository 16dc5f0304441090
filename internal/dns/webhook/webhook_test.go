// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/dns/webhook"
)

func newReader(t *testing.T, resolver string, port uint16) *public.Reader {
	t.Helper()
	reader, err := public.New(public.Config{Zone: "cupdomain.com", Resolvers: []string{resolver}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func newProvider(t *testing.T, url string, resolver string, port uint16) *webhook.Provider {
	t.Helper()
	p, err := webhook.New(webhook.Config{URL: url, Reader: newReader(t, resolver, port)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// world is a zone behind a webhook.
func world(t *testing.T) (*dnstest.Memory, *dnstest.Webhook, *webhook.Provider) {
	t.Helper()
	zone := dnstest.NewMemory("cupdomain.com")
	server := dnstest.ServeWebhook(t, zone)
	return zone, server, newProvider(t, server.URL, "127.0.0.1:1", 1)
}

func TestWhatIsPublishedIsVerifiedAtTheNameServers(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	resolver, port := dnstest.Delegate(t, zone)
	p := newProvider(t, dnstest.ServeWebhook(t, zone).URL, resolver, port)
	if err := p.Probe(context.Background()); err != nil {
		t.Errorf("probing: %v", err)
	}
	units := dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)
	if _, err := dnstest.Converge(t, p, units...); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Verifier{Port: port}.Check(context.Background(), p, units[0].Records, nil)
	if err != nil || !report.Published(units[0].Records[0].Key()) {
		t.Errorf("got %+v, %v, want that it is published", report, err)
	}
	if !p.Capabilities().BestEffort() {
		t.Errorf("capabilities are %+v, want best effort", p.Capabilities())
	}
}

// TestAChangeThatIsInterruptedAtAnyStepIsCompletedByTheNextRun also when that one wants something else.
func TestAChangeThatIsInterruptedAtAnyStepIsCompletedByTheNextRun(t *testing.T) {
	first, second := dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300), dnstest.Federation("cup2.cupdomain.com", "203.0.113.131", 300)
	together := []dns.Unit{{Anchor: "cupdomain.com", Records: append(dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)[0].Records, first[1].Records...)}}
	changes := map[string][2][]dns.Unit{
		"a record moves to an anchor of its own": {together, first},
		"a record moves to another anchor":       {first, together},
		"claim":                                  {nil, first},
		"change":                                 {first, second},
		"release":                                {first, nil},
	}
	for name, change := range changes {
		for n := range 6 {
			for next, units := range map[string][]dns.Unit{"the same": change[1], "what was before": change[0], "nothing": nil} {
				t.Run(fmt.Sprintf("%s, interrupted after %d steps, then %s", name, n, next), func(t *testing.T) {
					zone, server, p := world(t)
					if _, err := dnstest.Converge(t, p, change[0]...); err != nil {
						t.Fatal(err)
					}
					server.BreakAfter(n)
					_, err := dnstest.Converge(t, p, change[1]...)
					if e, ok := dns.AsError(err); err != nil && (!ok || e.Reason != v1alpha1.ReasonServerUnavailable || !e.Unsettled) {
						t.Fatalf("interrupted: got %v", err)
					}
					server.BreakAfter(-1)
					if _, err := dnstest.Converge(t, p, units...); err != nil {
						t.Errorf("the next run: %v", err)
					}
					if got, want := len(zone.Dump()), published(units); got != want {
						t.Errorf("the zone has %d records, want %d:\n%s", got, want, strings.Join(zone.Dump(), "\n"))
					}
				})
			}
		}
	}
}

// published counts the records with their ownership records.
func published(units []dns.Unit) int {
	if len(units) == 0 {
		return 0
	}
	n := 1
	for _, unit := range units {
		n += 1 + len(unit.Records)
	}
	return n
}

func TestTargetsAreWrittenInTheFormOfTheVersion(t *testing.T) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprintf("bare %t", bare), func(t *testing.T) {
			zone := dnstest.NewMemory("cupdomain.com")
			server := dnstest.ServeWebhook(t, zone)
			server.BareTargets = bare
			p, err := webhook.New(webhook.Config{URL: server.URL, Reader: newReader(t, "127.0.0.1:1", 1), BareTargets: bare})
			if err != nil {
				t.Fatal(err)
			}
			for _, units := range [][]dns.Unit{dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300), dnstest.Federation("cup2.cupdomain.com", "203.0.113.130", 300), nil} {
				if _, err := dnstest.Converge(t, p, units...); err != nil || len(zone.Dump()) != published(units) {
					t.Errorf("got %v and %v, want %d records", err, zone.Dump(), published(units))
				}
			}
		})
	}
}

func TestALongerTTLThatTheWebhookInsistsOnIsNoDrift(t *testing.T) {
	zone, server, p := world(t)
	server.MinTTL = 3600
	units := dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)
	if _, err := dnstest.Converge(t, p, units...); err != nil {
		t.Fatal(err)
	}
	if r, err := dnstest.Converge(t, p, units...); err != nil || r.Changed {
		t.Errorf("the second run: got %+v, %v, want nothing to do", r, err)
	}
	// After a restart it has to be found out again, once.
	restarted := newProvider(t, server.URL, "127.0.0.1:1", 1)
	for run, changed := range []bool{true, false} {
		if r, err := dnstest.Converge(t, restarted, units...); err != nil || r.Changed != changed {
			t.Errorf("run %d after a restart: got %+v, %v, want changed %t", run, r, err, changed)
		}
	}
	for _, line := range zone.Dump() {
		if !strings.Contains(line, " 3600 ") {
			t.Errorf("got %s, want the TTL of the webhook", line)
		}
	}
}

func TestATypeThatTheWebhookDoesNotTakeIsReportedBeforeAnythingOfTheNameIsWritten(t *testing.T) {
	zone, server, p := world(t)
	server.Without = []string{"SRV"}
	_, err := dnstest.Converge(t, p, dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)...)
	e, ok := dns.AsError(err)
	if !ok || e.Reason != v1alpha1.ReasonUpdateRejected || !strings.Contains(e.Message, "SRV _xmpp-server._tcp.cupdomain.com") ||
		strings.Contains(strings.Join(zone.Dump(), "\n"), "own._xmppfed.cupdomain.com") {
		t.Errorf("got %v and a zone of %v, want UpdateRejected and nothing of the domain", err, zone.Dump())
	}
}

func TestFailuresOfTheWebhookBecomeReasons(t *testing.T) {
	tests := map[string]struct {
		request   string
		status    int
		reason    string
		permanent bool
		unsettled bool
	}{
		"The list can't be had":              {"GET /records", 500, v1alpha1.ReasonServerUnavailable, false, false},
		"Too many requests":                  {"GET /records", 429, v1alpha1.ReasonServerUnavailable, false, false},
		"Credentials are missing":            {"GET /records", 401, v1alpha1.ReasonUpdateRefused, true, false},
		"Adjusting fails":                    {"POST /adjustendpoints", 502, v1alpha1.ReasonServerUnavailable, false, false},
		"A change may have been carried out": {"POST /records", 500, v1alpha1.ReasonServerUnavailable, false, true},
		"A change is refused":                {"POST /records", 403, v1alpha1.ReasonUpdateRefused, true, false},
		"A change is not understood":         {"POST /records", 400, v1alpha1.ReasonUpdateRejected, true, false},
		"A redirect is no answer":            {"GET /records", 302, v1alpha1.ReasonUpdateRejected, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, server, p := world(t)
			server.FailWith(test.request, test.status)
			_, err := dnstest.Converge(t, p, dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)...)
			e, ok := dns.AsError(err)
			if !ok || e.Reason != test.reason || e.Permanent != test.permanent || e.Unsettled != test.unsettled ||
				!strings.Contains(e.Message, server.URL) {
				t.Errorf("got %+v, want %s, permanent %t, unsettled %t", e, test.reason, test.permanent, test.unsettled)
			}
			server.FailWith(test.request, 0)
			if _, err := dnstest.Converge(t, p, dnstest.Federation("cup1.cupdomain.com", "203.0.113.130", 300)...); err != nil {
				t.Errorf("after it is repaired: %v", err)
			}
		})
	}
}

func TestProbingTellsWhatAnswers(t *testing.T) {
	const mediaType = "application/external.dns.webhook+json;version=1"
	tests := map[string]struct {
		contentType, body string
		reason            string
	}{
		"For all zones":                       {mediaType, `{}`, ""},
		"For this zone":                       {mediaType, `{"include":["other.example","cupdomain.com"]}`, ""},
		"For a zone above":                    {mediaType, `{"include":["com"]}`, ""},
		"In the words of older servers":       {mediaType, `{"filters":["cupdomain.com"]}`, ""},
		"With spaces in the media type":       {"application/external.dns.webhook+json; version=1", `{}`, ""},
		"For another zone":                    {mediaType, `{"include":["other.example"]}`, v1alpha1.ReasonNotAuthoritative},
		"For another zone of a similar name":  {mediaType, `{"include":["domain.com"]}`, v1alpha1.ReasonNotAuthoritative},
		"With this zone excluded":             {mediaType, `{"exclude":["cupdomain.com"]}`, v1alpha1.ReasonNotAuthoritative},
		"No webhook":                          {"text/html", `<html>`, v1alpha1.ReasonUpdateRejected},
		"A webhook of a later version":        {"application/external.dns.webhook+json;version=2", `{}`, v1alpha1.ReasonUpdateRejected},
		"The right media type, but not JSON":  {mediaType, `<html>`, v1alpha1.ReasonUpdateRejected},
		"JSON that says something else again": {mediaType, `[]`, v1alpha1.ReasonUpdateRejected},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			err := newProvider(t, server.URL, "127.0.0.1:1", 1).Probe(context.Background())
			e, ok := dns.AsError(err)
			if test.reason == "" && err != nil || test.reason != "" && (!ok || e.Reason != test.reason || !e.Permanent) {
				t.Errorf("got %v, want reason %q", err, test.reason)
			}
		})
	}
}

func TestAWebhookThatIsNotThereIsReported(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	p := newProvider(t, server.URL, "127.0.0.1:1", 1)
	e, ok := dns.AsError(p.Probe(context.Background()))
	if !ok || e.Reason != v1alpha1.ReasonServerUnavailable || !strings.Contains(e.Message, "refuses connections") {
		t.Errorf("got %+v, want that it refuses connections", e)
	}
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	for _, url := range []string{"", "localhost:8888", "ftp://localhost", "http://", "http://user:password@localhost:8888"} {
		_, err := webhook.New(webhook.Config{URL: url})
		if err == nil || !strings.HasPrefix(err.Error(), "url:") || strings.Contains(err.Error(), "password") {
			t.Errorf("%q: got %v, want an error about the url that gives nothing away", url, err)
		}
	}
}

func TestWhatProvidersListIsUnderstood(t *testing.T) {
	const body = `[
		{"dnsName":"A.cupdomain.com.","recordType":"A","targets":["203.0.113.1","203.0.113.2"],"recordTTL":60},
		{"dnsName":"_xmpp-server._tcp.cupdomain.com","recordType":"SRV","targets":["0 0 5269 cup1.cupdomain.com"]},
		{"dnsName":"plain.cupdomain.com","recordType":"TXT","targets":["v=xf1;a=b c"]},
		{"dnsName":"quoted.cupdomain.com","recordType":"TXT","targets":["\"v=xf1;a=b\" \"c \\\"d\\\"\""]},
		{"dnsName":"alias.cupdomain.com","recordType":"CNAME","targets":["elsewhere.example"]},
		{"dnsName":"routed.cupdomain.com","recordType":"A","targets":["203.0.113.3"],"setIdentifier":"east"},
		{"dnsName":"routed.cupdomain.com","recordType":"A","targets":["203.0.113.4"],"setIdentifier":"west"},
		{"dnsName":"odd.cupdomain.com","recordType":"A","targets":["dualstack.elsewhere.example"]},
		{"dnsName":"new.cupdomain.com","recordType":"FANCY","targets":["?"]}
	]`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/external.dns.webhook+json;version=1")
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	p := newProvider(t, server.URL, "127.0.0.1:1", 1)
	tests := map[string]struct {
		key  dns.Key
		want []string
	}{
		"Names in any form":                        {dns.Key{Name: "a.cupdomain.com.", Type: dns.TypeA}, []string{"203.0.113.1", "203.0.113.2"}},
		"A target without dot":                     {dns.Key{Name: "_xmpp-server._tcp.cupdomain.com.", Type: dns.TypeSRV}, []string{"0 0 5269 cup1.cupdomain.com."}},
		"Text without quotes":                      {dns.Key{Name: "plain.cupdomain.com.", Type: dns.TypeTXT}, []string{`"v=xf1;a=b c"`}},
		"Text in quotes":                           {dns.Key{Name: "quoted.cupdomain.com.", Type: dns.TypeTXT}, []string{`"v=xf1;a=b" "c \"d\""`}},
		"An alias in place of what was asked for":  {dns.Key{Name: "alias.cupdomain.com.", Type: dns.TypeA}, []string{"elsewhere.example."}},
		"Several sets of one name":                 {dns.Key{Name: "routed.cupdomain.com.", Type: dns.TypeA}, []string{"203.0.113.3", "203.0.113.4"}},
		"What is no data of its type is not lost":  {dns.Key{Name: "odd.cupdomain.com.", Type: dns.TypeA}, []string{`"dualstack.elsewhere.example"`}},
		"What is not there":                        {dns.Key{Name: "none.cupdomain.com.", Type: dns.TypeA}, nil},
		"Another type at a name that has a record": {dns.Key{Name: "a.cupdomain.com.", Type: dns.TypeTXT}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sets, err := p.Get(context.Background(), test.key)
			var got []string
			for _, set := range sets {
				got = append(got, set.Strings()...)
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("got %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
