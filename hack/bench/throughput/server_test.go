// SPDX-License-Identifier: Apache-2.0

//go:build integration

package throughput

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	domain  = "cupdomain.com"
	partner = "gmail.com"
	// fastest is the most that kilobytesPerSecond can be, in bytes: more than any server takes.
	fastest = 10_000_000
)

var policy = v1alpha1.PeerPolicy{
	Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
}

// way is how the server is run.
type way struct {
	Name string `json:"name"`
	// rate is kilobytesPerSecond of the partner in bytes; 0: the default of listed peers; -1: the partner is not listed.
	rate int64
	// stock is a Prosody without any module of ours, but for those that are added.
	stock bool
	added string
}

// stock is what the others are held against.
const stock = "Prosody without limits"

var all = []way{
	{Name: stock, stock: true},
	{Name: stock + ", with our garbage collection", stock: true, added: "xmppfed_garbage"},
	{Name: stock + ", with an archive of all messages", stock: true, added: "mam"},
	{Name: "listed peer, fastest rate", rate: fastest},
	{Name: "listed peer, defaults"},
	{Name: "stranger, defaults", rate: -1},
}

// users get messages: one is online, one hibernates, one is offline, and one answers the probe.
var users = []string{"online", "away", "offline", "bystander"}

// server is a running Prosody.
type server struct {
	*prosodytest.Server
	ca *prosodytest.CA
}

// prepare makes a server for a way, which does not run yet.
func prepare(b *testing.B, version string, a way) *server {
	s := &server{ca: prosodytest.NewCA(b)}
	cert, key := s.ca.Issue(b, 0xA1, domain)
	input := engine.Input{Domains: []string{domain}, TrustedCAs: string(s.ca.PEM), Replicas: 1, PeerDefaults: policy}
	if a.rate >= 0 {
		input.Peers = []engine.Peer{{Domain: partner, Policy: policy, Rate: a.rate}}
	}
	config, err := prosody.Engine{}.Render(input)
	must(b, err)
	if a.stock {
		config.Files["prosody.cfg.lua"] = without(b, config.Files["prosody.cfg.lua"], a.added)
	}
	accounts := map[string][]byte{}
	for _, user := range users {
		accounts[user] = []byte(user)
	}
	file, _, err := engine.Accounts(accounts)
	must(b, err)
	secrets := engine.Secrets{Cert: cert, Key: key, DialbackSecret: []byte("dialback"), Token: []byte("token"), Accounts: file}
	data, _ := secrets.Data()
	s.Server = prosodytest.New(b, version, config.Files, data)
	return s
}

// start runs the server until the function that it returns is called.
func (s *server) start(b *testing.B, a way) (stop func()) {
	if !a.stock {
		s.Start(b)
		return s.Stop
	}
	for _, user := range users {
		const create = `cd /var/lib/prosody && mkdir -p "$1/accounts" && echo "return { password = '$2' };" >"$1/accounts/$2.dat"`
		text, err := s.Run(b, "sh", "-euc", create, "create", strings.ReplaceAll(domain, ".", "%2e"), user)
		if err != nil {
			b.Fatalf("creating account %s: %v: %s", user, err, text)
		}
	}
	s.Launch(b)
	for end := time.Now().Add(20 * time.Second); ; {
		stream, err := prosodytest.Login(engine.PortNumberC2S, domain, users[0], users[0])
		if err == nil {
			stream.Close()
			return s.Stop
		}
		if time.Now().After(end) {
			b.Fatalf("logging in: %v\n%s", err, s.Log())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// ours are the parts of the configuration that a Prosody without limits does not have.
var ours = map[string]string{
	`(?m)^\t"(xmppfed\w*|limits)";\n`:                "", // modules
	`(?m)^modules_disabled = .*\n`:                   "",
	`(?m)^authentication = "xmppfed"\n`:              "authentication = \"internal_plain\"\n",
	`(?ms)^network_settings = \{.*?\}( --[^\n]*)?\n`: "",
	`(?m)^s2s_send_queue_size = .*\n`:                "",
	`(?ms)^limits = \{.*?^\}\n`:                      "",
	`(?m)^xmppfed_(generation|secret).*\n`:           "",
}

// without takes out of a configuration what is ours, and adds a module unless its name is empty.
func without(b *testing.B, text, added string) string {
	for pattern, instead := range ours {
		changed := regexp.MustCompile(pattern).ReplaceAllString(text, instead)
		if changed == text {
			b.Fatalf("the configuration has nothing like %s:\n%s", pattern, text)
		}
		text = changed
	}
	if added == "" {
		return text
	}
	const first = "modules_enabled = {\n"
	return strings.Replace(text, first, first+"\t\""+added+"\";\n", 1)
}

func (s *server) login(b *testing.B, user string) *prosodytest.Stream {
	stream, err := prosodytest.Login(engine.PortNumberC2S, domain, user, user)
	must(b, err)
	must(b, stream.Send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"))
	_, err = stream.Expect("<enabled ")
	must(b, err)
	_, err = stream.Expect("/>")
	must(b, err)
	must(b, stream.Send("<presence/>"))
	_, err = stream.Expect("<presence")
	must(b, err)
	return stream
}

func (s *server) federate(b *testing.B) *prosodytest.Stream {
	stream, err := prosodytest.Federate(engine.PortNumberS2S, partner, domain, s.ca.KeyPair(b, partner))
	must(b, err)
	return stream
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(fmt.Errorf("measuring: %w", err))
	}
}
