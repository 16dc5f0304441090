// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const patience = 10 * time.Second

// world is a set of domains, each with the address of its server.
type world map[string]string

func (w world) lookup(_ context.Context, domain string) ([]string, error) {
	if address, ok := w[domain]; ok {
		return []string{address}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: domain, IsNotFound: true}
}

// node is a running server.
type node struct {
	*server
	clientAddress string
}

// start runs a server for a domain in the world until the test ends. It connects to others from 127.0.0.2 and 127.0.0.3.
func (w world) start(t *testing.T, domain string, change func(*server)) *node {
	t.Helper()
	s := &server{policy: policy{domain: domain}, user: "gina", password: "secret", lookup: w.lookup, log: slog.New(slog.DiscardHandler)}
	s.tls = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, domain)}, MinVersion: tls.VersionTLS12}
	s.sources = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
	if change != nil {
		change(s)
	}
	s.init(jid.MustParse("gina@" + domain))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	slots := make(chan struct{}, maxConnections)
	serve := func(handle func(context.Context, net.Conn) error) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- s.accept(ctx, listener, slots, handle) }()
		return listener.Addr().String()
	}
	w[domain] = serve(s.serveIncoming)
	clients := serve(s.serveClient)
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
	return &node{s, clients}
}

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// user is a client of a real XMPP library.
type user struct {
	t       *testing.T
	session *xmpp.Session
	heard   chan string
}

// logIn brings a user of the node online.
func (n *node) logIn(t *testing.T, password string) (*user, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.clientAddress)
	if err != nil {
		t.Fatal(err)
	}
	who := jid.MustParse("gina@" + n.domain)
	session, err := xmpp.NewClientSession(ctx, who, conn,
		xmpp.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: n.domain}),
		xmpp.SASL("", password, sasl.Plain), xmpp.BindResource())
	if err != nil {
		conn.Close()
		return nil, err
	}
	u := &user{t: t, session: session, heard: make(chan string, 100)}
	go func() { _ = session.Serve(u) }()
	t.Cleanup(func() { conn.Close() })
	u.send("<presence/>")
	u.hears("<presence from='" + u.jid() + "' to='gina@" + n.domain + "'/>")
	return u, nil
}

// HandleXMPP notes everything but requests.
func (u *user) HandleXMPP(stream xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	e := &element{}
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), stream)).Decode(e); err != nil {
		return err
	}
	e.Attrs = slices.DeleteFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == "id" }) // the library adds it
	if !e.is("", "iq") {
		u.heard <- render(e)
	}
	return nil
}

// jid is the address with the resource, which the server chose.
func (u *user) jid() string { return u.session.LocalAddr().String() }

func (u *user) send(text string) {
	u.t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	if err := u.session.Send(context.Background(), xmlstream.ReaderFunc(func() (xml.Token, error) { return decoder.Token() })); err != nil {
		u.t.Fatal(err)
	}
}

// hears waits for a stanza that contains text, whatever comes before.
func (u *user) hears(text string) {
	u.t.Helper()
	late := time.After(patience)
	var before []string
	for {
		select {
		case heard := <-u.heard:
			if strings.Contains(heard, text) {
				return
			}
			before = append(before, heard)
		case <-late:
			u.t.Fatalf("waiting for %s, heard only:\n%s", text, strings.Join(before, "\n"))
		}
	}
}

func mustLogIn(t *testing.T, n *node) *user {
	t.Helper()
	u, err := n.logIn(t, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUsersOfTwoDomainsMeetAndTalk(t *testing.T) {
	w := world{}
	a, b := mustLogIn(t, w.start(t, "talk.example", nil)), mustLogIn(t, w.start(t, "cupdomain.com", nil))
	for _, turn := range []struct{ asks, answers *user }{{a, b}, {b, a}} {
		asking, answering := turn.asks.session.LocalAddr().Bare().String(), turn.answers.session.LocalAddr().Bare().String()
		turn.asks.send("<presence type='subscribe' to='" + answering + "'/>")
		turn.answers.hears("<presence type='subscribe' from='" + asking + "'")
		turn.answers.send("<presence type='subscribed' to='" + asking + "'/>")
		turn.asks.hears("<presence type='subscribed' from='" + answering + "'")
		turn.asks.hears("<presence from='" + turn.answers.jid() + "'")
		turn.asks.send("<message to='" + answering + "'><body>hi</body></message>")
		turn.answers.hears("<message to='" + answering + "' from='" + turn.asks.jid() + "'><body>hi</body></message>")
	}
	if err := b.session.Conn().Close(); err != nil {
		t.Fatal(err)
	}
	a.hears("<presence type='unavailable' from='" + b.jid() + "'")
}

func TestFaultsReachTheUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		fault      func(*server)
		ours, peer string // what the user of the healthy domain hears, and the user of the faulty one
	}{
		"it takes the other domain for its own": {
			func(s *server) { s.claimed = []string{"cupdomain.com"} }, `unexpected dialback response: type &#34;invalid&#34;`, "service-unavailable",
		},
		"it refuses the other domain": {
			func(s *server) { s.refused = []string{"cupdomain.com"} }, `unexpected dialback response: type &#34;error&#34;`, "refused by policy",
		},
		"it requires TLS": {
			func(s *server) { s.requiresTLS = true }, "policy-violation", "TLS is required",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{}
			faulty, healthy := mustLogIn(t, w.start(t, "talk.example", tc.fault)), mustLogIn(t, w.start(t, "cupdomain.com", nil))
			healthy.send("<message to='gina@talk.example'/>")
			healthy.hears(tc.ours)
			faulty.send("<message to='gina@cupdomain.com'/>")
			faulty.hears(tc.peer)
		})
	}
}

