// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"io"
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

func TestServerTrustsTheSystemsAuthoritiesBesideTheGivenOnes(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			system := prosodytest.NewCA(t)
			r.TrustSystemwide(t, system)
			r.Start(t)
			r.federate(t, domain).Close()
			for name, ca := range map[string]*prosodytest.CA{"system": system, "stranger": prosodytest.NewCA(t)} {
				stream, err := prosodytest.Federate(engine.PortNumberS2S, partner, domain, ca.KeyPair(t, partner))
				if name == "stranger" {
					r.Expect(err).To(MatchError(ContainSubstring("not-authorized")))
					continue
				}
				r.Expect(err).NotTo(HaveOccurred())
				stream.Close()
			}
		})
	}
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

func TestServerKnowsPasswordsInAnyScriptAndOffersSCRAM(t *testing.T) {
	const password = `p<&>"'\ä語🙂`
	each(t, func(t *testing.T, r *rig) {
		r.accounts(map[string]string{"cupuser1": password})
		r.deliverSecret(t)
		r.login("cupuser1", password).Close()
		r.Expect(prosodytest.LoginSCRAM(engine.PortNumberC2S, domain, "cupuser1", password)).To(Succeed())
		r.Expect(prosodytest.LoginSCRAM(engine.PortNumberC2S, domain, "cupuser1", "wrong")).NotTo(Succeed())
	})
}

func TestServerCanBeAskedByItsOwnShell(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream := r.federate(t, domain)
		defer stream.Close()
		out, err := r.Run(t, "prosodyctl", "shell", "s2s:show()")
		r.Expect(err).NotTo(HaveOccurred(), out)
		r.Expect(out).To(MatchRegexp(`gmail\.com.*TLSv1\.3`))
	})
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
