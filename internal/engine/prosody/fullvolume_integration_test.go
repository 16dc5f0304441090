// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// smallVolume is room for some hundred messages, in bytes.
const smallVolume = 4 << 20

// onSmallVolume is each with a data volume that is soon full.
func onSmallVolume(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.LimitVolume(t, smallVolume)
			r.Start(t)
			test(t, r)
		})
	}
}

// correspond opens a stream in both directions from the partner, with stream management.
func (r *rig) correspond(t *testing.T) *prosodytest.Stream {
	t.Helper()
	pair := r.ca.KeyPair(t, partner)
	stream := r.open(prosodytest.Attempt{From: partner, To: domain, Certificate: &pair, External: true, Bidi: true})
	r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3'/>")).To(Succeed())
	_, err := stream.Expect("<enabled")
	r.Expect(err).NotTo(HaveOccurred())
	_, err = stream.Expect(">")
	r.Expect(err).NotTo(HaveOccurred())
	return stream
}

// sendUntil has the writer send on until done says that it is.
func (r *rig) sendUntil(w *prosodytest.Writer, done func() bool) {
	r.Eventually(func() bool {
		r.Expect(w.Send()).To(Succeed())
		return done()
	}).Should(BeTrue())
}

// mail is everything that a user gets at a login.
func (r *rig) mail(name, password string) string {
	stream := r.login(name, password)
	defer stream.Close()
	r.Expect(stream.Send("<presence/>")).To(Succeed())
	return r.untilPong(stream)
}

func (r *rig) volumeFull() bool { return r.status().Volume.Full }

// fillVolume fills it and waits until the server has seen that.
func (r *rig) fillVolume(t *testing.T) {
	t.Helper()
	r.FillVolume(t)
	r.Eventually(r.volumeFull).Should(BeTrue())
}

func TestFullVolume_MessagesComeBack(t *testing.T) {
	onSmallVolume(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		r.vanish(stream)
		live := r.correspond(t)
		defer live.Close()
		w := live.Write("full", "a@"+partner, "cupuser1@"+domain, "cupuser2@"+domain)
		r.sendUntil(w, func() bool { return w.Acked() >= 20 })
		r.fillVolume(t)
		r.sendUntil(w, func() bool { return len(w.Returned()) >= 20 })
		for n, text := range w.Returned() {
			r.Expect(text).To(And(ContainSubstring("type='wait'"), ContainSubstring("<resource-constraint")), "message %d", n)
		}
		code, text := r.Ready()
		r.Expect(code).To(Equal(200), text)
		user := r.login("cupuser1", "pw1")
		r.Expect(user.Ping(domain)).To(Succeed(), "what needs no disk goes on")
		user.Close()

		r.MakeRoom(t)
		r.Eventually(r.volumeFull).Should(BeFalse())
		back := len(w.Returned())
		acked := w.Acked()
		r.sendUntil(w, func() bool { return w.Acked() >= acked+20 })
		r.Expect(w.Returned()).To(HaveLen(back), "nothing is returned any more")
		r.Kill()
		r.Start(t)
		r.Expect(w.Lost(r.mail("cupuser1", "pw1"), r.mail("cupuser2", "pw2"))).To(BeEmpty())
	})
}

func TestFullVolume_KeepsWhatAKilledServerHasLeft(t *testing.T) {
	onSmallVolume(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		r.vanish(stream)
		r.sendMessages(t, 1, 30)
		r.FillVolume(t)
		r.Kill()
		r.Start(t)
		user, _ := r.loginResumable()
		r.untilPong(user)
		user.Close()
		r.MakeRoom(t)
		r.Eventually(r.waiting).Should(Equal(sequence(1, 30)))
	})
}

// A session that can't be resumed any more ends while the volume is full.
func TestFullVolume_KeepsWhatAClientHasNotAcknowledged(t *testing.T) {
	onSmallVolume(t, func(t *testing.T, r *rig) {
		for name, end := range map[string]func(r *rig, user *prosodytest.Stream){
			"the client ends its stream": func(r *rig, user *prosodytest.Stream) { r.Expect(user.Send("</stream:stream>")).To(Succeed()) },
			"SIGTERM":                    func(r *rig, _ *prosodytest.Stream) { r.Stop() },
		} {
			user, _ := r.loginResumable()
			r.sendMessages(t, 1, 30)
			r.Expect(numbers(r.untilPong(user))).To(Equal(sequence(1, 30)))
			r.fillVolume(t)
			end(r, user)
			if name == "SIGTERM" {
				r.Start(t)
			}
			_, err := user.Expect("</stream:stream>")
			r.Expect(err).NotTo(HaveOccurred())
			user.Close()
			r.MakeRoom(t)
			r.Eventually(r.waiting).Should(Equal(sequence(1, 30)), name)
			r.Expect(r.waiting()).To(BeEmpty(), name)
		}
	})
}

