// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	domain  = "cupdomain.com"
	partner = "gmail.com"
	token   = "status-token"
)

// rig is a running server and what it was given.
type rig struct {
	*prosodytest.Server
	*WithT
	ca      *prosodytest.CA
	input   engine.Input
	secrets engine.Secrets
}

// each runs test against every supported version, with a server for cupdomain.com
// that has the accounts cupuser1 and cupuser2 and trusts the test's authority.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.Start(t)
			test(t, r)
		})
	}
}

func newRig(t *testing.T, version string) *rig {
	r := &rig{WithT: NewWithT(t), ca: prosodytest.NewCA(t)}
	r.SetDefaultEventuallyTimeout(20 * time.Second)
	r.SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	cert, key := r.ca.Issue(t, 0xA1, domain, "conference."+domain)
	r.input = engine.Input{Domains: []string{domain}, GroupChat: "conference", TrustedCAs: string(r.ca.PEM), Replicas: 1}
	r.secrets = engine.Secrets{Cert: cert, Key: key, DialbackSecret: []byte("dialback"), Token: []byte(token)}
	r.accounts(map[string]string{"cupuser1": "pw1", "cupuser2": "pw2"})
	config, err := prosody.Engine{}.Render(r.input)
	r.Expect(err).NotTo(HaveOccurred())
	data, _ := r.secrets.Data()
	r.Server = prosodytest.New(t, version, config.Files, data)
	return r
}

// accounts sets the accounts to deliver with the next Secret.
func (r *rig) accounts(passwords map[string]string) {
	secret := map[string][]byte{}
	for name, password := range passwords {
		secret[name] = []byte(password)
	}
	accounts, bad, err := engine.Accounts(secret)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(bad).To(BeEmpty())
	r.secrets.Accounts = accounts
}

// status is the server's live status.
func (r *rig) status() engine.LiveStatus {
	status, err := engine.Status(context.Background(), "127.0.0.1", token)
	r.Expect(err).NotTo(HaveOccurred())
	return status
}

// deliverSecret mounts the secrets and waits until they are in force.
func (r *rig) deliverSecret(t *testing.T) {
	t.Helper()
	data, generation := r.secrets.Data()
	r.SetSecret(t, data)
	r.Eventually(func() string { return r.status().SecretGeneration }).Should(Equal(generation))
	r.Eventually(func() string { return r.status().ConfigError }).Should(BeEmpty())
}

// deliverConfig mounts the rendered input and waits until it is in force.
func (r *rig) deliverConfig(t *testing.T) {
	t.Helper()
	config, err := prosody.Engine{}.Render(r.input)
	r.Expect(err).NotTo(HaveOccurred())
	r.SetConfig(t, config.Files)
	r.Eventually(func() string { return r.status().Generation }).Should(Equal(config.Generation))
	r.Eventually(func() string { return r.status().ConfigError }).Should(BeEmpty())
}

func (r *rig) login(name, password string) *prosodytest.Stream {
	stream, err := prosodytest.Login(engine.PortNumberC2S, domain, name, password)
	r.Expect(err).NotTo(HaveOccurred())
	return stream
}

func (r *rig) federate(t *testing.T, local string) *prosodytest.Stream {
	stream, err := prosodytest.Federate(engine.PortNumberS2S, partner, local, r.ca.KeyPair(t, partner))
	r.Expect(err).NotTo(HaveOccurred())
	return stream
}

func TestServerReportsWhatIsInForce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		config, err := prosody.Engine{}.Render(r.input)
		r.Expect(err).NotTo(HaveOccurred())
		_, secretGeneration := r.secrets.Data()
		stream := r.federate(t, domain)
		defer stream.Close()

		status := r.status()
		r.Expect(status.Engine).To(Equal("Prosody"))
		r.Expect(status.Version).To(MatchRegexp(`^(0\.12|13\.0)\.`))
		r.Expect(status.Generation).To(Equal(config.Generation))
		r.Expect(status.SecretGeneration).To(Equal(secretGeneration))
		r.Expect(status.ConfigError).To(BeEmpty())
		r.Expect(status.Certificate.Serial).To(Equal("A1"))
		r.Expect(status.Certificate.NotAfter).To(BeTemporally("~", time.Now().Add(12*time.Hour), time.Minute))
		r.Expect(status.Hosts).To(Equal([]string{"conference." + domain, domain}))
		r.Expect(status.Sessions).To(HaveLen(1))
		session := status.Sessions[0]
		r.Expect(session.Age).To(BeNumerically("<", 60))
		session.Age = 0
		r.Expect(session).To(Equal(engine.Session{
			Direction: "incoming", Local: domain, Remote: partner,
			Secure: true, TLSVersion: "TLSv1.3", Authentication: "EXTERNAL",
		}))
	})
}

