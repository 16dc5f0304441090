// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// request is a request to see the presence of cupuser2.
func request(from string, i int, inside string) string {
	return fmt.Sprintf("<presence type='subscribe' from='a%d@%s' to='cupuser2@%s'>%s</presence>", i, from, domain, inside)
}

// requests are those that are delivered to cupuser2 at login.
func (r *rig) requests() string {
	stream := r.login("cupuser2", "pw2")
	defer stream.Close()
	r.Expect(stream.Send("<presence/>")).To(Succeed())
	return r.untilPong(stream)
}

func TestHostileRequestsForPresenceAreBoundedAndCanBeCleared(t *testing.T) {
	const isRequest = "type='subscribe'"
	const other = "other.example"
	each(t, func(t *testing.T, r *rig) {
		gmail := r.partner(t, partner, strict).Listen(t)
		r.peer(gmail, strict)
		r.deliverConfig(t)
		server := r.federate(t, domain)
		defer server.Close()
		long := strings.Repeat("x", 2000)
		r.Expect(server.Send(request(partner, 0, "<status>"+long+"</status><x xmlns='urn:x'>"+long+"</x>"+long))).To(Succeed())
		for i := 1; i <= 300; i++ {
			r.Expect(server.Send(request(partner, i, "<status>hello</status>"))).To(Succeed())
		}
		r.Expect(server.Ack()).To(Succeed())
		refusals := func() int {
			return len(slices.DeleteFunc(gmail.Seen(), func(s string) bool { return s != "TLS presence error" }))
		}
		r.Eventually(refusals).Should(Equal(251), "the sender is told")
		r.Expect(server.Send("<presence type='unsubscribe' from='a1@" + partner + "' to='cupuser2@" + domain + "'/>")).To(Succeed())
		r.Expect(server.Send(request(partner, 1, ""))).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
		r.Eventually(refusals).Should(Equal(252), "taking requests back and making new ones is no way around")
		r.Expect(r.status().RequestsRefused).To(Equal(int64(252)))

		stranger, err := prosodytest.Federate(engine.PortNumberS2S, other, domain, r.ca.KeyPair(t, other))
		r.Expect(err).NotTo(HaveOccurred())
		defer stranger.Close()
		r.Expect(stranger.Send(request(other, 1, "<status>me too</status>"))).To(Succeed())
		r.Expect(stranger.Ack()).To(Succeed())

		got := r.requests()
		r.Expect(strings.Count(got, isRequest)).To(Equal(50))
		r.Expect(got).To(And(ContainSubstring("<status>hello</status>"), ContainSubstring("<status>me too</status>"), Not(ContainSubstring(long))))

		client := r.login("cupuser2", "pw2")
		defer client.Close()
		r.Expect(client.Send("<presence type='unsubscribed' to='a2@" + partner + "'/>")).To(Succeed())
		r.untilPong(client)
		r.Expect(strings.Count(r.requests(), isRequest)).To(Equal(49), "an answer clears a request")
		r.setPolicy(t, partner, deny)
		r.Expect(strings.Count(r.requests(), isRequest)).To(Equal(1), "a domain that is denied leaves no requests behind")
		r.setPolicy(t, partner, strict)
		r.Expect(strings.Count(r.requests(), isRequest)).To(Equal(1))
	})
}
