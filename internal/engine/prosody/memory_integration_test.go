// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// Parts of limits.go, with a margin for what is in use besides.
const (
	aboveStrangers = 76 // percent; strangersMemoryPercent is 70
	aboveUsers     = 90 // percent; usersMemoryPercent is 85
)

// takeMemory has the server itself take so much memory that percent of its limit are in use, which the server has to see.
func (r *rig) takeMemory(t *testing.T, percent int64) {
	t.Helper()
	limits := r.status().Limits
	missing := limits.MemoryLimitBytes*percent/100 - limits.MemoryBytes
	const grow = "> local t = { prosody.ballast } prosody.ballast = t " +
		"for i = 1, %d do t[#t + 1] = ('x'):rep(2^20) if i %% 4 == 0 then collectgarbage() end end collectgarbage()"
	out, err := r.Run(t, "prosodyctl", "shell", fmt.Sprintf(grow, missing>>20))
	r.Expect(err).NotTo(HaveOccurred(), out)
	r.Eventually(func() int64 { return r.status().Limits.MemoryBytes }).Should(
		BeNumerically(">", limits.MemoryLimitBytes*(percent-3)/100))
}

func (r *rig) giveMemoryBack(t *testing.T) {
	t.Helper()
	out, err := r.Run(t, "prosodyctl", "shell", "> prosody.ballast = nil collectgarbage() collectgarbage()")
	r.Expect(err).NotTo(HaveOccurred(), out)
	r.Eventually(func() int64 { return r.status().Limits.MemoryBytes }).Should(
		BeNumerically("<", r.status().Limits.MemoryLimitBytes/2))
}

// opens says whether the domain gets a stream that works.
func (r *rig) opens(t *testing.T, name string) error {
	stream, err := prosodytest.Federate(engine.PortNumberS2S, name, domain, r.ca.KeyPair(t, name))
	if err != nil {
		return err
	}
	defer stream.Close()
	return stream.Ack()
}

// expectRefusalSeen checks that the refusal is seen for what it is, and not as a lack of encryption or of XMPP.
func (r *rig) expectRefusalSeen(t *testing.T) {
	t.Helper()
	at := netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", engine.PortNumberS2S))
	wire := check.New().TryReplica(t.Context(), at, domain, "")
	pods := []check.Replica{{Pod: "cup-0", Wire: wire, Live: &engine.LiveStatus{}}}
	judged := check.Deployment{Name: "chat/cup", Domain: domain, Replicas: pods}.Judge()
	r.Expect(judged).To(ContainElement(And(HaveField("ID", check.ServerAnswers), HaveField("Reason", v1alpha1.ReasonStreamRefused),
		HaveField("Words", ContainSubstring(`"resource-constraint" "this server is short of memory"`)))))
}

func TestMemory_RefusesNewWorkNearItsLimit(t *testing.T) {
	const stranger, listed = "stranger.example", "listed.example"
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.input.Peers = append(r.input.Peers, engine.Peer{Domain: listed, Policy: strict})
			limits := prosody.Engine{}.Container().Resources.Limits
			r.LimitMemory(t, limits.Memory().Value())
			r.mountConfig(t)
			r.Start(t)
			standing, user := r.federate(t, domain), r.login("cupuser1", "pw1")
			defer standing.Close()
			defer user.Close()
			served := func(when string) {
				r.Expect(standing.Ack()).To(Succeed(), when)
				r.Expect(user.Ping(domain)).To(Succeed(), when)
			}
			r.Expect(r.opens(t, stranger)).To(Succeed())

			r.takeMemory(t, aboveStrangers)
			r.Expect(r.opens(t, stranger)).NotTo(Succeed(), "strangers are refused first")
			r.Expect(r.opens(t, listed)).To(Succeed(), "listed peers are not")
			r.login("cupuser2", "pw2").Close()
			served("above the first threshold")

			r.takeMemory(t, aboveUsers)
			r.Expect(r.opens(t, stranger)).NotTo(Succeed())
			r.Expect(r.opens(t, listed)).NotTo(Succeed(), "now everybody is")
			_, err := prosodytest.Login(engine.PortNumberC2S, domain, "cupuser2", "pw2")
			r.Expect(err).To(HaveOccurred())
			served("above the second threshold")
			r.expectRefusalSeen(t)
			r.Expect(r.status().Limits.Refused).To(HaveKeyWithValue("memory", BeNumerically(">=", 4)))

			r.giveMemoryBack(t)
			r.Expect(r.opens(t, stranger)).To(Succeed(), "and afterwards nobody")
			r.Expect(r.opens(t, listed)).To(Succeed())
			r.login("cupuser2", "pw2").Close()
			served("afterwards")
			r.Expect(r.Killed(t)).To(BeZero())
		})
	}
}

// A collection of garbage begins when so much has been allocated, not when memory has doubled.
func TestMemory_GarbageIsBoundedHoweverMuchIsInUse(t *testing.T) {
	const garbage = 16 << 20 // maxGarbage in limits.go
	each(t, func(t *testing.T, r *rig) {
		shell := func(code string) string {
			out, err := r.Run(t, "prosodyctl", "shell", "> "+code)
			r.Expect(err).NotTo(HaveOccurred(), out)
			return out
		}
		// pause is the percentage of the memory in use at which a collection begins; asking for it sets it, until the server does again.
		pause := func() (percent int, inUse float64) {
			match := pauseAndUse.FindStringSubmatch(shell(`return "pause "..collectgarbage("setpause", 105).." of "..collectgarbage("count")`))
			r.Expect(match).NotTo(BeNil())
			percent, err := strconv.Atoi(match[1])
			r.Expect(err).NotTo(HaveOccurred())
			inUse, err = strconv.ParseFloat(match[2], 64)
			r.Expect(err).NotTo(HaveOccurred())
			return percent, inUse * 1024
		}
		r.Eventually(func() int { percent, _ := pause(); return percent }).Should(BeNumerically(">", 140), "a small server")
		shell("prosody.ballast = {} for i = 1, 100 do prosody.ballast[i] = ('x'):rep(2^20 + i) end")
		r.Eventually(func() float64 {
			percent, inUse := pause()
			return inUse * float64(percent-100) / 100
		}).Should(And(BeNumerically("<=", garbage), BeNumerically(">", garbage/2)), "one of 100 MiB; Lua rounds to 4 %")
	})
}

var pauseAndUse = regexp.MustCompile(`pause (\d+) of ([\d.]+)`)
