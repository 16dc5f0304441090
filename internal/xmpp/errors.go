// SPDX-License-Identifier: Apache-2.0

package xmpp

import "fmt"

// Stage is how far a stream had come when something went wrong.
type Stage int

// Stages of a stream, in their order.
const (
	// StageHeader is from the connection to the peer's stream header (RFC 6120 section 4.2).
	StageHeader Stage = iota
	// StageFeatures is from the header to the stream features (RFC 6120 section 4.3.2).
	StageFeatures
	// StageNegotiation is from the STARTTLS request to the peer's go-ahead (RFC 6120 section 5.4.2).
	StageNegotiation
	// StageHandshake is the TLS handshake.
	StageHandshake
	// StageVerify is from a dialback key to the peer's word on it (XEP-0220 section 2.1.2).
	StageVerify
)

// String names what the stage waits for.
func (s Stage) String() string {
	switch s {
	case StageHeader:
		return "stream header"
	case StageFeatures:
		return "stream features"
	case StageNegotiation:
		return "answer to starttls"
	case StageVerify:
		return "answer to a dialback key"
	default:
		return "TLS handshake"
	}
}

// StreamError is a stream error that the peer sent (RFC 6120 section 4.9): it speaks XMPP, and refuses. The texts are
// the peer's own and not to be trusted.
type StreamError struct {
	// Condition is the defined condition (RFC 6120 section 4.9.3), for example "host-unknown".
	Condition string
	// Text is the peer's explanation, often empty; with "see-other-host" the host comes before it.
	Text string
}

// Error implements error.
func (e *StreamError) Error() string {
	return fmt.Sprintf("stream error %q: %q", e.Condition, e.Text)
}

// ProtocolError is an answer that XMPP does not allow. Detail says what, and is safe to show.
type ProtocolError struct {
	Stage  Stage
	Detail string
}

// Error implements error.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("reading %s: %s", e.Stage, e.Detail)
}

// ConnectionError is a connection that failed, ended, or was silent for too long, at the stage given.
type ConnectionError struct {
	Stage Stage
	Err   error
}

// Error implements error.
func (e *ConnectionError) Error() string {
	return fmt.Sprintf("waiting for %s: %v", e.Stage, e.Err)
}

// Unwrap gives the cause: io.ErrUnexpectedEOF when the peer closed, os.ErrDeadlineExceeded when it was silent, the
// context's error when that ended, an error of crypto/tls for StageHandshake.
func (e *ConnectionError) Unwrap() error { return e.Err }

// TLSRefusedError is the peer's failure answer to STARTTLS, after it had offered it (RFC 6120 section 5.4.2.2).
type TLSRefusedError struct{}

// Error implements error.
func (*TLSRefusedError) Error() string { return "the peer offered STARTTLS and then refused it" }
