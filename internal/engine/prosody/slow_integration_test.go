// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// TestSlow_ServersThatAcknowledgeNothingAreCutAndSendersTold has a partner take messages of a user and answers of the server, and
// acknowledge none.
func TestSlow_ServersThatAcknowledgeNothingAreCutAndSendersTold(t *testing.T) {
	const messages, questions = 120, 230
	each(t, func(t *testing.T, r *rig) {
		r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict, Rate: 2_000_000})
		r.deliverConfig(t)
		server, user := r.correspond(t), r.login("cupuser1", "pw1")
		defer server.Close()
		defer user.Close()
		for i := range messages {
			r.Expect(user.Send(fmt.Sprintf("<message id='m%d' to='a@%s'><body>x</body></message>", i, partner))).To(Succeed())
			_, err := server.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred())
		}
		r.Expect(r.status().Limits.Refused).To(BeEmpty(), "what a user has said is not much")

		go func() {
			for {
				if _, err := server.Expect("/>"); err != nil {
					return
				}
			}
		}()
		question := "<iq type='get' id='" + strings.Repeat("q", 20_000) + "' from='a@" + partner + "' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>"
		r.Expect(server.Send(strings.Repeat(question, questions))).To(Succeed())
		r.Eventually(func() map[string]int64 { return r.status().Limits.Refused }).Should(Equal(map[string]int64{"slow readers": 1}))
		for i := range messages {
			got, err := user.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(got).To(And(ContainSubstring("id='m%d'", i), ContainSubstring("<remote-server-timeout")))
		}
	})
}
