// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

func TestStatusTellsHowEachNameWasProvenAndHowManyStanzasWait(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		mute := r.partner(t, "mute.example", strict)
		mute.Mute = true
		bidi := r.partner(t, "bidi.example", strict)
		bidi.Bidi, bidi.Reply = true, nil
		r.peer(mute.Listen(t), strict)
		r.peer(bidi.Listen(t), strict)
		r.peer(r.partner(t, "second.example", strict).Listen(t), strict)
		r.peer(r.partner(t, "plain.example", plain).Listen(t), plain)
		r.deliverConfig(t)
		pair := r.ca.KeyPair(t, partner, "second.example")
		incoming := r.open(prosodytest.Attempt{From: partner, To: domain, Certificate: &pair, External: true})
		defer incoming.Close()
		r.Expect(incoming.Dialback("second.example", domain)).To(Succeed())
		r.Expect(r.ping("bidi.example").Answered).To(BeTrue())
		r.Expect(r.ping("plain.example").Answered).To(BeTrue())
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		for range 3 {
			r.Expect(client.Send("<message to='a@mute.example'><body>x</body></message>")).To(Succeed())
		}
		r.Expect(client.Ping(domain)).To(Succeed())

		status := r.status()
		r.Expect(status.SessionsTotal).To(BeNumerically("==", len(status.Sessions)))
		for i := range status.Sessions {
			status.Sessions[i].Age = 0
		}
		tls := func(direction, remote, authentication string) engine.Session {
			return engine.Session{
				Direction: direction, Local: domain, Remote: remote, Secure: true, TLSVersion: "TLSv1.3", Authentication: authentication,
			}
		}
		both := tls("outgoing", "bidi.example", "EXTERNAL")
		both.Bidirectional = true
		r.Expect(status.Sessions).To(ConsistOf(
			tls("incoming", partner, "EXTERNAL"),
			tls("incoming", "second.example", "dialback"),
			tls("outgoing", "second.example", "EXTERNAL"), // on which the key was verified
			both,
			engine.Session{Direction: "outgoing", Local: domain, Remote: "plain.example", Authentication: "dialback"},
			engine.Session{Direction: "incoming", Local: domain, Remote: "plain.example", Authentication: "dialback"},
			engine.Session{Direction: "outgoing", Local: domain, Remote: "mute.example", Queue: 3},
		))
	})
}

func TestStatusStaysReadableWhenStrangersOpenManyStreams(t *testing.T) {
	const strangers = 1010 // more than are listed, fewer than may come without proving anything
	each(t, func(t *testing.T, r *rig) {
		for i := range strangers {
			stream := r.open(prosodytest.Attempt{From: fmt.Sprintf("s%d.example", i), To: domain, Plain: true, Unproven: true})
			defer stream.Close()
		}
		r.federate(t, domain).Close()
		stream := r.federate(t, domain)
		defer stream.Close()
		status := r.status()
		r.Expect(status.SessionsTotal).To(BeNumerically(">", strangers))
		r.Expect(status.Sessions).To(HaveLen(1000))
		r.Expect(status.Sessions[0].Remote).To(Equal(partner), "streams that stand come first")
	})
}
