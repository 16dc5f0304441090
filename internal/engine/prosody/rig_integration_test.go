// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	domain  = "cupdomain.com"
	partner = "gmail.com"
	token   = "status-token"
)

// strict is the policy of a Federation that says nothing.
var strict = v1alpha1.PeerPolicy{
	Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
}

// rig is a running server and what it was given.
type rig struct {
	*prosodytest.Server
	*WithT
	ca      *prosodytest.CA
	input   engine.Input
	secrets engine.Secrets
	// adjust changes files after they are rendered; nil: nothing.
	adjust func(files map[string]string)
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
	r.input = engine.Input{
		Domains: []string{domain}, GroupChat: "conference", TrustedCAs: string(r.ca.PEM), Replicas: 1, PeerDefaults: strict,
	}
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

// render returns the files of the ConfigMap and their generation.
func (r *rig) render() (files map[string]string, generation string) {
	config, err := prosody.Engine{}.Render(r.input)
	r.Expect(err).NotTo(HaveOccurred())
	if r.adjust != nil {
		r.adjust(config.Files)
	}
	return config.Files, config.Generation
}

// mountConfig mounts the rendered input and returns its generation.
func (r *rig) mountConfig(t *testing.T) string {
	t.Helper()
	files, generation := r.render()
	r.SetConfig(t, files)
	return generation
}

// deliverConfig mounts the rendered input and waits until it is in force.
func (r *rig) deliverConfig(t *testing.T) {
	t.Helper()
	generation := r.mountConfig(t)
	r.Eventually(func() string { return r.status().Generation }).Should(Equal(generation))
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
