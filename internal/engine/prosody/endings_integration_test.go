// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
	"github.com/xmppfed/xmppfed/test/hostile"
)

// grace is what is left of terminationGracePeriodSeconds when the kubelet sends SIGTERM, after the time to drain.
const grace = 40 * time.Second

// ending is a way in which a server ends while messages are sent to it.
type ending struct {
	name string
	// load keeps the server busy until it ends; nil for nothing.
	load func(r *rig, t *testing.T, target hostile.Target)
	end  func(r *rig, t *testing.T)
	// mend is done before the server starts again; nil for nothing.
	mend func(r *rig, t *testing.T)
}

func stop(r *rig, _ *testing.T) { r.Stop() }

func kill(r *rig, _ *testing.T) { r.Kill() }

// exhaust has the server take more memory than it may.
func exhaust(r *rig, t *testing.T) {
	out, _ := r.Run(t, "prosodyctl", "shell", "> local t = {} for i = 1, 400 do t[i] = ('x'):rep(2^20 + i) end return #t")
	r.Eventually(func() int { return r.Killed(t) }).Should(BeNumerically(">", 0), out)
	r.Kill()
}

func fillAndKill(r *rig, t *testing.T) {
	r.fillVolume(t)
	r.Kill()
}

func makeRoom(r *rig, t *testing.T) { r.MakeRoom(t) }

// flooder is the domain of a partner that sends as much as the server takes, bidiFlooder the one of hostile.BidiFlood.
const flooder, bidiFlooder = "flood.example", "bidi.example"

func partnerFlood(r *rig, t *testing.T, _ hostile.Target) {
	stream, err := prosodytest.Federate(engine.PortNumberS2S, flooder, domain, r.ca.KeyPair(t, flooder))
	r.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(stream.Close)
	message := "<message type='chat' from='a@" + flooder + "' to='nobody@" + domain + "'><body>" + strings.Repeat("z", 200) + "</body></message>"
	go func() {
		for stream.Send(strings.Repeat(message, 20)) == nil { // it ends with the stream
		}
	}()
}

func bidiFlood(r *rig, t *testing.T, target hostile.Target) {
	go func() { _, _ = hostile.BidiFlood(60).Do(t.Context(), target) }()
	r.Eventually(func() bool {
		return slices.ContainsFunc(r.status().Sessions, func(s engine.Session) bool { return s.Remote == bidiFlooder && s.Bidirectional })
	}).Should(BeTrue())
}

var endings = []ending{
	{name: "SIGKILL", end: kill},
	{name: "SIGKILL in the flood of a partner", load: partnerFlood, end: kill},
	{name: "SIGTERM", end: stop},
	{name: "SIGTERM in the flood of a partner", load: partnerFlood, end: stop},
	{name: "SIGTERM in a flood on a stream that it opened", load: bidiFlood, end: stop},
	{name: "OOM kill", end: exhaust},
	{name: "SIGKILL while the volume is full", end: fillAndKill, mend: makeRoom},
}

// outcome is what became of the messages of one ending.
type outcome struct {
	name     string
	took     time.Duration
	acked    int
	returned int
	lost     []string
}

func TestEndings_LoseNoAcknowledgedMessage(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			var table strings.Builder
			fmt.Fprintf(&table, "%-52s %7s %9s %6s %8s\n", "end", "acked", "returned", "lost", "took s")
			for _, e := range endings {
				t.Run(e.name, func(t *testing.T) {
					got := e.play(t, version)
					fmt.Fprintf(&table, "%-52s %7d %9d %6d %8.1f\n", got.name, got.acked, got.returned, len(got.lost), got.took.Seconds())
					g := NewWithT(t)
					g.Expect(got.lost).To(BeEmpty())
					g.Expect(got.took).To(BeNumerically("<", grace))
				})
			}
			t.Logf("\n%s", &table)
		})
	}
}

// play has a partner and a user send to a user who is away for a while and to one who is offline, ends the server meanwhile, and
// looks what came.
func (e ending) play(t *testing.T, version string) outcome {
	r := newRig(t, version)
	r.accounts(map[string]string{"cupuser1": "pw1", "cupuser2": "pw2", "sender": "pw3"})
	data, _ := r.secrets.Data()
	r.SetSecret(t, data)
	r.LimitVolume(t, smallVolume)
	target := r.target(t)
	r.SetDefaultEventuallyTimeout(time.Minute)
	target.Attacker = hostile.Account{Name: "sender", Password: "pw3"}
	stream, _ := r.loginResumable()
	r.vanish(stream)

	writers := r.writers(t)
	for _, w := range writers {
		r.sendUntil(w, func() bool { return w.Acked() >= 20 })
	}
	if e.load != nil {
		e.load(r, t, target)
	}
	for _, w := range writers {
		go func() {
			for w.Send() == nil {
				<-time.After(10 * time.Millisecond)
			}
		}()
	}
	acked := writers[0].Acked()
	r.Eventually(writers[0].Acked).Should(BeNumerically(">", acked))
	began := time.Now()
	e.end(r, t)
	got := outcome{name: e.name, took: time.Since(began)}
	for _, w := range writers {
		<-w.Done()
	}
	if e.mend != nil {
		e.mend(r, t)
	}
	r.account(t, writers, &got)
	return got
}

// writers are a partner and a user, both with stream management.
func (r *rig) writers(t *testing.T) []*prosodytest.Writer {
	to := []string{"cupuser1@" + domain, "cupuser2@" + domain}
	server := r.correspond(t)
	user := r.login("sender", "pw3")
	r.Expect(user.Send("<enable xmlns='urn:xmpp:sm:3'/>")).To(Succeed())
	_, err := user.Expect("<enabled")
	r.Expect(err).NotTo(HaveOccurred())
	_, err = user.Expect(">")
	r.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(server.Close)
	t.Cleanup(user.Close)
	return []*prosodytest.Writer{server.Write("partner", "a@"+partner, to...), user.Write("user", "sender@"+domain, to...)}
}

// account starts the server again and counts what the two users get.
func (r *rig) account(t *testing.T, writers []*prosodytest.Writer, got *outcome) {
	r.Start(t)
	mail := []string{r.mail("cupuser1", "pw1"), r.mail("cupuser2", "pw2")}
	for _, w := range writers {
		got.acked += w.Acked()
		got.returned += len(w.Returned())
		for _, n := range w.Lost(mail...) {
			got.lost = append(got.lost, fmt.Sprintf("%s %d", w.Name, n))
		}
	}
}