func TestServerRunsAsANamelessUserWithNothingToWriteTo(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		out, err := r.Run(t, "sh", "-c", "id -u; id -un; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; touch /etc/x")
		r.Expect(err).To(HaveOccurred())
		r.Expect(out).To(ContainSubstring("10001\n"))
		r.Expect(out).To(ContainSubstring("cannot find name"))
		r.Expect(out).To(ContainSubstring("Read-only file system"))
		r.Expect(out).To(MatchRegexp(`CapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1`))
		r.Expect(r.Log()).NotTo(MatchRegexp(`(?m)\t?(warn|error)\t`))
	})
}

func TestServerAnswersOverHTTPUnderAnyNameAndFromAnywhere(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		for path, want := range map[string]string{"/xmppfed/ready": "ready", "/metrics": "prosody_mod_s2s__connections_inbound"} {
			for _, host := range []string{"10.244.0.7:5280", domain, "unknown.example"} {
				req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:5280"+path, nil)
				r.Expect(err).NotTo(HaveOccurred())
				req.Host = host
				resp, err := client.Do(req)
				r.Expect(err).NotTo(HaveOccurred())
				body, err := io.ReadAll(resp.Body)
				r.Expect(err).NotTo(HaveOccurred())
				r.Expect(resp.Body.Close()).To(Succeed())
				r.Expect(resp.StatusCode).To(Equal(http.StatusOK), "%s of %s", path, host)
				r.Expect(string(body)).To(ContainSubstring(want), "%s of %s", path, host)
			}
		}
	})
}

func TestServerEndsCleanlyWhenToldTo(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer client.Close()
		defer server.Close()
		go r.Terminate()
		for _, stream := range []*prosodytest.Stream{client, server} {
			_, err := stream.Expect("<system-shutdown")
			r.Expect(err).NotTo(HaveOccurred())
			stream.Close()
		}
		r.Eventually(r.Log).Should(ContainSubstring("Shutdown complete"))
	})
}

func TestServerWithABrokenCertificateIsNotReadyUntilItIsReplaced(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			good := r.secrets
			r.secrets.Cert = []byte("-----BEGIN CERTIFICATE-----\nbroken\n")
			data, _ := r.secrets.Data()
			r.SetSecret(t, data)
			r.Launch(t)
			r.Eventually(func() string { _, text := r.Ready(); return text }).Should(HavePrefix("certificate: "))
			code, _ := r.Ready()
			r.Expect(code).To(Equal(http.StatusServiceUnavailable))
			r.secrets = good
			r.deliverSecret(t)
			r.WaitReady(t)
			r.federate(t, domain).Close()
		})
	}
}

func TestServerTellsItsStatusToNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, wrong := range []string{"", "x", token + "x", strings.ToUpper(token)} {
			_, err := engine.Status(context.Background(), "127.0.0.1", wrong)
			r.Expect(err).To(MatchError(ContainSubstring("401")), "token %q", wrong)
		}
		r.secrets.Token = nil
		data, _ := r.secrets.Data()
		r.SetSecret(t, data)
		_, err := engine.Status(context.Background(), "127.0.0.1", "")
		r.Expect(err).To(MatchError(ContainSubstring("401")))
	})
}

func TestServerLetsInOnlyTheRightPassword(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream := r.login("cupuser1", "pw1")
		defer stream.Close()
		r.Expect(stream.Ping(domain)).To(Succeed())
		for _, wrong := range [][2]string{{"cupuser1", "pw2"}, {"cupuser1", ""}, {"nobody", "pw1"}, {"nobody", ""}} {
			_, err := prosodytest.Login(engine.PortNumberC2S, domain, wrong[0], wrong[1])
			r.Expect(err).To(HaveOccurred(), "%v", wrong)
		}
	})
}