func TestUnreachableDomainIsReported(t *testing.T) {
	w := world{"closed.example": "127.0.0.1:1"}
	u := mustLogIn(t, w.start(t, "talk.example", nil))
	for domain, condition := range map[string]string{"missing.example": "remote-server-not-found", "closed.example": "remote-server-timeout"} {
		u.send("<message to='a@" + domain + "'/>")
		u.hears(condition)
	}
}

func TestWrongPasswordIsRefused(t *testing.T) {
	if _, err := (world{}).start(t, "talk.example", nil).logIn(t, "wrong"); err == nil {
		t.Error("logged in")
	}
}

func TestPlainTextCannotSlipIntoTheEncryptedStream(t *testing.T) {
	conn, err := net.Dial("tcp", (world{}).start(t, "talk.example", nil).clientAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer := wire{t, conn}
	peer.say(strings.ReplaceAll(header, nsServer, nsClient))
	peer.expect("</stream:features>")
	peer.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq/>")
	peer.expect("<policy-violation")
}

// wire is a raw connection between servers, looked at as text.
type wire struct {
	t *testing.T
	net.Conn
}

// expect reads until text has come.
func (w wire) expect(text string) string {
	w.t.Helper()
	var got strings.Builder
	_ = w.SetReadDeadline(time.Now().Add(patience))
	for buffer := make([]byte, 1); !strings.Contains(got.String(), text); {
		if _, err := w.Read(buffer); err != nil {
			w.t.Fatalf("waiting for %s, got %s: %v", text, got.String(), err)
		}
		got.Write(buffer)
	}
	return got.String()
}

func (w wire) say(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		w.t.Fatal(err)
	}
}

func TestOnTheWireItIsGoogleTalk(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := world{"cupdomain.com": listener.Addr().String()}
	gina := mustLogIn(t, w.start(t, "talk.example", nil))
	accept := func() wire {
		_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return wire{t, conn}
	}
	conn, err := net.Dial("tcp", w["talk.example"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := wire{t, conn}

	// The peer is modern and gets an old header all the same; what follows it is the answer to the key, no features.
	in.say(strings.Replace(header, "to=", "version='1.0' from='cupdomain.com' to=", 1))
	ownHeader := in.expect("from='talk.example'>")
	if strings.Contains(strings.Replace(ownHeader, "<?xml version='1.0'?>", "", 1), "version") {
		t.Errorf("the header has a version: %s", ownHeader)
	}
	_, id, _ := strings.Cut(ownHeader, " id='")
	id, _, _ = strings.Cut(id, "'")
	in.say("<db:result from='cupdomain.com' to='talk.example'>our-key</db:result>")

	asking := accept()
	asking.expect("<stream:stream")
	asking.say("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' id='v' version='1.0'>" +
		"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>")
	asking.expect("<db:verify from='talk.example' to='cupdomain.com' id='" + id + "'>our-key</db:verify>")
	asking.say("<db:verify from='cupdomain.com' to='talk.example' id='other' type='invalid'/>")
	asking.say("<db:verify from='cupdomain.com' to='talk.example' id='" + id + "' type='valid'/>")
	if got := in.expect("/>"); got != "<db:result from='talk.example' to='cupdomain.com' type='valid'/>" {
		t.Errorf("after the header came %s", got)
	}
	in.say("<iq type='get' id='p' from='cupdomain.com' to='talk.example'><ping xmlns='urn:xmpp:ping'/></iq>")

	// The answer comes by a stream of its own, and from another address.
	answering := accept()
	answering.expect("<stream:stream")
	answering.say("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' id='a'>")
	answering.expect("<db:result from='talk.example' to='cupdomain.com'>")
	key := answering.expect("</db:result>")
	in.say("<db:verify from='cupdomain.com' to='talk.example' id='a'>" + strings.TrimSuffix(key, "</db:result>") + "</db:verify>")
	in.expect("<db:verify from='talk.example' to='cupdomain.com' id='a' type='valid'/>")
	answering.say("<db:result from='cupdomain.com' to='talk.example' type='valid'/>")
	answering.expect("<iq type='result' id='p' from='talk.example' to='cupdomain.com'/>")

	sources := map[string]bool{host(asking): true, host(answering): true}
	if !sources["127.0.0.2"] || !sources["127.0.0.3"] {
		t.Errorf("connections came from %v", sources)
	}
	in.say("<message from='a@cupdomain.com/x' to='gina@talk.example'><body>hi</body></message>")
	gina.hears("<body>hi</body>")
	in.say("<message from='a@gmail.com/x' to='gina@talk.example'/>")
	in.expect("<invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
}

func host(w wire) string {
	host, _, _ := net.SplitHostPort(w.RemoteAddr().String())
	return host
}

func TestStreamToAnotherDomainEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*server)
		to     string
		want   string
	}{
		"when the domain is not served":       {nil, "cupdomain.com", "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"},
		"when TLS is required":                {func(s *server) { s.requiresTLS = true }, "talk.example", "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"},
		"not when it is served by mistake":    {func(s *server) { s.claimed = []string{"cupdomain.com"} }, "cupdomain.com", "from='cupdomain.com'>"},
		"not when the header names no domain": {nil, "", "from='talk.example'>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{}
			w.start(t, "talk.example", tc.change)
			conn, err := net.Dial("tcp", w["talk.example"])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			peer := wire{t, conn}
			peer.say(strings.Replace(header, "to='talk.example'", "to='"+tc.to+"'", 1))
			got := peer.expect(tc.want)
			if strings.HasPrefix(name, "not") {
				peer.say("</stream:stream>")
				got += peer.expect("</stream:stream>")
				if strings.Contains(got, "stream:error") {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}
