// SPDX-License-Identifier: Apache-2.0

//go:build integration

package check

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// hostsOfEjabberd are partners that differ in one setting each. None of them finds its way back to us.
const hostsOfEjabberd = `
hosts: [silent.example, starttls.example, plain.example, refuses.example, rejects.example, wrong-name.example, back.example]
host_config:
  plain.example: {s2s_use_starttls: false}
  refuses.example: {s2s_access: nobody}
  rejects.example: {s2s_cafile: /lab/stranger.crt}
  back.example: {modules: {mod_s2s_dialback: {}}}
`

// watched is a partner of a real server, and what is to be said of it.
type watched struct {
	domain string
	policy v1alpha1.PeerPolicy
	at     string
	reason string
	says   string // part of the message that names the side at fault
}

func TestVerdictsOnPingsOfRealServers(t *testing.T) {
	ca := prosodytest.NewCA(t)
	startEjabberd(t, hostsOfEjabberd, ca, ca, "silent.example", "starttls.example", "plain.example", "refuses.example",
		"rejects.example", "back.example")
	partners := append(scripted(t, ca), []watched{
		{
			"alert12.example", strict, startServer(t, demandsCertificate(t, ca, tls.VersionTLS12)),
			v1alpha1.ReasonPeerRejectsCertificate, "alert12.example does not accept the certificate of cupdomain.com",
		},
		{
			"alert13.example", strict, startServer(t, demandsCertificate(t, ca, tls.VersionTLS13)),
			v1alpha1.ReasonPeerRejectsCertificate, "alert13.example does not accept the certificate of cupdomain.com",
		},
		{"silent.example", strict, ejabberdAddress, v1alpha1.ReasonPeerSilent, "silent.example takes pings of cupdomain.com and never"},
		{"starttls.example", plain, ejabberdAddress, v1alpha1.ReasonPeerRequiresTLS, "starttls.example requires encryption, but"},
		{"plain.example", strict, ejabberdAddress, v1alpha1.ReasonPeerOffersNoTLS, "plain.example offers no encryption"},
		{"refuses.example", strict, ejabberdAddress, v1alpha1.ReasonPeerRefused, "refuses.example refuses cupdomain.com by its policy"},
		{"rejects.example", strict, ejabberdAddress, v1alpha1.ReasonPeerRejectsCertificate, "rejects.example does not accept the certificate of cup"},
		{"wrong-name.example", strict, ejabberdAddress, v1alpha1.ReasonPeerCertificateInvalid, "of wrong-name.example does not name wrong"},
		{"absent.example", strict, ejabberdAddress, v1alpha1.ReasonPeerServesNotDomain, "does not serve absent.example"},
		{"back.example", webex, ejabberdAddress, v1alpha1.ReasonPeerRejectsDialback, "back.example could not call the server of cupdomain.com back"},
		{"down.example", strict, "127.0.0.1:5298", v1alpha1.ReasonPeerConnectionRefused, "down.example at 127.0.0.1:5298 are refused"},
		{"lost.example", strict, "", v1alpha1.ReasonPeerDNS, "the DNS has no server for lost.example"},
		{"denied.example", deny, "", v1alpha1.ReasonPeerDenied, "the policy of cupdomain.com denies denied.example"},
	}...)
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			startWatcher(t, version, ca, partners)
			var wg sync.WaitGroup
			for _, p := range partners {
				wg.Go(func() { expectVerdict(t, p) })
			}
			wg.Wait()
		})
	}
}

