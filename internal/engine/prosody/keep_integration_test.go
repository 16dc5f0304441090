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

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// tiny are elements that take 8 KiB of text and about 1 MiB of memory.
var tiny = "<x xmlns='urn:example:x'>" + strings.Repeat("<a/>", 2000) + "</x>"

// eachInItsMemory is each with the memory limit of a pod, a partner that is listed and may send fast, and accounts user0, user1 ...
func eachInItsMemory(t *testing.T, users int, test func(t *testing.T, r *rig)) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.input.Rooms = v1alpha1.AudiencePeers
			r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict, Rate: 10_000_000})
			limits := prosody.Engine{}.Container().Resources.Limits
			r.LimitMemory(t, limits.Memory().Value())
			accounts := map[string]string{"cupuser1": "pw1", "cupuser2": "pw2"}
			for i := range users {
				accounts[fmt.Sprintf("user%d", i)] = "pw"
			}
			r.accounts(accounts)
			data, _ := r.secrets.Data()
			r.SetSecret(t, data)
			r.mountConfig(t)
			r.Start(t)
			test(t, r)
			r.Expect(r.Killed(t)).To(BeZero())
		})
	}
}

var inList = regexp.MustCompile(`"hib (\d+)"`)

// stored returns the numbers of the messages for a user that are on disk: of the offline messages, and of the journal.
func (r *rig) stored(user string) (list []string) {
	text, _ := os.ReadFile(r.DataPath("cupdomain%2ecom", "offline", user+".list")) // where there is none, there are no messages
	for _, match := range inList.FindAllStringSubmatch(string(text), -1) {
		list = append(list, match[1])
	}
	text, _ = os.ReadFile(r.journal(user, "journal"))
	return append(list, numbers(string(text))...)
}

func TestKept_MessagesOfTinyElementsForAClientThatIsAway(t *testing.T) {
	const many = 400 // fewer than mod_smacks keeps, and less than 4 MiB of text
	eachInItsMemory(t, 0, func(t *testing.T, r *rig) {
		stream, id := r.loginResumable()
		r.vanish(stream)
		r.sendLarge(t, "cupuser2", many)
		r.Expect(r.Memory(t)).To(BeNumerically("<", 100<<20))
		r.Expect(r.status().Limits.Refused).To(HaveKeyWithValue("unacknowledged stanzas", BeNumerically(">", 0)))
		_, err := prosodytest.Resume(domain, "cupuser2", "pw2", id, 1)
		r.Expect(err).To(MatchError(ContainSubstring("<failed")), "what is not in memory can't be sent again")
		kept := r.stored("cupuser2")
		r.Expect(kept).To(Equal(sequence(1, len(kept))), "every message is on disk, or was returned")
		r.Expect(r.status().Limits.Refused).To(HaveKeyWithValue("offline messages", BeNumerically("==", many-len(kept))))
	})
}

// sendLarge has the partner send numbered messages of tiny elements to a user and waits until they are acknowledged.
func (r *rig) sendLarge(t *testing.T, user string, many int) {
	server := r.federate(t, domain)
	defer server.Close()
	for i := 1; i <= many; i++ {
		r.Expect(server.Send(fmt.Sprintf("<message from='a@%s' to='%s@%s' type='chat'><body>hib %d</body>%s</message>",
			partner, user, domain, i, tiny))).To(Succeed())
		if i%20 == 0 || i == many {
			r.Expect(server.Ack()).To(Succeed())
		}
	}
}

// Every user stays below the bound of one.
func TestKept_MessagesOfTinyElementsForManyClientsThatAreAway(t *testing.T) {
	const users, many = 100, 3
	eachInItsMemory(t, users, func(t *testing.T, r *rig) {
		for i := range users {
			user := fmt.Sprintf("user%d", i)
			stream := r.login(user, "pw")
			r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/>")).To(Succeed())
			_, err := stream.Expect("<presence")
			r.Expect(err).NotTo(HaveOccurred())
			r.vanish(stream)
			r.sendLarge(t, user, many)
			r.Expect(r.stored(user)).To(Equal(sequence(1, many)))
		}
		r.Expect(r.Memory(t)).To(BeNumerically("<", 120<<20))
	})
}

func TestKept_HistoryOfRooms(t *testing.T) {
	const rooms, many = 10, 20
	eachInItsMemory(t, 0, func(t *testing.T, r *rig) {
		owner := r.openLobby()
		defer owner.Close()
		server := r.inBothDirections(t, partner, roomService)
		defer server.Close()
		for i := range rooms {
			room := fmt.Sprintf("room%d@%s", i, roomService)
			r.openRoom(owner, room)
			r.Expect(r.answers(server, enter, "jdoe@"+partner+"/x", room+"/jdoe")).To(ContainSubstring(isInside))
			r.Expect(owner.Send("<presence type='unavailable' to='" + room + "/host'/>")).To(Succeed())
			r.untilPong(owner)
			for n := range many {
				r.Expect(server.Send(fmt.Sprintf("<message type='groupchat' from='jdoe@%s/x' to='%s'><body>hib %d</body>%s</message>",
					partner, room, n, tiny))).To(Succeed())
				_, err := server.Expect(fmt.Sprintf("<body>hib %d</body>", n))
				r.Expect(err).NotTo(HaveOccurred())
			}
		}
		r.Expect(r.Memory(t)).To(BeNumerically("<", 100<<20))
		r.Expect(r.status().Limits.Refused).To(HaveKeyWithValue("history of rooms", BeNumerically(">", 0)))
		for i := range 10 {
			r.Expect(server.Send(fmt.Sprintf("<message type='groupchat' from='jdoe@%s/x' to='room0@%s'><body>small %d</body></message>",
				partner, roomService, i))).To(Succeed())
		}
		got := r.answers(server, enter, "again@"+partner+"/x", "room0@"+roomService+"/again")
		r.Expect(got).To(And(ContainSubstring("small 0"), ContainSubstring("small 9")), "what is small stays")
	})
}

func TestKept_PresenceOfTinyElements(t *testing.T) {
	const occupants = 300
	eachInItsMemory(t, 0, func(t *testing.T, r *rig) {
		owner := r.openLobby()
		defer owner.Close()
		r.Expect(owner.Send("<presence id='large'>" + tiny + "</presence>")).To(Succeed())
		r.Expect(r.untilPong(owner)).To(ContainSubstring("policy-violation"), "of a user")

		server := r.inBothDirections(t, partner, roomService)
		defer server.Close()
		large := strings.Replace(enter, "</presence>", tiny+"</presence>", 1)
		for i := range occupants {
			from := fmt.Sprintf("jdoe%d@%s/x", i, partner)
			r.Expect(r.answers(server, large, from, fmt.Sprintf("%s/jdoe%d", lobby, i))).To(ContainSubstring("policy-violation"))
		}
		r.Expect(r.Memory(t)).To(BeNumerically("<", 100<<20))
		r.Expect(r.answers(server, enter, "jdoe@"+partner+"/x", lobby+"/jdoe")).To(ContainSubstring(isInside))
	})
}
