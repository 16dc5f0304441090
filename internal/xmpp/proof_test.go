// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// replay is a connection on which the peer says what it says, whatever it hears.
type replay struct {
	in   *bytes.Reader
	sent bytes.Buffer
}

func (r *replay) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *replay) Write(p []byte) (int, error)      { return r.sent.Write(p) }
func (r *replay) Close() error                     { return nil }
func (r *replay) LocalAddr() net.Addr              { return nil }
func (r *replay) RemoteAddr() net.Addr             { return nil }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }

func saying(text string) *replay { return &replay{in: bytes.NewReader([]byte(text))} }

const noFeatures = openStream + "<stream:features/>"

func TestKeysAreThoseOfXEP0185(t *testing.T) {
	// The example of XEP-0185 section 4.
	key := NewKey("s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F")
	if want := "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"; key.Value != want {
		t.Errorf("got %s, want %s", key.Value, want)
	}
}

func TestProofsGetTheirAnswers(t *testing.T) {
	key := NewKey("secret", "gmail.com", "cupdomain.com", "s1")
	for name, tc := range map[string]struct {
		answer string
		ask    func(s *Stream) (string, error)
		want   string
		sent   string
		// the error that comes, if any
		violates, rejected bool
	}{
		"a key that the authority made": {
			answer: "<db:verify from='cupdomain.com' to='gmail.com' id='s1' type='valid'>k</db:verify>",
			ask:    func(s *Stream) (string, error) { return s.Verify(context.Background(), key) }, want: "valid",
			sent: "<db:verify from='gmail.com' to='cupdomain.com' id='s1'>" + key.Value + "</db:verify>",
		},
		"a key that the partner takes": {
			answer: "<db:result from='gmail.com' to='cupdomain.com' type='valid'/>",
			ask:    func(s *Stream) (string, error) { return s.Prove(context.Background(), key) }, want: "valid",
			sent: "<db:result from='cupdomain.com' to='gmail.com'>" + key.Value + "</db:result>",
		},
		"a key that leads to an error": {
			answer: "<db:result from='gmail.com' to='cupdomain.com' type='error'><error type='cancel'><remote-server-not-found/></error></db:result>",
			ask:    func(s *Stream) (string, error) { return s.Prove(context.Background(), key) }, want: "error",
		},
		"an answer of another kind": {
			answer: "<message xmlns='jabber:server'/>", ask: func(s *Stream) (string, error) { return s.Verify(context.Background(), key) },
			violates: true,
		},
		"a certificate that is taken": {
			answer: "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
			ask:    func(s *Stream) (string, error) { return "", s.External(context.Background()) },
			sent:   "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y3VwZG9tYWluLmNvbQ==</auth>",
		},
		"a certificate that is not taken": {
			answer: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>no</text></failure>",
			ask:    func(s *Stream) (string, error) { return "", s.External(context.Background()) }, rejected: true,
		},
		"a stream that ends instead": {
			answer: "</stream:stream>", ask: func(s *Stream) (string, error) { return "", s.External(context.Background()) },
			violates: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := saying(noFeatures + tc.answer)
			s, err := Open(context.Background(), conn, Names{To: "gmail.com", From: "cupdomain.com"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tc.ask(s)
			var protocol *ProtocolError
			var rejection *RejectedError
			switch {
			case errors.As(err, &protocol) != tc.violates:
				t.Errorf("got %v, want an error of the protocol: %v", err, tc.violates)
			case errors.As(err, &rejection) != tc.rejected || tc.rejected && rejection.Condition != "not-authorized":
				t.Errorf("got %v, want a rejection: %v", err, tc.rejected)
			case !tc.violates && !tc.rejected && (err != nil || got != tc.want):
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
			if !strings.Contains(conn.sent.String(), tc.sent) {
				t.Errorf("sent %s, want %s", conn.sent.String(), tc.sent)
			}
		})
	}
}

func TestAPortForClientsIsNoneForServers(t *testing.T) {
	_, err := Open(context.Background(), saying(strings.Replace(noFeatures, "jabber:server'", "jabber:client'", 1)), Names{To: "gmail.com"})
	var protocol *ProtocolError
	if !errors.As(err, &protocol) || !strings.Contains(protocol.Detail, "for clients") {
		t.Errorf("got %v", err)
	}
}

// FuzzStream lets the peer say anything at every step of a stream: no step may fail in a way of its own, nor keep more
// than it should.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		noFeatures + "<db:verify from='a' to='b' id='c' type='valid'/><db:result type='invalid'/><success xmlns='" + nsSASL + "'/>",
		noFeatures + "<db:verify/>" + "<db:result/>" + "<failure xmlns='" + nsSASL + "'><not-authorized/></failure>",
		openStream + "<stream:error><reset xmlns='" + nsStreamErrors + "'/></stream:error>", oldStream + "<db:verify>",
	} {
		f.Add([]byte(seed))
	}
	key := NewKey("secret", "gmail.com", "cupdomain.com", "s1")
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Open(context.Background(), &replay{in: bytes.NewReader(in)}, Names{To: "gmail.com", From: "cupdomain.com"})
		steps := []func() error{
			func() error { _, err := s.Verify(context.Background(), key); return err },
			func() error { _, err := s.Prove(context.Background(), key); return err },
			func() error { return s.External(context.Background()) },
			func() error { return s.Restart(context.Background()) },
		}
		for i := 0; err == nil && i < len(steps); i++ {
			err = steps[i]()
		}
		if err != nil && len(err.Error()) > 8*maxText || !isOfThisPackage(err) {
			t.Errorf("error %T of %d bytes: %v", err, len(err.Error()), err)
		}
		if s != nil {
			s.Close()
		}
	})
}
