// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// openPorts serves what everybody in the cluster can connect to, and returns a URL of each.
func openPorts(t *testing.T) map[string]string {
	t.Helper()
	metrics := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	probing := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	if err := (&probes{}).serve(t.Context(), probing); err != nil {
		t.Fatal(err)
	}
	running, err := metricsServer(t.Context(), Options{MetricsAddress: metrics}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- running.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return map[string]string{"metrics": "http://" + metrics + "/metrics", "probes": "http://" + probing + "/healthz"}
}

// get asks with a header of some size, waiting for the server to begin, and returns the status code.
func get(t *testing.T, url string, header int) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Padding", strings.Repeat("y", header))
		answer, err := client.Do(request)
		var dialed *net.OpError
		if errors.As(err, &dialed) && dialed.Op == "dial" && t.Context().Err() == nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
}

func TestOpenPorts_TakeNoHeaderThatIsLongerThanATokenNeeds(t *testing.T) {
	for name, url := range openPorts(t) {
		t.Run(name, func(t *testing.T) {
			if code := get(t, url, 2<<10); code != http.StatusOK {
				t.Errorf("a header of 2 KiB: %d", code)
			}
			if code := get(t, url, 64<<10); code != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("a header of 64 KiB: %d, want it refused", code)
			}
		})
	}
}

// A stranger opens twice as many connections as there may be, and ends no header. Whoever comes then is served at once.
func TestOpenPorts_HoldFewConnectionsAndLetAScraperIn(t *testing.T) {
	for name, url := range openPorts(t) {
		t.Run(name, func(t *testing.T) {
			if code := get(t, url, 1); code != http.StatusOK {
				t.Fatalf("before: %d", code)
			}
			held := make([]net.Conn, 2*maxConnections)
			for i := range held {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.Split(url, "/")[2])
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: a\r\nX-Padding: yyy")); err != nil {
					t.Fatal(err)
				}
				held[i] = conn
			}
			if code := get(t, url, 1); code != http.StatusOK {
				t.Errorf("beside the stranger: %d", code)
			}
			for i, conn := range held[:maxConnections] {
				if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("connection %d of %d is still open", i+1, len(held))
				}
			}
		})
	}
}

func TestLeastDue(t *testing.T) {
	for name, test := range map[string]struct {
		// open are hosts, with a dot where a request is being answered.
		open string
		want int
	}{
		"the oldest of one host":                            {"a a a", 0},
		"not one that is being served":                      {"a. a a", 1},
		"of the host that has most":                         {"b a a", 1},
		"what is being served makes nobody a crowd":         {"b. b. b a a", 3},
		"the oldest where each is being served":             {"b. a. a.", 0},
		"the newest where it alone is not being served":     {"b. a. a", 2},
		"the oldest of all where each host has one":         {"c b a", 0},
		"a scraper that is new stays beside many of others": {"a a b", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var open []*boundedConn
			for _, host := range strings.Fields(test.open) {
				name, served := strings.CutSuffix(host, ".")
				open = append(open, &boundedConn{host: name, served: served})
			}
			if got := leastDue(open); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
