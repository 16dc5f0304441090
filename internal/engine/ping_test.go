// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPingReadsWhatAServerReports(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want Pong
	}{
		"an answer": {
			`{"answered":true,"seconds":0.25,"condition":"service-unavailable","text":"nobody","stage":"answer","failure":"",
			"certificateTrouble":"self-signed","unasked":false,"session":{"direction":"outgoing","local":"a.com","remote":"b.com",
			"secure":true,"bidirectional":false,"tlsVersion":"TLSv1.3","authentication":"dialback","age":3,"queue":0}}`,
			Pong{
				Answered: true, Seconds: 0.25, Condition: "service-unavailable", Text: "nobody", Stage: StageAnswer,
				CertificateTrouble: "self-signed", Session: &Session{
					Direction: "outgoing", Local: "a.com", Remote: "b.com", Secure: true, TLSVersion: "TLSv1.3",
					Authentication: "dialback", Age: 3,
				},
			},
		},
		"a stream error of the partner": {
			`{"answered":false,"seconds":2,"condition":"remote-server-timeout","text":"","stage":"stream","failure":"",
			"certificateTrouble":"","unasked":false,"received":{"condition":"host-unknown","text":"not here"}}`,
			Pong{
				Seconds: 2, Condition: "remote-server-timeout", Stage: StageStream,
				Received: &StreamError{Condition: "host-unknown", Text: "not here"},
			},
		},
		"a key that was turned down without a question": {
			`{"answered":false,"seconds":1,"stage":"authenticate","failure":"dialback: invalid","unasked":true,
			"sent":{"condition":"not-authorized","text":""}}`,
			Pong{
				Seconds: 1, Stage: StageAuthenticate, Failure: "dialback: invalid", Unasked: true,
				Sent: &StreamError{Condition: "not-authorized"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := servePing(t, func(w http.ResponseWriter, r *http.Request) {
				query := r.URL.Query()
				if r.URL.Path != "/xmppfed/ping" || r.Header.Get("Authorization") != "Bearer secret" ||
					query.Get("from") != "a.com" || query.Get("to") != "b.com&from=c.com" {
					w.WriteHeader(http.StatusUnauthorized)
				}
				_, _ = w.Write([]byte(test.body))
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPingFailsWhenTheServerCannotBeAsked(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"too many pings are under way": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "503"},
		"the token is refused":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "401"},
		"not JSON":                     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := servePing(t, test.handler)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "b.com") {
				t.Errorf("got %v, want an error with %q and the partner's name", err, test.want)
			}
			if diff := cmp.Diff(Pong{}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRoundTripIsInTimeUnits(t *testing.T) {
	if got := (Pong{Seconds: 1.5}).RoundTrip(); got != 1500*time.Millisecond {
		t.Errorf("got %s", got)
	}
}

// servePing asks handler for a ping in place of a pod; the name of the partner tries to be a parameter of its own.
func servePing(t *testing.T, handler http.HandlerFunc) (Pong, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return PingAt(context.Background(), strings.TrimPrefix(server.URL, "http://"), "secret", "a.com", "b.com&from=c.com")
}