// scripted are partners that no real server can be brought to play.
func scripted(t *testing.T, ca *prosodytest.CA) []watched {
	certificate := func(name string) *prosodytest.Partner {
		pair := ca.KeyPair(t, name)
		return &prosodytest.Partner{Certificate: &pair}
	}
	stranger := prosodytest.NewCA(t).KeyPair(t, "untrusted.example")
	const serves = "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Attempt to connect from a host we serve</text></stream:error>"
	answers := certificate("answers.example")
	answers.External, answers.Bidi, answers.Answer = true, true, "<iq type='result' id='ID' from='FROM' to='TO'/>"
	var partners []watched
	for _, p := range []struct {
		watched
		script *prosodytest.Partner
	}{
		{watched{"answers.example", strict, "", v1alpha1.ReasonPeerReachable, "answers.example answers"}, answers},
		{
			watched{"untrusted.example", strict, "", v1alpha1.ReasonPeerCertificateInvalid, "of untrusted.example is of a CA that cupdomain.com"},
			&prosodytest.Partner{Certificate: &stranger, External: true},
		},
		{
			watched{"loud.example", strict, "", v1alpha1.ReasonPeerHostsOurDomain, "loud.example refuses streams of cupdomain.com"},
			&prosodytest.Partner{Greeting: serves},
		},
		{
			watched{"talk.example", plain, "", v1alpha1.ReasonPeerHostsOurDomain, "talk.example rejects cupdomain.com by dialback without"},
			&prosodytest.Partner{Legacy: true, Dialback: "invalid"},
		},
		{
			watched{"stuck.example", plain, "", v1alpha1.ReasonPeerRejectsDialback, "stuck.example does not confirm cupdomain.com"},
			&prosodytest.Partner{Legacy: true},
		},
		{
			watched{"mute.example", strict, "", v1alpha1.ReasonPeerNotXMPP, "what answers for mute.example"},
			&prosodytest.Partner{Mute: true},
		},
	} {
		p.script.Domain = p.domain
		p.at = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p.script.Listen(t).Port())))
		partners = append(partners, p.watched)
	}
	return partners
}

// demandsCertificate is a server that takes certificates of a CA of its own only, and says so by a TLS alert.
func demandsCertificate(t *testing.T, ca *prosodytest.CA, version uint16) func(net.Conn, *bufio.Reader) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(prosodytest.NewCA(t).PEM)
	config := &tls.Config{
		Certificates: []tls.Certificate{ca.KeyPair(t, "alert12.example", "alert13.example")}, MinVersion: version, MaxVersion: version,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}
	return func(conn net.Conn, in *bufio.Reader) {
		skipTags(in, 2)
		say(conn, streamHeader+startTLSOffer)
		skipTags(in, 1)
		say(conn, proceed)
		secured := tls.Server(conn, config)
		_ = secured.Handshake() // fails, as it should
		_, _ = io.Copy(io.Discard, conn)
	}
}

// startWatcher runs a server for cupdomain.com that knows the partners by policy and route.
func startWatcher(t *testing.T, version string, ca *prosodytest.CA, partners []watched) {
	t.Helper()
	input := engine.Input{Domains: []string{"cupdomain.com"}, TrustedCAs: string(ca.PEM), Replicas: 1, PeerDefaults: strict}
	for _, p := range partners {
		peer := engine.Peer{Domain: p.domain, Policy: p.policy}
		if host, port, err := net.SplitHostPort(p.at); err == nil {
			number, _ := strconv.ParseUint(port, 10, 16)
			peer.Route = &engine.Route{Host: host, Port: uint16(number)}
		}
		input.Peers = append(input.Peers, peer)
	}
	config, err := prosody.Engine{}.Render(input)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := ca.Issue(t, 0xa1, "cupdomain.com")
	secrets := engine.Secrets{
		Cert: cert, Key: key, Accounts: []byte("{}"), DialbackSecret: []byte("dialback"), Token: []byte("status-token"),
	}
	data, _ := secrets.Data()
	prosodytest.New(t, version, config.Files, data).Start(t)
}

func expectVerdict(t *testing.T, p watched) {
	start := time.Now()
	pong, err := engine.Ping(t.Context(), "127.0.0.1", "status-token", "cupdomain.com", p.domain)
	if err != nil {
		t.Errorf("%s: %v", p.domain, err)
		return
	}
	got := JudgePing(PeerTarget{Domain: p.domain, From: "cupdomain.com", Policy: p.policy, Route: p.at}, pong)
	t.Logf("%s after %s: %s", got.Reason, time.Since(start).Round(100*time.Millisecond), got.Message)
	if got.Reason != p.reason || !strings.Contains(got.Message, p.says) {
		t.Errorf("%s: got %s, %s\nwant %s, %s\nfrom %+v", p.domain, got.Reason, got.Message, p.reason, p.says, pong)
	}
}
