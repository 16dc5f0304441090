// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

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

func TestServerTakesOverNewCodeOfItsModules(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer client.Close()
		defer server.Close()
		config, err := prosody.Engine{}.Render(r.input)
		r.Expect(err).NotTo(HaveOccurred())
		files := maps.Clone(config.Files)
		replace := func(file, old, with string) {
			r.Expect(files[file]).To(ContainSubstring(old))
			files[file] = strings.Replace(files[file], old, with, 1)
		}
		replace("mod_xmppfed_status.lua", `engine = "Prosody"`, `engine = "changed"`)
		replace("mod_auth_xmppfed.lua", "accounts()[username];", `accounts()[username] and accounts()[username].."x";`)
		replace("mod_xmppfed.lua", `certificate, certificate_err = load_certificate();`,
			`certificate, certificate_err = { serial = "FF", notAfter = "" };`)
		r.SetConfig(t, files)
		r.Eventually(func() string { return r.status().Engine }).Should(Equal("changed"))
		r.Eventually(func() string { return r.status().Certificate.Serial }).Should(Equal("FF"))
		r.Expect(r.status().ConfigError).To(BeEmpty())
		r.login("cupuser1", "pw1x").Close()
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
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
		r.Expect(err).To(MatchError(ContainSubstring(`expecting "<success"`)))
		r.Expect(client.Ping(domain)).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
		r.federate(t, domain).Close()
	})
}
