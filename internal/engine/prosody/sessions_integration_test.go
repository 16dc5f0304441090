// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// Numbers of limits.go.
const (
	maxSessions     = 20
	maxSessionsAway = 10
)

// leave logs cupuser2 in with a client that breaks off, and returns the id to resume by. It is sent no messages.
func (r *rig) leave() string {
	stream := r.login("cupuser2", "pw2")
	r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")).To(Succeed())
	_, err := stream.Expect("<enabled")
	r.Expect(err).NotTo(HaveOccurred())
	text, err := stream.Expect("/>")
	r.Expect(err).NotTo(HaveOccurred())
	r.vanish(stream)
	return resumeID.FindStringSubmatch(text)[1]
}

func TestSessions_OfAUserThatBreakOff(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream, first := r.loginResumable()
		r.vanish(stream)
		r.sendMessages(t, 1, 3)
		second := r.leave()
		for range maxSessionsAway - 1 {
			r.leave()
		}
		_, err := prosodytest.Resume(domain, "cupuser2", "pw2", first, 1)
		r.Expect(err).To(MatchError(ContainSubstring("<failed")), "it was away for longest")
		r.Expect(r.waiting()).To(Equal(sequence(1, 3)), "what it had is not lost")
		again, err := prosodytest.Resume(domain, "cupuser2", "pw2", second, 0)
		r.Expect(err).NotTo(HaveOccurred())
		again.Close()
		r.Expect(r.status().Limits.Refused).To(BeEmpty())
	})
}

func TestSessions_OfAUserThatAreThere(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		var streams []*prosodytest.Stream
		for range maxSessions {
			stream := r.login("cupuser2", "pw2")
			defer stream.Close()
			streams = append(streams, stream)
		}
		r.Expect(r.status().Limits.Refused).To(BeEmpty())
		r.Expect(streams[0].Ping(domain)).To(Succeed())
		last := r.login("cupuser2", "pw2")
		defer last.Close()
		end, err := streams[0].Expect("</stream:stream>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(end).To(ContainSubstring("<resource-constraint"))
		for _, stream := range append(streams[1:], last) {
			r.Expect(stream.Ping(domain)).To(Succeed())
		}
		r.Expect(r.status().Limits.Refused).To(Equal(map[string]int64{"sessions of a user": 1}))
	})
}