func TestServerTakesOverAccountsWithoutRestart(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stays, changed, removed := r.login("cupuser1", "pw1"), r.login("cupuser2", "pw2"), r.login("cupuser2", "pw2")
		for _, stream := range []*prosodytest.Stream{stays, changed, removed} {
			defer stream.Close()
		}
		r.accounts(map[string]string{"cupuser1": "pw1", "cupuser2": "new", "cupuser3": "pw3"})
		r.deliverSecret(t)
		_, err := changed.Expect("<not-authorized")
		r.Expect(err).NotTo(HaveOccurred(), "a stream opened with the old password is closed")
		_, err = prosodytest.Login(engine.PortNumberC2S, domain, "cupuser2", "pw2")
		r.Expect(err).To(HaveOccurred(), "the old password")
		r.login("cupuser3", "pw3").Close()
		second := r.login("cupuser2", "new")
		defer second.Close()

		r.accounts(map[string]string{"cupuser1": "pw1"})
		r.deliverSecret(t)
		_, err = second.Expect("<not-authorized")
		r.Expect(err).NotTo(HaveOccurred(), "the stream of a removed account is closed")
		_, err = prosodytest.Login(engine.PortNumberC2S, domain, "cupuser2", "new")
		r.Expect(err).To(HaveOccurred(), "a removed account")
		r.Expect(stays.Ping(domain)).To(Succeed(), "an account that stayed as it was keeps its stream")
	})
}

func TestServerServesANewCertificateAndKeepsItsStreams(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer client.Close()
		defer server.Close()
		r.Expect(client.PeerSerial()).To(Equal("A1"))

		r.secrets.Cert, r.secrets.Key = r.ca.Issue(t, 0xB2, domain, "conference."+domain)
		r.deliverSecret(t)
		r.Expect(r.status().Certificate.Serial).To(Equal("B2"))
		newClient, newServer := r.login("cupuser2", "pw2"), r.federate(t, "conference."+domain)
		defer newClient.Close()
		defer newServer.Close()
		r.Expect(newClient.PeerSerial()).To(Equal("B2"))
		r.Expect(newServer.PeerSerial()).To(Equal("B2"))
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
	})
}

func TestServerKeepsItsCertificateWhenTheNewOneIsBroken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		good := r.secrets
		_, otherKey := r.ca.Issue(t, 0xC3, domain)
		for name, broken := range map[string][2][]byte{
			"the key belongs to another certificate": {good.Cert, otherKey},
			"the certificate is not one":             {[]byte("-----BEGIN CERTIFICATE-----\nbroken"), good.Key},
		} {
			r.secrets = good
			r.secrets.Cert, r.secrets.Key = broken[0], broken[1]
			r.accounts(map[string]string{"cupuser9": "pw9"})
			data, _ := r.secrets.Data()
			r.SetSecret(t, data)
			r.Eventually(func() string { return r.status().ConfigError }).Should(HavePrefix("certificate: "), name)
			stream := r.login("cupuser1", "pw1")
			r.Expect(stream.PeerSerial()).To(Equal("A1"), name)
			stream.Close()
			r.secrets = good
			r.deliverSecret(t)
		}
	})
}

func TestServerAddsAndRemovesDomainsAndKeepsStreamsOfTheOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer client.Close()
		defer server.Close()

		r.input.Domains = []string{domain, "example.org"}
		r.deliverConfig(t)
		r.Expect(r.status().Hosts).To(Equal([]string{
			"conference." + domain, "conference.example.org", domain, "example.org"}))
		r.WaitReady(t)
		added, room := r.federate(t, "example.org"), r.federate(t, "conference.example.org")
		defer added.Close()
		defer room.Close()
		other, err := prosodytest.Login(engine.PortNumberC2S, "example.org", "cupuser1", "pw1")
		r.Expect(err).NotTo(HaveOccurred())
		defer other.Close()

		r.input.Domains, r.input.GroupChat = []string{domain}, ""
		r.deliverConfig(t)
		r.Expect(r.status().Hosts).To(Equal([]string{domain}))
		for _, gone := range []*prosodytest.Stream{added, room, other} {
			_, err := gone.Expect("<host-gone")
			r.Expect(err).NotTo(HaveOccurred())
		}
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())

		r.input.GroupChat = "rooms"
		r.deliverConfig(t)
		r.Expect(r.status().Hosts).To(Equal([]string{domain, "rooms." + domain}))
		r.WaitReady(t)
	})
}

func TestServerKeepsItsConfigurationWhenTheNewOneIsBroken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		config, err := prosody.Engine{}.Render(r.input)
		r.Expect(err).NotTo(HaveOccurred())
		for name, addition := range map[string]string{
			"syntax error":     "\nthis is not Lua",
			"run-time error":   "\nlocal x = nil; y = x.z",
			"hosts that clash": "\nComponent \"" + domain + "\" \"muc\"\n",
		} {
			broken := maps.Clone(config.Files)
			broken["prosody.cfg.lua"] = strings.Replace(broken["prosody.cfg.lua"], config.Generation, "broken", 1) + addition
			r.SetConfig(t, broken)
			r.Eventually(func() string { return r.status().ConfigError }).Should(HavePrefix("configuration: "), name)
			r.Expect(r.status().Generation).To(Equal(config.Generation), name)
			r.login("cupuser1", "pw1").Close()
			r.WaitReady(t)
			r.deliverConfig(t)
		}
	})
}

