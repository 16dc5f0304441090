// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	roomService = "conference." + domain
	lobby       = "lobby@" + roomService
	enter       = "<presence id='i' FROM TO><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	listRooms   = "<iq type='get' id='i' FROM to='" + roomService + "'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
	isInside    = "110" // the status code of one's own presence
)

// openLobby has cupuser1 open a room that is public.
func (r *rig) openLobby() *prosodytest.Stream {
	client := r.login("cupuser1", "pw1")
	r.openRoom(client, lobby)
	return client
}

func (r *rig) openRoom(client *prosodytest.Stream, room string) {
	r.Expect(client.Send("<presence to='" + room + "/host'><x xmlns='http://jabber.org/protocol/muc'/></presence>")).To(Succeed())
	_, err := client.Expect("<status code='201'/>")
	r.Expect(err).NotTo(HaveOccurred())
	r.ask(client, "set", "to='"+room+"'", "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"+
		"<field var='muc#roomconfig_publicroom'><value>1</value></field></x></query>")
}

func TestRoomsAreForThoseTheyAreOpenedTo(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client := r.openLobby()
		defer client.Close()
		for _, test := range []struct {
			audience         v1alpha1.Audience
			listed, unlisted bool
		}{
			{v1alpha1.AudienceMembers, false, false}, {v1alpha1.AudiencePeers, true, false}, {v1alpha1.AudienceEveryone, true, true},
		} {
			r.input.Rooms, r.input.Peers = test.audience, []engine.Peer{{Domain: partner, Policy: strict}}
			r.deliverConfig(t)
			for from, welcome := range map[string]bool{partner: test.listed, strangeDomain: test.unlisted} {
				stream := r.inBothDirections(t, from, roomService)
				expected := Or(Equal(""), Not(ContainSubstring(lobby)))
				if welcome {
					expected = ContainSubstring(lobby)
				}
				r.Expect(r.answers(stream, listRooms, "jdoe1@"+from+"/x", lobby)).To(expected, "%s lists rooms for %s", from, test.audience)
				got := r.answers(stream, enter, "jdoe1@"+from+"/x", lobby+"/"+from)
				expected = ContainSubstring("forbidden")
				if welcome {
					expected = ContainSubstring(isInside)
				}
				r.Expect(got).To(expected, "%s enters a room for %s", from, test.audience)
				r.answers(stream, "<presence type='unavailable' FROM TO/>", "jdoe1@"+from+"/x", lobby+"/"+from)
				stream.Close()
			}
		}
	})
}

// replaceLocal takes the name of a room out of what came back.
func replaceLocal(text, name string) string {
	return strings.ReplaceAll(text, name+"@"+roomService, "ROOM")
}

func TestStrangersCannotTellRoomsFromOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client := r.openLobby()
		defer client.Close()
		stream := r.inBothDirections(t, strangeDomain, roomService)
		defer stream.Close()
		for _, stanza := range append([]string{enter}, stanzas...) {
			for _, end := range []string{"", "/host", "/none"} {
				there := r.answers(stream, stanza, strangeUser, lobby+end)
				elsewhere := r.answers(stream, stanza, strangeUser, "other@"+roomService+end)
				r.Expect(replaceLocal(there, "lobby")).To(Equal(replaceLocal(elsewhere, "other")), "%s to %q\n%s\n%s", stanza, end, there, elsewhere)
			}
		}
	})
}

func TestInvitedStrangersEnterTheRoomAndLeaveWhenItIsShut(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.input.Rooms = v1alpha1.AudienceEveryone
		r.deliverConfig(t)
		client := r.openLobby()
		defer client.Close()
		stream := r.inBothDirections(t, strangeDomain, roomService)
		defer stream.Close()
		r.Expect(r.answers(stream, enter, "passer@"+strangeDomain+"/x", lobby+"/passer")).To(ContainSubstring(isInside))
		r.input.Rooms = v1alpha1.AudiencePeers
		r.deliverConfig(t)
		got, err := stream.Expect("code='307'")
		r.Expect(err).NotTo(HaveOccurred(), "who is there and may not be has to leave")
		r.Expect(got).To(ContainSubstring("passer"))
		r.Expect(r.answers(stream, enter, "passer@"+strangeDomain+"/x", lobby+"/passer")).To(ContainSubstring("forbidden"))
		r.Expect(client.Send("<message to='" + lobby + "'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='guest@" + strangeDomain +
			"'/></x></message>")).To(Succeed())
		_, err = stream.Expect("<invite ")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(r.answers(stream, enter, "guest@"+strangeDomain+"/x", lobby+"/guest")).To(ContainSubstring(isInside), "the room has invited them")
		r.ask(client, "set", "to='"+lobby+"'", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='none' jid='guest@"+
			strangeDomain+"'/></query>")
		got, err = stream.Expect("code='307'")
		r.Expect(err).NotTo(HaveOccurred(), "who is no member any more has to leave")
		r.Expect(got).To(ContainSubstring("guest"))
	})
}
