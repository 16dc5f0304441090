// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/json"
	"fmt"
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
	// Sessions are the server-to-server streams, those that stand first. A stream that carries stanzas of several
	// domains is listed once for each. Of very many, only the first are listed; SessionsTotal counts all.
	Sessions      []Session `json:"sessions"`
	SessionsTotal int64     `json:"sessionsTotal"`
	// RemovedAccounts is the number of former accounts of which something is still stored.
	RemovedAccounts int64 `json:"removedAccounts"`
	// RequestsRefused counts the requests for a user's presence that were above the bounds.
	RequestsRefused int64 `json:"requestsRefused"`
	// Logins counts what clients have tried in vain.
	Logins Logins `json:"logins"`
	// Limits says how near the server is to its bounds, and what it has refused at them.
	Limits LiveLimits `json:"limits"`
	// Volume says how full the data volume is.
	Volume LiveVolume `json:"volume"`
}

// LiveVolume is the volume that a server stores everything on.
type LiveVolume struct {
	// Bytes is its size, UsedBytes what is taken of it. Files and UsedFiles are the same in files; Files is 0 where these have no limit.
	Bytes     int64 `json:"bytes"`
	UsedBytes int64 `json:"usedBytes"`
	Files     int64 `json:"files"`
	UsedFiles int64 `json:"usedFiles"`
	// Full says that messages for users who are away are refused, because too little is free.
	Full bool `json:"full"`
}

// ShortOfFiles reports whether the volume is nearer to its end in files than in bytes.
func (v LiveVolume) ShortOfFiles() bool {
	share := func(used, all int64) float64 { return float64(used) / float64(max(all, 1)) }
	return v.Files > 0 && share(v.UsedFiles, v.Files) > share(v.UsedBytes, v.Bytes)
}

// Logins counts attempts to log in since the server started.
type Logins struct {
	// Failed attempts had a wrong password or none, or a name that there is no account of.
	Failed int64 `json:"failed"`
	// Refused attempts were not judged, because too many had failed before.
	Refused int64 `json:"refused"`
}

// LiveLimits is what a server has to do for others, beside the bounds of that.
type LiveLimits struct {
	// MemoryBytes is the memory in use. MemoryLimitBytes is the limit of the container, 0 if it has none.
	MemoryBytes      int64 `json:"memoryBytes"`
	MemoryLimitBytes int64 `json:"memoryLimitBytes"`
	// Connecting is the number of outgoing streams that are being opened, Waiting of those that wait to be.
	Connecting int64 `json:"connecting"`
	Waiting    int64 `json:"waiting"`
	// Refused counts what was refused since the server started, by reason, such as "pending names".
	Refused map[string]int64 `json:"refused"`
	// Delayed counts the seconds in which streams brought more than their rate, so that they were read later, by listed peer. The
	// seconds of all other domains together are under the empty name.
	Delayed map[string]int64 `json:"delayed"`
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
	// Queue is the number of stanzas that wait for the stream to be ready.
	Queue int64 `json:"queue"`
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

// statusTimeout bounds the wait for a status.
const statusTimeout = 3 * time.Second

// Status asks the server in the pod with address podIP for its [LiveStatus],
// within 3 seconds. The token is the one of [Secrets].
func Status(ctx context.Context, podIP, token string) (LiveStatus, error) {
	return StatusAt(ctx, httpAddress(podIP), token)
}

// StatusAt is [Status] of a server whose HTTP port is reached at address.
func StatusAt(ctx context.Context, address, token string) (status LiveStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if err := ask(ctx, "http://"+address+"/xmppfed/status", token, &status); err != nil {
		return LiveStatus{}, fmt.Errorf("asking server for its status: %w", err)
	}
	return status, nil
}
