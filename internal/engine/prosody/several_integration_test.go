// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// device is one of several clients of cupuser2.
type device struct {
	r      *rig
	stream *prosodytest.Stream
	// stanzas is how many it has got since stream management was enabled.
	stanzas int
}

var stanzaStart = regexp.MustCompile(`<(message|presence|iq)[ />]`)

// device logs cupuser2 in once more. Messages go to the clients with the highest priority.
func (r *rig) device(enable string, priority int) *device {
	d := &device{r: r, stream: r.login("cupuser2", "pw2")}
	if enable != "" {
		r.Expect(d.stream.Send(enable)).To(Succeed())
		_, err := d.stream.Expect("<enabled")
		r.Expect(err).NotTo(HaveOccurred())
	}
	r.Expect(d.stream.Send(fmt.Sprintf("<presence><priority>%d</priority></presence>", priority))).To(Succeed())
	d.read()
	return d
}

// read returns the numbers of the messages that have come.
func (d *device) read() []string {
	text := d.r.untilPong(d.stream)
	d.stanzas += len(stanzaStart.FindAllString(text, -1))
	return numbers(text)
}

func (d *device) ack() {
	d.r.ack(d.stream, d.stanzas)
	d.read()
}

// end ends the stream, so that the session can't be resumed.
func (d *device) end() {
	d.r.Expect(d.stream.Send("</stream:stream>")).To(Succeed())
	_, err := d.stream.Expect("</stream:stream>")
	d.r.Expect(err).NotTo(HaveOccurred())
	d.stream.Close()
}

const (
	resumable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
	managed   = "<enable xmlns='urn:xmpp:sm:3'/>"
	unmanaged = ""
)

// severalCase is what becomes of three messages to a user with two clients.
type severalCase struct {
	name string
	// first and second say how the clients enable stream management.
	first, second string
	// onlySecond: the first client is not given the messages.
	onlySecond bool
	play       func(r *rig, first, second *device)
	// end ends the server afterwards; nil: it goes on.
	end func(r *rig, t *testing.T)
	// waiting is what comes at the next login.
	waiting []string
}

func endSecond(r *rig, first, second *device) {
	second.end()
	r.Expect(first.read()).To(BeEmpty(), "it has them")
}

func endBoth(r *rig, first, second *device) {
	endSecond(r, first, second)
	first.end()
}

func handOver(r *rig, first, second *device) {
	second.end()
	r.Expect(first.read()).To(Equal(sequence(1, 3)), "they go to the client that is there")
}

var severalCases = []severalCase{
	{name: "one has acknowledged them the other ends", first: resumable, second: resumable, play: func(r *rig, first, second *device) {
		first.ack()
		endBoth(r, first, second)
	}},
	{name: "one ends the other acknowledges them later", first: resumable, second: managed, play: func(r *rig, first, second *device) {
		endSecond(r, first, second)
		first.ack()
		first.end()
	}},
	{name: "one ends and the server is killed", first: resumable, second: resumable, play: endSecond, end: kill, waiting: sequence(1, 3)},
	{
		name: "one ends the other is away and the server is killed", first: resumable, second: resumable, end: kill, waiting: sequence(1, 3),
		play: func(r *rig, first, second *device) {
			r.vanish(first.stream)
			second.end()
		},
	},
	{
		name: "one has acknowledged them the other is away and the server is killed", first: resumable, second: resumable, end: kill,
		play: func(r *rig, first, second *device) {
			r.vanish(second.stream)
			first.ack()
		},
	},
	{name: "both end", first: resumable, second: managed, play: endBoth, waiting: sequence(1, 3)},
	{name: "both are there when the server ends", first: resumable, second: managed, end: stop, waiting: sequence(1, 3)},
	{name: "the one that had them ends", first: resumable, second: resumable, onlySecond: true, play: func(r *rig, first, second *device) {
		handOver(r, first, second)
		first.ack()
		first.end()
	}},
	{
		name: "the one that had them ends and the server is killed", first: resumable, second: managed, onlySecond: true,
		play: handOver, end: kill, waiting: sequence(1, 3),
	},
	{name: "the one that had them ends the other never acknowledges", second: resumable, onlySecond: true, play: handOver, end: kill},
	{name: "one never acknowledges the other ends", first: unmanaged, second: resumable, play: endBoth},
}

func TestSeveralClients(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			for _, c := range severalCases {
				t.Run(c.name, func(t *testing.T) { c.run(t, version) })
			}
		})
	}
}

func (c severalCase) run(t *testing.T, version string) {
	r := newRig(t, version)
	r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict}) // strangers are not told
	r.mountConfig(t)
	r.Start(t)
	priority, given := 0, sequence(1, 3)
	if c.onlySecond {
		priority, given = 5, nil
	}
	first, second := r.device(c.first, 0), r.device(c.second, priority)
	first.read() // the other's presence
	server := r.inBothDirections(t, partner, domain)
	defer server.Close()
	var messages strings.Builder
	for i := 1; i <= 3; i++ {
		fmt.Fprintf(&messages, "<message from='a@%s/x' to='cupuser2@%s' type='chat' id='m%d'><body>hib %d</body></message>", partner, domain, i, i)
	}
	returned := r.answers(server, messages.String(), "a@"+partner+"/x", domain)
	r.Expect(first.read()).To(Equal(given))
	r.Expect(second.read()).To(Equal(sequence(1, 3)))
	if c.play != nil {
		c.play(r, first, second)
	}
	returned += r.answers(server, "", "a@"+partner+"/x", domain)
	r.Expect(returned).NotTo(ContainSubstring("error"), "nothing is returned")
	if c.end != nil {
		c.end(r, t)
		r.Start(t)
	}
	first.stream.Close()
	second.stream.Close()
	r.Expect(r.waiting()).To(Equal(c.waiting))
	r.Expect(r.waiting()).To(BeEmpty(), "nothing comes twice")
}
