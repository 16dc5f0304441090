// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// bulk is so many kilobytes of messages of a domain that nobody answers.
func bulk(from string, kilobytes int) string {
	const message = "<message from='a@%s' to='nobody@%s' type='error'><body>%s</body></message>"
	return strings.Repeat(fmt.Sprintf(message, from, domain, strings.Repeat("x", 1000)), kilobytes)
}

// TestDelays_AreCountedOfStreamsThatBringMoreThanTheirRate has a peer and a stranger send more than their rates for half a minute, and
// another peer little, but all the time.
func TestDelays_AreCountedOfStreamsThatBringMoreThanTheirRate(t *testing.T) {
	const busy, calm, stranger = "busy.example", "calm.example", "stranger.example"
	each(t, func(t *testing.T, r *rig) {
		r.input.Peers = append(r.input.Peers,
			engine.Peer{Domain: busy, Policy: strict, Rate: 10_000}, engine.Peer{Domain: calm, Policy: strict})
		r.deliverConfig(t)
		streams := map[string]*prosodytest.Stream{}
		for _, name := range []string{calm, busy, stranger} {
			stream, err := prosodytest.Federate(engine.PortNumberS2S, name, domain, r.ca.KeyPair(t, name))
			r.Expect(err).NotTo(HaveOccurred())
			defer stream.Close()
			streams[name] = stream
		}
		r.Expect(streams[busy].Send(bulk(busy, 300))).To(Succeed())
		r.Expect(streams[stranger].Send(bulk(stranger, 900))).To(Succeed())
		delayed := func() map[string]int64 {
			r.Expect(streams[calm].Send(bulk(calm, 1))).To(Succeed())
			return r.status().Limits.Delayed
		}
		atLeast := BeNumerically(">=", 10)
		r.Eventually(delayed).WithTimeout(time.Minute).Should(And(HaveKeyWithValue(busy, atLeast), HaveKeyWithValue("", atLeast)))
		r.Expect(delayed()).To(HaveLen(2), "who keeps within its rate is not delayed")
	})
}