func TestServerTakesOverADialbackSecret(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream := r.federate(t, domain)
		defer stream.Close()
		verify := func(secret, want string) {
			t.Helper()
			r.Expect(stream.Send("<db:verify from='" + partner + "' to='" + domain + "' id='i'>" +
				dialbackKey(secret, partner, domain, "i") + "</db:verify>")).To(Succeed())
			got, err := stream.Expect("</db:verify>")
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(got).To(ContainSubstring("type='"+want+"'"), "secret %q", secret)
		}
		verify("dialback", "valid")
		verify("other", "invalid")
		r.secrets.DialbackSecret = []byte("other")
		r.deliverSecret(t)
		verify("dialback", "invalid")
		verify("other", "valid")
	})
}

// dialbackKey is the key of XEP-0185 for the stream id from originating to receiving.
func dialbackKey(secret, receiving, originating, id string) string {
	hashed := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(hashed[:])))
	mac.Write([]byte(receiving + " " + originating + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestServerLetsOnlyItsOwnUsersOpenRooms(t *testing.T) {
	const room = "to='room@conference." + domain + "/nick'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, "conference."+domain)
		defer client.Close()
		defer server.Close()
		r.Expect(server.Send("<presence from='jdoe1@" + partner + "/x' " + room)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
		r.Expect(client.Send("<presence " + room)).To(Succeed())
		_, err := client.Expect("<status code='201'/>")
		r.Expect(err).NotTo(HaveOccurred(), "the room is new, because the partner's user couldn't open it")
	})
}

func TestServerTakesOverNewCodeOfItsModules(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		config, err := prosody.Engine{}.Render(r.input)
		r.Expect(err).NotTo(HaveOccurred())
		files := maps.Clone(config.Files)
		replace := func(file, old, with string) {
			r.Expect(files[file]).To(ContainSubstring(old))
			files[file] = strings.Replace(files[file], old, with, 1)
		}
		replace("mod_xmppfed_status.lua", `engine = "Prosody"`, `engine = "changed"`)
		replace("mod_auth_xmppfed.lua", "passwords[username];", `passwords[username] and passwords[username].."x";`)
		replace("mod_xmppfed.lua", `certificate, certificate_err = load_certificate();`,
			`certificate, certificate_err = { serial = "FF", notAfter = "" };`)
		r.SetConfig(t, files)
		r.Eventually(func() string { return r.status().Engine }).Should(Equal("changed"))
		r.Eventually(func() string { return r.status().Certificate.Serial }).Should(Equal("FF"))
		r.Expect(r.status().ConfigError).To(BeEmpty())
		r.login("cupuser1", "pw1x").Close()
		r.Expect(client.Ping(domain)).To(Succeed())
		r.deliverConfig(t)
		r.Eventually(func() string { return r.status().Certificate.Serial }).Should(Equal("A1"))
		r.login("cupuser1", "pw1").Close()
	})
}

func TestServerTakesOverOptionsThatModulesReadOnlyOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer client.Close()
		defer server.Close()
		stranger := prosodytest.NewCA(t).KeyPair(t, "webex.example")
		_, err := prosodytest.Federate(engine.PortNumberS2S, "webex.example", domain, stranger)
		r.Expect(err).To(MatchError(ContainSubstring("not-authorized")))

		config, err := prosody.Engine{}.Render(r.input)
		r.Expect(err).NotTo(HaveOccurred())
		relaxed := maps.Clone(config.Files)
		relaxed["prosody.cfg.lua"] = strings.NewReplacer(
			config.Generation, "relaxed", "s2s_secure_auth = true", `s2s_secure_auth = true s2s_insecure_domains = { "webex.example" }`,
		).Replace(relaxed["prosody.cfg.lua"])
		r.SetConfig(t, relaxed)
		r.Eventually(func() string { return r.status().Generation }).Should(Equal("relaxed"))
		// The certificate is no longer a reason to close; there is no EXTERNAL for it, only dialback.
		_, err = prosodytest.Federate(engine.PortNumberS2S, "webex.example", domain, stranger)
		r.Expect(err).To(MatchError(Not(ContainSubstring("Your server's certificate"))))
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
		r.federate(t, domain).Close()
	})
}
