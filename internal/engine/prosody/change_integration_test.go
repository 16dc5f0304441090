// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// setPolicy changes the policy of a peer that is known.
func (r *rig) setPolicy(t *testing.T, name string, policy v1alpha1.PeerPolicy) {
	t.Helper()
	i := slices.IndexFunc(r.input.Peers, func(p engine.Peer) bool { return p.Domain == name })
	r.Expect(i).To(BeNumerically(">=", 0))
	r.input.Peers = slices.Clone(r.input.Peers)
	r.input.Peers[i].Policy = policy
	r.deliverConfig(t)
}

func (r *rig) open(a prosodytest.Attempt) *prosodytest.Stream {
	stream, err := a.Open()
	r.Expect(err).NotTo(HaveOccurred(), "%+v", a)
	return stream
}

func TestServerClosesExactlyTheStreamsThatAPolicyNoLongerAllows(t *testing.T) {
	const lax, bystander = "lax.example", "bystander.example"
	optional := allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationCertificateOrDialback)
	either := allow(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificateOrDialback)
	dialback := allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationDialback)
	const plainStream, untrusted, trusted, external = "plain", "dialback, untrusted", "dialback, trusted", "EXTERNAL"
	each(t, func(t *testing.T, r *rig) {
		r.peer(r.partner(t, lax, optional).Listen(t), optional)
		r.peer(r.partner(t, bystander, plain).Listen(t), plain)
		r.deliverConfig(t)
		valid, invalid := r.ca.KeyPair(t, lax), prosodytest.NewCA(t).KeyPair(t, lax)
		attempts := map[string]prosodytest.Attempt{
			plainStream: {Plain: true},
			untrusted:   {Certificate: &invalid},
			trusted:     {Certificate: &valid},
			external:    {Certificate: &valid, External: true},
		}
		other := r.open(prosodytest.Attempt{From: bystander, To: domain, Legacy: true})
		defer other.Close()
		for name, test := range map[string]struct {
			policy v1alpha1.PeerPolicy
			stay   []string
		}{
			"the same":                        {optional, []string{plainStream, untrusted, trusted, external}},
			"TLS required":                    {either, []string{untrusted, trusted, external}},
			"certificate required":            {strict, []string{trusted, external}},
			"dialback alone":                  {dialback, []string{plainStream, untrusted, trusted}},
			"TLS disabled, and so dialback":   {plain, []string{plainStream}},
			"denied":                          {deny, nil},
			"certificate, though not for TLS": {allow(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationCertificate), []string{trusted, external}},
		} {
			r.setPolicy(t, lax, optional)
			streams := map[string]*prosodytest.Stream{}
			for kind, attempt := range attempts {
				attempt.From, attempt.To = lax, domain
				streams[kind] = r.open(attempt)
			}
			r.setPolicy(t, lax, test.policy)
			for kind, stream := range streams {
				if slices.Contains(test.stay, kind) {
					r.Expect(stream.Alive(lax, domain)).To(Succeed(), "%s: %s", name, kind)
				} else {
					_, err := stream.Expect("<policy-violation")
					r.Expect(err).NotTo(HaveOccurred(), "%s: %s", name, kind)
				}
				stream.Close()
			}
			r.Expect(other.Alive(bystander, domain)).To(Succeed(), name)
		}
	})
}

func TestServerClosesItsOwnStreamWhenItsPartnerIsDenied(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		gmail, other := r.partner(t, partner, strict), r.partner(t, "other.example", strict)
		r.peer(gmail.Listen(t), strict)
		r.peer(other.Listen(t), strict)
		r.deliverConfig(t)
		r.Expect(r.ping(partner).Answered).To(BeTrue())
		r.Expect(r.ping("other.example").Answered).To(BeTrue())
		before := r.status().Sessions
		r.Expect(before).To(HaveLen(4))
		r.setPolicy(t, partner, deny)
		after := r.status().Sessions
		r.Expect(after).To(HaveLen(2))
		for _, session := range after {
			r.Expect(session.Remote).To(Equal("other.example"))
		}
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		r.Expect(client.Send("<message id='m' type='chat' to='jdoe1@conference." + partner + "/x'><body>x</body></message>")).To(Succeed())
		got, err := client.Expect("</message>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(got).To(And(ContainSubstring("id='m'"), ContainSubstring("<not-allowed"),
			ContainSubstring("policy of cupdomain.com does not allow federation with conference.gmail.com")))
	})
}

