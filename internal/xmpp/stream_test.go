// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/pki"
)

// peer is the other end of a connection, driven by a script. What the client sends is read up to a '>', so that the
// script keeps step with it.
type peer struct {
	net.Conn
	t   *testing.T
	buf *bufio.Reader
}

// dial gives the client's end of a connection whose other end runs script and is closed after it.
func dial(t *testing.T, script func(p *peer)) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = server.Close() }()
		script(&peer{Conn: server, t: t, buf: bufio.NewReader(server)})
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-done
	})
	return client
}

// expect reads up to the next '>' n times and gives what it read last.
func (p *peer) expect(n int) string {
	var got string
	for range n {
		var err error
		if got, err = p.buf.ReadString('>'); err != nil {
			return got
		}
	}
	return got
}

func (p *peer) say(text string) {
	_, _ = io.WriteString(p, text) // the client may have gone already
}

// hang waits for the client to close.
func (p *peer) hang() {
	_, _ = io.Copy(io.Discard, p.buf)
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func keyPair(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	now := time.Now()
	caPEM, caKey, err := pki.NewCA("Test CA", now)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := pki.Issue(caPEM, caKey, names, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestOpenSendsItsNames(t *testing.T) {
	for name, tc := range map[string]struct {
		names Names
		want  string
	}{
		"without a name of ours": {
			Names{To: "cupdomain.com"}, `xmlns:db='jabber:server:dialback' to='cupdomain.com' version='1.0'>`,
		},
		"with a name of ours": {
			Names{To: "cupdomain.com", From: "probe.example"}, ` from='probe.example' to='cupdomain.com' version='1.0'>`,
		},
		"with names that would break out of the attribute": {
			Names{To: `a'><b c="&`, From: `'/><`},
			` from='&#39;/&gt;&lt;' to='a&#39;&gt;&lt;b c=&#34;&amp;' version='1.0'>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan string, 1)
			conn := dial(t, func(p *peer) {
				sent <- p.expect(2)
				p.say(oldStream)
				p.hang()
			})
			s, err := Open(testContext(t), conn, tc.names)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if got := <-sent; !strings.HasPrefix(got, "<stream:stream xmlns='jabber:server'") || !strings.HasSuffix(got, tc.want) {
				t.Errorf("sent %s, want ...%s", got, tc.want)
			}
		})
	}
}

func TestObjectionOfAPeerWithoutFeatures(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		hangs bool
		check func(error) bool
	}{
		"is its stream error": {
			oldStream + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", true,
			func(err error) bool {
				var refused *StreamError
				return errors.As(err, &refused) && refused.Condition == "host-unknown"
			},
		},
		"is the end of the stream": {oldStream + "</stream:stream>", true, isProtocolError(StageFeatures, "ends the stream")},
		"is the end of the connection": {oldStream, false, func(err error) bool {
			var connection *ConnectionError
			return errors.As(err, &connection)
		}},
		"is none while it is silent": {oldStream, true, func(err error) bool { return err == nil }},
		"is none while it says something else": {
			oldStream + "<db:verify from='a.example' to='b.example' id='1'/>", true, func(err error) bool { return err == nil },
		},
		"is not waited for when it has features": {
			openStream + "<stream:features>" + startTLS + "</stream:features><stream:error/>", true, func(err error) bool { return err == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, func(p *peer) {
				p.expect(2)
				p.say(tc.text)
				if tc.hangs {
					p.hang()
				}
			})
			s, err := Open(testContext(t), conn, Names{To: "cupdomain.com"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if err := s.Objection(ctx); !tc.check(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCancelIsNoLackOfObjection(t *testing.T) {
	conn := dial(t, func(p *peer) {
		p.expect(2)
		p.say(oldStream)
		p.hang()
	})
	s, err := Open(testContext(t), conn, Names{To: "cupdomain.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Objection(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestStartTLS(t *testing.T) {
	pair := keyPair(t, "cupdomain.com")
	asked := make(chan string, 1)
	server := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked <- h.ServerName
		return &pair, nil
	}}
	conn := dial(t, func(p *peer) {
		p.expect(2)
		p.say("<?xml version='1.0'?>" + openStream)
		p.say("<stream:features>" + startTLS + "</stream:features>")
		p.expect(1)
		p.say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		secured := tls.Server(p.Conn, server)
		if err := secured.Handshake(); err != nil {
			p.t.Errorf("handshake at the server: %v", err)
		}
		_, _ = io.Copy(io.Discard, secured)
	})
	s, err := Open(testContext(t), conn, Names{To: "cupdomain.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Features.StartTLS {
		t.Fatalf("features %+v", s.Features)
	}
	state, err := s.StartTLS(testContext(t), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(state.PeerCertificates) != 1 || !pki.Covers(state.PeerCertificates[0], "cupdomain.com") {
		t.Errorf("certificates %v", state.PeerCertificates)
	}
	if name := <-asked; name != "cupdomain.com" {
		t.Errorf("asked the server for %q", name)
	}
}

func TestStartTLSFails(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		check  func(error) bool
	}{
		"when the peer refuses": {"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>", func(err error) bool {
			var refused *TLSRefusedError
			return errors.As(err, &refused)
		}},
		"when plain text follows the go-ahead": {
			"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>", isProtocolError(StageNegotiation, "plain text"),
		},
		"when the peer says something else": {"<message/>", isProtocolError(StageNegotiation, `"message"`)},
		"when the peer closes": {"", func(err error) bool {
			var connection *ConnectionError
			return errors.As(err, &connection) && connection.Stage == StageNegotiation && errors.Is(err, io.ErrUnexpectedEOF)
		}},
		"when no TLS follows": {"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", func(err error) bool {
			var connection *ConnectionError
			return errors.As(err, &connection) && connection.Stage == StageHandshake
		}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, func(p *peer) {
				p.expect(2)
				p.say(openStream + "<stream:features>" + startTLS + "</stream:features>")
				p.expect(1)
				p.say(tc.answer)
			})
			s, err := Open(testContext(t), conn, Names{To: "cupdomain.com"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = s.StartTLS(testContext(t), &tls.Config{InsecureSkipVerify: true})
			if !tc.check(err) {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
}

func isProtocolError(stage Stage, detail string) func(error) bool {
	return func(err error) bool {
		var protocol *ProtocolError
		return errors.As(err, &protocol) && protocol.Stage == stage && strings.Contains(protocol.Detail, detail)
	}
}

func TestSilentPeerCannotHoldUsBeyondTheDeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		stage Stage
	}{
		"before its header":   {"", StageHeader},
		"within its header":   {"<stream:stream ", StageHeader},
		"before its features": {openStream, StageFeatures},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for the deadline, which leaves the peer time to say its text
			conn := dial(t, func(p *peer) {
				p.expect(2)
				p.say(tc.text)
				p.hang()
			})
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := Open(ctx, conn, Names{To: "cupdomain.com"})
			var connection *ConnectionError
			if !errors.As(err, &connection) || connection.Stage != tc.stage || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want silence at %s", err, tc.stage)
			}
		})
	}
}

func TestCancelWakesASilentStream(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn := dial(t, func(p *peer) {
		p.expect(2)
		cancel()
		p.hang()
	})
	if _, err := Open(ctx, conn, Names{To: "cupdomain.com"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestPeerThatSendsWithoutEndIsCutOff(t *testing.T) {
	conn := dial(t, func(p *peer) {
		p.expect(2)
		p.say(openStream + "<stream:features>")
		for {
			if _, err := io.WriteString(p, "<a/>"); err != nil {
				return
			}
		}
	})
	_, err := Open(testContext(t), conn, Names{To: "cupdomain.com"})
	if !isProtocolError(StageFeatures, "more than")(err) {
		t.Errorf("got %v", err)
	}
}
