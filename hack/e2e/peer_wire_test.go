// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/capture"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
)

// marker is in every message of TestPeerTLSOnTheWire.
const marker = "capture-me-7f3a91"

// While a partner without TLS is configured and talked to, nothing but the way to TLS is ever sent in plain text to or
// from a partner whose TLS is required: not when it works, and not when that partner stops to offer it. A capture of the
// packets proves it; the same capture shows the messages of the partner without TLS, so it would have shown others.
func TestPeerTLSOnTheWire(t *testing.T) {
	needs(t, usual, exclusive(sametime.server(), googletalk.server()))
	s := newAllowedSite(t)
	fed := s.peered("peerwire."+zone, 5*time.Minute, func(spec *v1alpha1.FederationSpec) {
		spec.Peers = []v1alpha1.Peer{sametime.peer(), googletalk.peer()}
	})
	t.Cleanup(func() { s.heal(sametime) })
	s.switchTo(sametime) // streams that stand, and what goes over them, belong to the capture from their beginning
	s.switchTo(googletalk)
	packets, err := capture.Start(s.ctx, append(googletalk.callsFrom[:], sametime.address, googletalk.address)...)
	s.must(err)
	t.Cleanup(func() { s.must(packets.Stop()) })

	alice := s.loginTo(fed, "alice")
	for _, p := range []partner{sametime, googletalk} {
		user := s.login(p.account())
		s.must(conversation.Say(s.ctx, alice, user, marker+" there"))
		s.must(conversation.Say(s.ctx, user, alice, marker+" back"))
		user.Close()
	}
	working := s.wire(packets)
	s.Expect(working[googletalk].markers).To(BeNumerically(">=", 2), "messages with %s that the capture shows", googletalk.domain)
	s.expectEncrypted("required, and offered", working[sametime])
	s.Expect(working[sametime].attempts).To(BeEmpty())
	s.Expect(working[sametime].encrypted).To(BeNumerically(">=", 4), "encrypted directions of streams with %s", sametime.domain)

	s.switchTo(sametime, "no-tls")
	sam := s.login(sametime.account())
	for _, pair := range [][2]*conversation.Client{{alice, sam}, {sam, alice}} {
		s.must(pair[0].Send("message %s %s refused", pair[1].JID, marker))
		s.bounces(pair[0], pair[1].JID)
	}
	refused := s.wire(packets)
	s.expectEncrypted("required, but not offered any more", refused[sametime])
	s.Expect(refused[sametime].streams).To(BeNumerically(">", working[sametime].streams), "attempts without TLS")

	rows := [][]string{{"PEER", "TLS", "", "STREAMS", "OF THEM ENCRYPTED", "BYTES OF TLS", "IN PLAIN TEXT", "MARKERS IN PLAIN TEXT"}}
	for _, row := range []struct {
		partner
		what string
		wire
	}{
		{sametime, "while offered", working[sametime]}, {sametime, "and then no longer offered", refused[sametime]},
		{googletalk, "", refused[googletalk]},
	} {
		policy := row.peer().Policy(fed.Spec.PeerDefaults)
		rows = append(rows, []string{
			row.domain, string(policy.TLS), row.what, fmt.Sprint(row.streams), fmt.Sprint(row.encrypted), fmt.Sprint(row.bytes),
			strings.Trim(fmt.Sprint(row.plain), "map[]"), fmt.Sprint(row.markers),
		})
	}
	table(t, "what the wire shows, each direction of a connection as a stream, those of clients included", rows)
}

// wire is what a capture shows of a partner.
type wire struct {
	streams, encrypted, bytes, markers int
	plain                              map[string]int // elements in plain text
	// problems are streams with more in plain text than the way to TLS, attempts those of the partner to go on without it.
	problems, attempts []string
}

// wire looks at everything that was captured of the two partners. It waits for complete streams.
func (s *site) wire(packets *capture.Capture) map[partner]wire {
	s.Helper()
	var streams []capture.Stream
	s.Eventually(func() (err error) {
		streams, err = packets.Streams()
		return err
	}, soon, poll).Should(Succeed())
	shown := map[partner]wire{}
	for _, p := range []partner{sametime, googletalk} {
		w := wire{plain: map[string]int{}}
		for _, stream := range streams {
			if p.isOneOf(stream.From.Addr().String(), stream.To.Addr().String()) {
				w.add(stream, p.isOneOf(stream.From.Addr().String()))
			}
		}
		shown[p] = w
	}
	return shown
}

// isOneOf tells whether one of the addresses is the partner's.
func (p partner) isOneOf(addresses ...string) bool {
	return slices.ContainsFunc(addresses, func(address string) bool {
		return address == p.address || slices.Contains(p.callsFrom[:], address)
	})
}

func (w *wire) add(stream capture.Stream, theirs bool) {
	w.streams++
	w.markers += bytes.Count(stream.Data, []byte(marker))
	sent, err := capture.Read(stream.Data)
	if err != nil {
		w.problems = append(w.problems, fmt.Sprintf("%s to %s: %v", stream.From, stream.To, err))
		return
	}
	for _, element := range sent.Plain {
		w.plain[element]++
	}
	switch what := fmt.Sprintf("%s to %s: %s", stream.From, stream.To, sent); {
	case sent.OnlyNegotiation():
	case theirs && sent.NoStanza():
		w.attempts = append(w.attempts, what)
	default:
		w.problems = append(w.problems, what)
	}
	if w.bytes += sent.Encrypted; sent.Records > 0 {
		w.encrypted++
	}
}

// expectEncrypted makes sure that nothing but the way to TLS was in plain text.
func (s *site) expectEncrypted(what string, w wire) {
	s.Helper()
	s.Expect(w.problems).To(BeEmpty(), what)
	s.Expect(w.markers).To(BeZero(), what)
	s.Expect(w.streams).NotTo(BeZero(), what)
}

// bounces waits for the error that a message comes back with.
func (s *site) bounces(user *conversation.Client, from string) conversation.Event {
	s.Helper()
	ctx, cancel := contextWithin(s, time.Minute)
	defer cancel()
	event, err := user.Await(ctx, "to be told that "+from+" can't be reached", func(e conversation.Event) bool {
		return e.Event == "message" && e.Type == "error" && e.From == from
	})
	s.must(err)
	return event
}
