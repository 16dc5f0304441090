// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// withLimits runs test as each does, with other values of limits.
func withLimits(t *testing.T, limits map[string]int, test func(t *testing.T, r *rig)) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) {
				for name, value := range limits {
					line := regexp.MustCompile(name + ` = \d+`)
					r.Expect(line.MatchString(files["prosody.cfg.lua"])).To(BeTrue(), name)
					files["prosody.cfg.lua"] = line.ReplaceAllString(files["prosody.cfg.lua"], fmt.Sprintf("%s = %d", name, value))
				}
			}
			r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict})
			r.mountConfig(t)
			r.Start(t)
			test(t, r)
		})
	}
}

// expectSameAnswers sends every stanza to users who are away and to nobody.
func (r *rig) expectSameAnswers(stream *prosodytest.Stream, users ...string) {
	for i, stanza := range stanzas {
		for _, end := range []string{"", "/none"} {
			seen := map[string]string{}
			for _, user := range append(users, "nobody") {
				to := user + "@" + domain
				seen[user] = strings.ReplaceAll(r.answers(stream, stanza, strangeUser, to+end), to, "USER")
			}
			r.Expect(seen).To(HaveEach(seen["nobody"]), "%d. %s to %q", i, stanza, end)
		}
	}
}

// TestStrangersCannotTellWhoseMessagesAreTooMany has the messages of one user who is away, and of one whose client is gone
// for a while, reach their bound.
func TestStrangersCannotTellWhoseMessagesAreTooMany(t *testing.T) {
	const bound = 20_000
	withLimits(t, map[string]int{"stored_bytes": bound}, func(t *testing.T, r *rig) {
		client, _ := r.loginResumable()
		r.vanish(client)
		server := r.correspond(t)
		defer server.Close()
		message := "<message from='a@" + partner + "' to='%s@" + domain + "' type='chat' id='m'><body>" + strings.Repeat("x", bound/10) + "</body></message>"
		for _, user := range []string{"cupuser1", "cupuser2"} {
			r.Expect(server.Send(strings.Repeat(fmt.Sprintf(message, user), 12))).To(Succeed())
			got, err := server.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(got).To(ContainSubstring("resource-constraint"), "a partner is told that messages of %s are too many", user)
		}
		stream := r.inBothDirections(t, strangeDomain, domain)
		defer stream.Close()
		r.expectSameAnswers(stream, "cupuser1", "cupuser2")
	})
}

// TestStrangersCannotTellAccountsFromOthersOnAFullVolume: what can't be stored for anybody is refused for nobody, too, rather
// than lost without a word.
func TestStrangersCannotTellAccountsFromOthersOnAFullVolume(t *testing.T) {
	limits := map[string]int{"volume_reserve_percent": 100, "volume_reserve_bytes": 1 << 50}
	withLimits(t, limits, func(t *testing.T, r *rig) {
		r.Eventually(r.volumeFull).Should(BeTrue())
		client, _ := r.loginResumable()
		r.vanish(client)
		stream := r.inBothDirections(t, strangeDomain, domain)
		defer stream.Close()
		message := "<message id='i' type='chat' FROM TO><body>x</body></message>"
		r.Expect(r.answers(stream, message, strangeUser, "cupuser1@"+domain)).To(ContainSubstring("resource-constraint"))
		r.expectSameAnswers(stream, "cupuser1", "cupuser2")
	})
}
