// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	wrongPassword = "not-authorized"
	notJudged     = "temporary-auth-failure"
)

func (r *rig) clientFrom(source string) *prosodytest.Stream {
	stream, err := prosodytest.OpenClientFrom(source, engine.PortNumberC2S, domain)
	r.Expect(err).NotTo(HaveOccurred())
	return stream
}

// tryFrom tries one password on a connection of its own.
func (r *rig) tryFrom(source, user, password string) string {
	stream := r.clientFrom(source)
	defer stream.Close()
	condition, err := stream.Try(user, password)
	r.Expect(err).NotTo(HaveOccurred())
	return condition
}

// guess tries wrong passwords, a hundred at most, and returns how many were judged before one was not.
func (r *rig) guess(source, user string) (judged int) {
	for judged < 100 {
		stream := r.clientFrom(source)
		for i := 0; i < 4; i++ {
			condition, err := stream.Try(user, fmt.Sprint("guess", judged))
			r.Expect(err).NotTo(HaveOccurred())
			if condition == notJudged {
				stream.Close()
				return judged
			}
			r.Expect(condition).To(Equal(wrongPassword))
			judged++
		}
		stream.Close()
	}
	return judged
}

func TestHostileGuesserHasFewTriesPerConnectionAndPerAddress(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream := r.clientFrom("127.0.0.8")
		defer stream.Close()
		for range 5 {
			condition, err := stream.Try("cupuser1", "wrong")
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(condition).To(Equal(wrongPassword))
		}
		_, err := stream.Try("cupuser1", "pw1")
		r.Expect(err).To(HaveOccurred(), "the connection is closed after the fifth")

		names := []string{"cupuser1", "cupuser2", "nobody"}
		judged := 0
		for i := 0; r.tryFrom("127.0.0.9", names[i%3], "wrong") == wrongPassword; i++ {
			judged++
			r.Expect(judged).To(BeNumerically("<", 60), "the address is not bounded")
		}
		r.Expect(judged).To(BeNumerically("~", 20, 3))
		r.Expect(r.tryFrom("127.0.0.9", "cupuser2", "pw2")).To(Equal(notJudged), "not even the right one")
		r.Expect(r.tryFrom("127.0.0.10", "cupuser2", "pw2")).To(BeEmpty(), "others can log in")
		r.Expect(r.Log()).To(ContainSubstring(`Login failed: user "cupuser1" of cupdomain.com from address 127.0.0.9`))
		logins := r.status().Logins
		r.Expect(logins.Failed).To(BeNumerically("~", 25, 4))
		r.Expect(logins.Refused).To(BeNumerically(">=", 2))
	})
}

func TestHostileCrowdGuessesLittleAndLocksNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.Expect(r.tryFrom("127.0.0.2", "cupuser1", "pw1")).To(BeEmpty())
		for _, user := range []string{"cupuser1", "nobody"} {
			judged := 0
			for i := range 5 {
				judged += r.guess(fmt.Sprintf("127.0.%d.%d", len(user), 10+i), user)
			}
			r.Expect(judged).To(BeNumerically("~", 30, 3), user)
		}
		r.Expect(r.tryFrom("127.0.3.1", "cupuser1", "pw1")).To(Equal(notJudged), "an address from where the user never came")
		r.Expect(r.tryFrom("127.0.0.2", "cupuser1", "pw1")).To(BeEmpty(), "the user's own address")
		r.Expect(r.tryFrom("127.0.3.1", "cupuser2", "pw2")).To(BeEmpty(), "another user")
		r.Expect(r.guess("127.0.0.2", "cupuser1")).To(BeNumerically("~", 10, 2), "the user's own address is bounded, too")
	})
}

func TestHostileStrangerCannotTellWhoHasAnAccount(t *testing.T) {
	salt := regexp.MustCompile(`^r=nonce[0-9a-f-]+,s=([A-Za-z0-9+/=]+),i=10000$`)
	each(t, func(t *testing.T, r *rig) {
		salts := map[string]string{}
		for i, name := range []string{"cupuser1", "nobody", "cupuser1", "nobody", "nobody2"} {
			stream := r.clientFrom("127.0.0.3")
			challenge, err := stream.Challenge(name)
			r.Expect(err).NotTo(HaveOccurred())
			match := salt.FindStringSubmatch(challenge)
			r.Expect(match).NotTo(BeNil(), "%s: %s", name, challenge)
			if before, again := salts[name]; again {
				r.Expect(match[1]).To(Equal(before), "%d: %s", i, name)
			}
			salts[name] = match[1]
			answer, err := stream.Respond(challenge)
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(answer).To(HaveSuffix("<text>The response provided by the client doesn&apos;t match the one we calculated.</text></failure>"), name)
			stream.Close()
		}
		r.Expect(salts["nobody"]).NotTo(Equal(salts["nobody2"]))
		r.Expect(salts["nobody"]).To(HaveLen(len(salts["cupuser1"])))
	})
}
