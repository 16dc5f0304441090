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

func TestStatusReadsWhatAServerReports(t *testing.T) {
	body := `{"engine":"Prosody","version":"13.0.1","generation":"g","secretGeneration":"s","configError":"",
		"certificate":{"serial":"00a1","notAfter":"Nov  2 16:06:46 2026 GMT"},"hosts":["a","b"],
		"sessions":[{"direction":"incoming","local":"a","remote":"r","secure":true,"bidirectional":true,
		"tlsVersion":"TLSv1.3","authentication":"EXTERNAL","age":7,"queue":2}],"sessionsTotal":3,
		"removedAccounts":6,"requestsRefused":7,"logins":{"failed":4,"refused":5}}`
	got, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/xmppfed/status" || r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(body))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := LiveStatus{
		Engine: "Prosody", Version: "13.0.1", Generation: "g", SecretGeneration: "s",
		Certificate: LiveCertificate{Serial: "A1", NotAfter: time.Date(2026, 11, 2, 16, 6, 46, 0, time.UTC)},
		Hosts:       []string{"a", "b"},
		Sessions: []Session{{
			Direction: "incoming", Local: "a", Remote: "r", Secure: true, Bidirectional: true,
			TLSVersion: "TLSv1.3", Authentication: "EXTERNAL", Age: 7, Queue: 2,
		}},
		SessionsTotal:   3,
		RemovedAccounts: 6,
		RequestsRefused: 7,
		Logins:          Logins{Failed: 4, Refused: 5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStatusFailsOnAnythingElse(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"the token is refused": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "401"},
		"a redirect":           {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "302"},
		"not JSON":             {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "invalid character"},
		"a date nobody can read": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"certificate":{"serial":"1","notAfter":"tomorrow"}}`))
		}, "certificate date"},
		"more than a mebibyte": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat(" ", 1<<20+1)))
		}, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := serve(t, test.handler); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// serve asks handler for its status in place of a pod.
func serve(t *testing.T, handler http.HandlerFunc) (LiveStatus, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return StatusAt(context.Background(), strings.TrimPrefix(server.URL, "http://"), "secret")
}