func TestServerDropsNoStreamOverAHundredChangesOfAnothersPolicy(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.peer(r.partner(t, partner, strict).Listen(t), strict)
		r.peer(r.partner(t, "changing.example", strict).Listen(t), strict)
		r.deliverConfig(t)
		incoming, client := r.federate(t, domain), r.login("cupuser1", "pw1")
		defer incoming.Close()
		defer client.Close()
		r.Expect(r.ping(partner).Answered).To(BeTrue())
		opened := strings.Count(r.Log(), "Outgoing s2s connection")
		r.Expect(client.Send("<presence/>")).To(Succeed())
		for i := range 100 {
			policy := []v1alpha1.PeerPolicy{plain, strict, deny}[i%3]
			r.input.Peers[1].Policy = policy
			r.input.Peers[1].Route.Port++ // another generation each time
			if i%10 == 9 {
				r.deliverConfig(t)
			} else {
				r.mountConfig(t)
			}
			body := fmt.Sprintf("<body>%d</body>", i)
			r.Expect(incoming.Send("<message to='cupuser1@" + domain + "' from='jdoe1@" + partner + "'>" + body + "</message>")).To(Succeed())
			got, err := client.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(got).To(ContainSubstring(body))
			r.Expect(r.ping(partner).Answered).To(BeTrue())
		}
		r.Expect(strings.Count(r.Log(), "Outgoing s2s connection")).To(Equal(opened), "no stream was opened anew")
	})
}

func TestServerKeepsItsPoliciesWhenNewOnesAreBroken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.peer(r.partner(t, "denied.example", deny).Listen(t), deny)
		r.deliverConfig(t)
		generation := r.status().Generation
		files, _ := r.render()
		for broken, want := range map[string]string{
			`{"defaults":`: "peers: peers.json has no peers",
			`{"defaults":{"access":"Yes","tls":"Required","authentication":"Certificate"},"peers":{}}`: "peers: access of the " +
				"defaults is missing or unknown",
		} {
			files["peers.json"] = broken
			files["prosody.cfg.lua"] += "\n"
			r.SetConfig(t, files)
			r.Eventually(func() string { return r.status().ConfigError }).Should(Equal(want))
			r.Expect(r.status().Generation).To(Equal(generation), want)
			_, err := prosodytest.Attempt{From: "denied.example", To: domain}.Open()
			r.Expect(err).To(MatchError(ContainSubstring("does not allow federation")), want)
			r.federate(t, domain).Close()
		}
	})
}

func TestServerFederatesWithNobodyWhenItsPoliciesAreNotEnforced(t *testing.T) {
	for _, version := range prosodytest.Versions {
		for name, broken := range map[string]struct{ file, text, reason string }{
			"the module has a syntax error":   {"mod_xmppfed_peers.lua", "this is not Lua", "s2s is not listening"},
			"the module fails when it starts": {"mod_xmppfed_peers.lua", "error('x')", "s2s is not listening"},
			"a library is missing":            {"xmppfed_policy.lib.lua", "error('x')", "s2s is not listening"},
			"there are no policies":           {"peers.json", "", "peers: "},
		} {
			t.Run("Prosody "+version+" "+name, func(t *testing.T) {
				r := newRig(t, version)
				good, _ := r.render()
				files := maps.Clone(good)
				files[broken.file] = broken.text
				r.SetConfig(t, files)
				r.Launch(t)
				r.Eventually(func() string { _, text := r.Ready(); return text }).Should(ContainSubstring(broken.reason))
				pair := r.ca.KeyPair(t, partner)
				_, err := prosodytest.Attempt{From: partner, To: domain, Certificate: &pair, External: true}.Open()
				r.Expect(err).To(HaveOccurred())
				r.Expect(r.status().Sessions).To(BeEmpty())
				if broken.file == "xmppfed_policy.lib.lua" {
					return // mod_xmppfed doesn't run, which would take over anything
				}
				r.SetConfig(t, good)
				r.WaitReady(t)
				r.federate(t, domain).Close()
			})
		}
	}
}

func TestServerClosesItsDoorsWhenNewCodeCannotEnforcePolicies(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream := r.federate(t, domain)
		defer stream.Close()
		files, _ := r.render()
		files["mod_xmppfed_peers.lua"] = "error('x')"
		r.SetConfig(t, files)
		_, err := stream.Expect("</stream:stream>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Eventually(func() string { _, text := r.Ready(); return text }).Should(ContainSubstring("has no federation"))
		_, err = prosodytest.Federate(engine.PortNumberS2S, partner, domain, r.ca.KeyPair(t, partner))
		r.Expect(err).To(HaveOccurred())
		r.mountConfig(t)
		r.WaitReady(t)
		r.federate(t, domain).Close()
	})
}
