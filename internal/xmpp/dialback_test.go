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

func TestAKeyGetsItsAnswer(t *testing.T) {
	key := NewKey("secret", "gmail.com", "cupdomain.com", "s1")
	for name, tc := range map[string]struct {
		answer, want string
		violates     bool
	}{
		"that the authority made": {
			answer: "<db:verify from='cupdomain.com' to='gmail.com' id='s1' type='valid'>k</db:verify>", want: "valid",
		},
		"that leads to an error": {
			answer: "<db:verify type='error'><error type='cancel'><item-not-found/></error></db:verify>", want: "error",
		},
		"of another kind":          {answer: "<message xmlns='jabber:server'/>", violates: true},
		"that the stream's end is": {answer: "</stream:stream>", violates: true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := saying(noFeatures + tc.answer)
			s, err := Open(context.Background(), conn, Names{To: "cupdomain.com"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Verify(context.Background(), key)
			var protocol *ProtocolError
			if errors.As(err, &protocol) != tc.violates || !tc.violates && err != nil || got != tc.want {
				t.Errorf("got %q, %v", got, err)
			}
			if want := "<db:verify from='gmail.com' to='cupdomain.com' id='s1'>" + key.Value + "</db:verify>"; !strings.Contains(conn.sent.String(), want) {
				t.Errorf("sent %s, want %s", conn.sent.String(), want)
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
		s, err := Open(context.Background(), &replay{in: bytes.NewReader(in)}, Names{To: "gmail.com"})
		steps := []func() error{
			func() error { _, err := s.Verify(context.Background(), key); return err },
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
