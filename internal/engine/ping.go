// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// PingTimeout is how long a server waits for the answer to a ping, streams that have to be opened first included. It is
// longer than the server's own limit for opening a stream, so that the reason of a failure is known in time.
const PingTimeout = 40 * time.Second

// Stage is how far a ping came.
type Stage string

// Stages of a ping, in their order.
const (
	// StageResolve looks for the partner's server in the DNS.
	StageResolve Stage = "resolve"
	// StageConnect opens TCP connections to it.
	StageConnect Stage = "connect"
	// StageStream waits for its stream header and features (RFC 6120 section 4).
	StageStream Stage = "stream"
	// StageTLS encrypts the stream and judges the certificate (RFC 6120 section 5).
	StageTLS Stage = "tls"
	// StageAuthenticate proves our domain by SASL EXTERNAL (XEP-0178) or dialback (XEP-0220).
	StageAuthenticate Stage = "authenticate"
	// StageAnswer waits for the answer to the ping on a stream that stands.
	StageAnswer Stage = "answer"
)

// Pong is what came of a ping (XEP-0199) to a partner's domain. The texts are the partner's or the server's own and not
// to be trusted.
type Pong struct {
	// Answered is true when the partner sent any answer, an error included: stanzas travel both ways.
	Answered bool `json:"answered"`
	// Seconds from the request to the answer or failure, streams that had to be opened first included.
	Seconds float64 `json:"seconds"`
	// Condition and Text are those of the stanza error that came back, from the partner when Answered, else from our own
	// server; empty for a plain answer.
	Condition string `json:"condition"`
	Text      string `json:"text"`
	// Stage is where the ping ended; StageAnswer when a stream stands but nothing came back, empty when no stream was
	// tried because our own policy forbids it.
	Stage Stage `json:"stage"`
	// Received is the stream error with which the partner closed our stream, Sent the one with which our server did.
	Received *StreamError `json:"received,omitempty"`
	Sent     *StreamError `json:"sent,omitempty"`
	// Failure is the text of an error without a stream error: of DNS, TCP or TLS, "dialback: " and the type or condition
	// with which the partner turned our key down (XEP-0220 section 2.4), "EXTERNAL: " and a SASL error, or "timeout" when
	// nothing at all came of the ping in time.
	Failure string `json:"failure"`
	// Unasked is true when the partner turned our key down without asking our server about it: it believes that it hosts
	// our domain itself.
	Unasked bool `json:"unasked"`
	// CertificateTrouble says what is wrong with the partner's certificate: "expired", "self-signed", "untrusted",
	// "wrong name" or another text; empty when it is valid or none was seen.
	CertificateTrouble string `json:"certificateTrouble"`
	// Addresses are those of the partner's servers that were tried for the stream; the last is empty where there were more. Servers of
	// former versions don't say, then it is nil.
	Addresses []string `json:"addresses"`
	// Session is the stream that carries stanzas to the partner, when there is one.
	Session *Session `json:"session,omitempty"`
}

// StreamError is a stream error (RFC 6120 section 4.9).
type StreamError struct {
	Condition string `json:"condition"`
	Text      string `json:"text"`
}

// RoundTrip is the time from the request to the answer.
func (p Pong) RoundTrip() time.Duration {
	return time.Duration(p.Seconds * float64(time.Second))
}

// Ping has the server in the pod with address podIP ping the domain to from its own domain from, within [PingTimeout].
// An error means that the server could not be asked; a partner that can't be reached is none. The token is the one of
// [Secrets].
func Ping(ctx context.Context, podIP, token, from, to string) (pong Pong, err error) {
	return PingAt(ctx, httpAddress(podIP), token, from, to)
}

// PingAt is [Ping] by a server whose HTTP port is reached at address.
func PingAt(ctx context.Context, address, token, from, to string) (pong Pong, err error) {
	ctx, cancel := context.WithTimeout(ctx, PingTimeout)
	defer cancel()
	query := url.Values{"from": {from}, "to": {to}}
	if err := ask(ctx, "http://"+address+"/xmppfed/ping?"+query.Encode(), token, &pong); err != nil {
		return Pong{}, fmt.Errorf("asking server for a ping of %s: %w", to, err)
	}
	return pong, nil
}
