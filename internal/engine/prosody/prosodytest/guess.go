// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
)

// OpenClientFrom opens a client's stream from the given loopback address, which is not authenticated yet.
func OpenClientFrom(source string, port int32, domain string) (*Stream, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return openFrom(dialer, port, clientHeader(domain), &tls.Config{InsecureSkipVerify: true})
}

// Try tries a password with SASL PLAIN and returns the condition of the failure, or empty when it is the right one.
func (s *Stream) Try(localpart, password string) (condition string, err error) {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + localpart + "\x00" + password))
	answer, err := s.sasl("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + "</auth>")
	return failureOf(answer), err
}

// Challenge begins SCRAM-SHA-1 and returns the server's first message, or what was answered instead.
func (s *Stream) Challenge(localpart string) (string, error) {
	first := base64.StdEncoding.EncodeToString([]byte("n,,n=" + localpart + ",r=nonce"))
	answer, err := s.sasl("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>" + first + "</auth>")
	text, isChallenge := strings.CutSuffix(answer, "</challenge>")
	if err != nil || !isChallenge {
		return answer, err
	}
	_, text, _ = strings.Cut(text, ">")
	challenge, err := base64.StdEncoding.DecodeString(text)
	return string(challenge), err
}

// Respond ends SCRAM-SHA-1 with a proof that is wrong, and returns the server's answer.
func (s *Stream) Respond(challenge string) (string, error) {
	final, err := respond("n=x,r=nonce", challenge, "wrong")
	if err != nil {
		return "", err
	}
	return s.sasl("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.StdEncoding.EncodeToString([]byte(final)) + "</response>")
}

// sasl sends text and returns the element that answers it.
func (s *Stream) sasl(text string) (string, error) {
	if err := s.Send(text); err != nil {
		return "", err
	}
	answer, err := s.Expect("<success", "</failure>", "</challenge>", "</stream:stream>")
	if err == nil && strings.HasSuffix(answer, "</stream:stream>") {
		err = fmt.Errorf("the stream ended: %s", answer)
	}
	return answer, err
}

// failureOf returns the condition within a <failure/>.
func failureOf(answer string) string {
	_, rest, found := strings.Cut(answer, "<failure")
	if !found {
		return ""
	}
	_, rest, _ = strings.Cut(rest, "><")
	return rest[:strings.IndexAny(rest+"/", "/> ")]
}