func TestFullVolume_OfflineMessagesStayUntilAClientHasThem(t *testing.T) {
	onSmallVolume(t, func(t *testing.T, r *rig) {
		r.sendMessages(t, 1, 30)
		r.FillVolume(t)
		user, _ := r.loginResumable()
		r.untilPong(user)
		r.Kill()
		user.Close()
		r.Start(t)
		r.MakeRoom(t)
		r.Expect(r.waiting()).To(Equal(sequence(1, 30)))
	})
}

func TestFullVolume_DestroysNothing(t *testing.T) {
	const contact = "<iq type='set' id='r%[1]d'><query xmlns='jabber:iq:roster'><item jid='c%[1]d@" + partner + "'/></query></iq>"
	roster := func(r *rig) (contacts int) {
		user := r.login("cupuser1", "pw1")
		defer user.Close()
		r.Expect(user.Send("<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>")).To(Succeed())
		text, err := user.Expect("</query>")
		r.Expect(err).NotTo(HaveOccurred())
		return strings.Count(text, "<item")
	}
	onSmallVolume(t, func(t *testing.T, r *rig) {
		user := r.login("cupuser1", "pw1")
		defer user.Close()
		for i := range 100 {
			r.Expect(user.Send(fmt.Sprintf(contact, i))).To(Succeed())
		}
		r.untilPong(user)
		r.FillVolume(t)
		for i := 100; i < 200; i++ {
			r.Expect(user.Send(fmt.Sprintf(contact, i))).To(Succeed())
		}
		r.untilPong(user)
		r.Kill()
		r.Start(t)
		r.Expect(roster(r)).To(BeNumerically(">=", 100), "what was stored before the volume was full")
		r.MakeRoom(t)
	})
}

func TestFullVolume_RemovedAccountLeavesNothingToTheNext(t *testing.T) {
	onSmallVolume(t, func(t *testing.T, r *rig) {
		r.sendMessages(t, 1, 3)
		r.FillVolume(t)
		for _, accounts := range []map[string]string{
			{"cupuser1": "pw1"},
			{"cupuser1": "pw1", "cupuser2": "of somebody else"},
		} {
			r.accounts(accounts)
			r.deliverSecret(t)
		}
		r.MakeRoom(t)
		r.Expect(numbers(r.mail("cupuser2", "of somebody else"))).To(BeEmpty())
	})
}

func TestStoredMessages_AreBoundedForEachUser(t *testing.T) {
	const bound, body = 20_000, 1000
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) {
				const name = "prosody.cfg.lua"
				files[name] = regexp.MustCompile(`stored_bytes = \d+`).ReplaceAllString(files[name], fmt.Sprintf("stored_bytes = %d", bound))
			}
			r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict}) // strangers are not told
			r.mountConfig(t)
			r.Start(t)
			stream, _ := r.loginResumable()
			r.vanish(stream)
			server := r.correspond(t)
			defer server.Close()
			for user, counter := range map[string]string{"cupuser1": "offline messages", "cupuser2": "messages to keep"} {
				message := "<message from='a@" + partner + "' to='" + user + "@" + domain + "' type='chat' id='m'><body>" +
					strings.Repeat("x", body) + "</body></message>"
				r.Expect(server.Send(strings.Repeat(message, bound/body+1))).To(Succeed())
				answer, err := server.Expect("</message>")
				r.Expect(err).NotTo(HaveOccurred())
				r.Expect(answer).To(And(ContainSubstring("type='wait'"), ContainSubstring("<resource-constraint")))
				r.Eventually(func() map[string]int64 { return r.status().Limits.Refused }).Should(
					HaveKeyWithValue(counter, BeNumerically(">", 0)))
			}
		})
	}
}

// A server that is killed in the midst of writing leaves an entry that is not whole.
func TestServerReadsListsThatWereNotWrittenInFull(t *testing.T) {
	const tornItem, tornLine = "item({\n\t[\"attr\"] = {\n\t\t[\"to\"] = \"cupus", "+ session 11 message 1700000000 117 <message to='cupus"
	each(t, func(t *testing.T, r *rig) {
		r.sendMessages(t, 1, 10)
		stream, _ := r.loginResumable() // moves them to the list of what is not acknowledged
		r.Expect(numbers(r.untilPong(stream))).To(Equal(sequence(1, 10)))
		tear := func(name, torn string) {
			file, err := os.OpenFile(r.DataPath("cupdomain%2ecom", name), os.O_APPEND|os.O_WRONLY, 0)
			r.Expect(err).NotTo(HaveOccurred())
			_, err = file.WriteString(torn)
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(file.Close()).To(Succeed())
		}
		r.Kill()
		stream.Close()
		tear("xmppfed_journal/cupuser2.journal", tornLine)
		r.Start(t)
		r.sendMessages(t, 11, 20)
		r.Kill()
		tear("offline/cupuser2.list", tornItem)
		r.Start(t)
		r.sendMessages(t, 21, 30)
		r.Expect(r.waiting()).To(Equal(sequence(1, 30)))
	})
}
