// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// LiveStatus is what a running server says of itself.
type LiveStatus struct {
	// Engine and Version name the server, such as "Prosody" and "13.0.1".
	Engine  string `json:"engine"`
	Version string `json:"version"`
	// Generation and SecretGeneration are those of the configuration and the
	// Secret that are in force, not of those that were last delivered.
	Generation       string `json:"generation"`
	SecretGeneration string `json:"secretGeneration"`
	// ConfigError says why the last delivered configuration or Secret was not
	// taken over, in full or in part; empty when it was.
	ConfigError string `json:"configError"`
	// Certificate is the one that new streams are served.
	Certificate LiveCertificate `json:"certificate"`
	// Hosts are the domains being served, room services included, sorted.
	Hosts []string `json:"hosts"`
	// Sessions are the server-to-server streams.
	Sessions []Session `json:"sessions"`
}

// LiveCertificate identifies a certificate.
type LiveCertificate struct {
	// Serial is the serial number in upper-case hexadecimal, without leading zeros.
	Serial string
	// NotAfter is the end of its validity.
	NotAfter time.Time
}

// Session is one server-to-server stream.
type Session struct {
	// Direction is "incoming" or "outgoing".
	Direction string `json:"direction"`
	// Local is our domain, Remote the partner's; empty while unknown.
	Local  string `json:"local"`
	Remote string `json:"remote"`
	// Secure says whether the stream is encrypted, TLSVersion how, such as "TLSv1.3".
	Secure     bool   `json:"secure"`
	TLSVersion string `json:"tlsVersion"`
	// Bidirectional streams (XEP-0288) carry stanzas both ways.
	Bidirectional bool `json:"bidirectional"`
	// Authentication is how the domain was proven: "EXTERNAL" (certificate),
	// "dialback", or empty while it is not.
	Authentication string `json:"authentication"`
	// Age is the time since the stream was opened, in seconds.
	Age int64 `json:"age"`
}

// certificateTime is how OpenSSL prints a certificate's dates.
const certificateTime = "Jan _2 15:04:05 2006 MST"

// UnmarshalJSON reads the form that servers report: OpenSSL's notation of the
// date, and the serial number with or without leading zeros. Both are empty
// while the server has no usable certificate.
func (c *LiveCertificate) UnmarshalJSON(data []byte) error {
	var raw struct{ Serial, NotAfter string }
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("reading certificate: %w", err)
	}
	*c = LiveCertificate{Serial: strings.TrimLeft(strings.ToUpper(raw.Serial), "0")}
	if raw.NotAfter == "" {
		return nil
	}
	notAfter, err := time.Parse(certificateTime, raw.NotAfter)
	if err != nil {
		return fmt.Errorf("reading certificate date: %w", err)
	}
	c.NotAfter = notAfter.UTC()
	return nil
}

const (
	statusTimeout = 3 * time.Second
	statusLimit   = 1 << 20 // bytes
)

// statusClient talks to one pod address at a time: no proxy, no redirects, and
// no idle connection that would outlive the pod.
var statusClient = &http.Client{
	Timeout:       statusTimeout,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Status asks the server in the pod with address podIP for its [LiveStatus],
// within 3 seconds and 1 MiB. The token is the one of [Secrets].
func Status(ctx context.Context, podIP, token string) (LiveStatus, error) {
	return statusAt(ctx, net.JoinHostPort(podIP, strconv.Itoa(int(PortNumberHTTP))), token)
}

func statusAt(ctx context.Context, address, token string) (LiveStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/xmppfed/status", nil)
	if err != nil {
		return LiveStatus{}, fmt.Errorf("asking server for its status: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := statusClient.Do(req)
	if err != nil {
		return LiveStatus{}, fmt.Errorf("asking server for its status: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return LiveStatus{}, fmt.Errorf("asking server for its status: %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, statusLimit+1))
	if err != nil {
		return LiveStatus{}, fmt.Errorf("reading status of server: %w", err)
	}
	if len(body) > statusLimit {
		return LiveStatus{}, fmt.Errorf("reading status of server: more than %d bytes", statusLimit)
	}
	var status LiveStatus
	if err := json.Unmarshal(body, &status); err != nil {
		return LiveStatus{}, fmt.Errorf("reading status of server: %w", err)
	}
	return status, nil
}
