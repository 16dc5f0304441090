// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

var (
	resumeID  = regexp.MustCompile(`\bid='([^']+)'`)
	delivered = regexp.MustCompile(`<body>hib (\d+)</body>`)
)

// loginResumable logs cupuser2 in with stream management (XEP-0198) and returns the id to resume by. The client has got one
// stanza since then, its own presence.
func (r *rig) loginResumable() (stream *prosodytest.Stream, id string) {
	stream = r.login("cupuser2", "pw2")
	r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")).To(Succeed())
	_, err := stream.Expect("<enabled ")
	r.Expect(err).NotTo(HaveOccurred())
	text, err := stream.Expect("/>")
	r.Expect(err).NotTo(HaveOccurred())
	match := resumeID.FindStringSubmatch(text)
	r.Expect(match).NotTo(BeNil(), text)
	r.Expect(stream.Send("<presence/>")).To(Succeed())
	_, err = stream.Expect("<presence")
	r.Expect(err).NotTo(HaveOccurred())
	return stream, match[1]
}

// sendMessages has the partner send messages to cupuser2 and waits until they are acknowledged.
func (r *rig) sendMessages(t *testing.T, first, last int) {
	server := r.federate(t, domain)
	defer server.Close()
	for i := first; i <= last; i++ {
		r.Expect(server.Send(fmt.Sprintf("<message from='a@%s' to='cupuser2@%s' type='chat' id='m%d'><body>hib %d</body></message>",
			partner, domain, i, i))).To(Succeed())
		if i%50 == 0 || i == last {
			r.Expect(server.Ack()).To(Succeed())
		}
	}
}

// numbers returns the numbers of the messages in text, in their order.
func numbers(text string) (list []string) {
	for _, match := range delivered.FindAllStringSubmatch(text, -1) {
		list = append(list, match[1])
	}
	return list
}

func sequence(first, last int) (list []string) {
	for i := first; i <= last; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// untilPong is what a client gets before the answer to a ping.
func (r *rig) untilPong(stream *prosodytest.Stream) string {
	r.Expect(stream.Send("<iq type='get' id='last' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")).To(Succeed())
	text, err := stream.Expect("id='last'")
	r.Expect(err).NotTo(HaveOccurred())
	return text
}

// waiting is what cupuser2 gets at a fresh login.
func (r *rig) waiting() []string {
	stream := r.login("cupuser2", "pw2")
	defer stream.Close()
	r.Expect(stream.Send("<presence/>")).To(Succeed())
	return numbers(r.untilPong(stream))
}

func (r *rig) ack(stream *prosodytest.Stream, h int) {
	r.Expect(stream.Send(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", h))).To(Succeed())
}

// vanish ends the connection without ending the stream, and waits until the server has seen it.
func (r *rig) vanish(stream *prosodytest.Stream) {
	before := strings.Count(r.Log(), "Client disconnected")
	stream.Close()
	r.Eventually(func() int { return strings.Count(r.Log(), "Client disconnected") }).Should(BeNumerically(">", before))
}

func TestServerLosesNoAcknowledgedMessageWhenItEnds(t *testing.T) {
	ends := map[string]func(r *rig){
		"SIGKILL": func(r *rig) { r.Kill() },
		"SIGTERM": func(r *rig) { r.Stop() },
	}
	each(t, func(t *testing.T, r *rig) {
		for name, end := range ends {
			restart := func() {
				end(r)
				r.Start(t)
			}
			stream, _ := r.loginResumable()
			r.vanish(stream)
			r.sendMessages(t, 1, 30)
			restart()
			r.Expect(r.waiting()).To(Equal(sequence(1, 30)), "%s: the client was away", name)
			restart()
			r.Expect(r.waiting()).To(BeEmpty(), "%s: nothing comes twice", name)

			stream, _ = r.loginResumable()
			r.sendMessages(t, 1, 30)
			r.Expect(numbers(r.untilPong(stream))).To(Equal(sequence(1, 30)))
			r.ack(stream, 1+10)
			r.untilPong(stream)
			restart()
			stream.Close()
			r.Expect(r.waiting()).To(Equal(sequence(11, 30)), "%s: the client has acknowledged ten", name)
		}
	})
}

func TestServerLosesNoAcknowledgedMessageThatOutgrowsItsQueue(t *testing.T) {
	const many = 600
	each(t, func(t *testing.T, r *rig) {
		for name, end := range map[string]func(){"SIGKILL": r.Kill, "SIGTERM": r.Stop} {
			stream, _ := r.loginResumable()
			r.vanish(stream)
			r.sendMessages(t, 1, many)
			end()
			r.Start(t)
			r.Expect(r.waiting()).To(Equal(sequence(1, many)), name)
		}
	})
}

func TestServerSendsEverythingOnceWhenAClientResumes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream, id := r.loginResumable()
		r.sendMessages(t, 1, 10)
		r.Expect(numbers(r.untilPong(stream))).To(Equal(sequence(1, 10)))
		r.vanish(stream)
		r.sendMessages(t, 11, 30)
		again, err := prosodytest.Resume(domain, "cupuser2", "pw2", id, 1+10+1) // presence, messages, pong
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(numbers(r.untilPong(again))).To(Equal(sequence(11, 30)))
		r.sendMessages(t, 31, 32)
		r.Expect(numbers(r.untilPong(again))).To(Equal(sequence(31, 32)))
		r.ack(again, 1+10+1+20+1+2)
		r.untilPong(again)
		r.Kill()
		again.Close()
		r.Start(t)
		r.Expect(r.waiting()).To(BeEmpty(), "everything was acknowledged")
	})
}
