// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	bookmarks  = "<storage xmlns='storage:bookmarks'>%s</storage>"
	secretRoom = "<conference jid='secret@conference." + domain + "'><password>room-password</password></conference>"
)

// ask sends an IQ with the given payload and returns what comes until its answer has ended.
func (r *rig) ask(stream *prosodytest.Stream, kind, attributes, payload string) string {
	r.Expect(stream.Send(fmt.Sprintf("<iq type='%s' id='ask' %s>%s</iq>", kind, attributes, payload))).To(Succeed())
	answer, err := stream.Expect("id='ask'", `id="ask"`)
	r.Expect(err).NotTo(HaveOccurred())
	rest, err := stream.Expect("</iq>", "/>")
	r.Expect(err).NotTo(HaveOccurred())
	return answer + rest
}

// settle gives cupuser2 everything that is stored of a user: a contact at the partner, bookmarks, a vCard, an item of PEP, a
// room, and a message that waits.
func (r *rig) settle(t *testing.T) {
	client, server := r.login("cupuser2", "pw2"), r.federate(t, domain)
	defer client.Close()
	defer server.Close()
	r.Expect(client.Send("<presence/>")).To(Succeed())
	r.Expect(server.Send("<presence type='subscribe' from='jdoe1@gmail.com' to='cupuser2@cupdomain.com'/>")).To(Succeed())
	_, err := client.Expect("type='subscribe'")
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(client.Send("<presence type='subscribed' to='jdoe1@gmail.com'/>")).To(Succeed())
	r.ask(client, "set", "", "<query xmlns='jabber:iq:private'>"+fmt.Sprintf(bookmarks, secretRoom)+"</query>")
	r.ask(client, "set", "", "<vCard xmlns='vcard-temp'><FN>Carla</FN></vCard>")
	r.ask(client, "set", "", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:test'><item id='1'>"+
		"<x xmlns='urn:test'>secret-item</x></item></publish></pubsub>")
	r.Expect(client.Send("<presence to='owned@conference." + domain + "/n'><x xmlns='http://jabber.org/protocol/muc'/></presence>")).To(Succeed())
	_, err = client.Expect("<status code='201'/>")
	r.Expect(err).NotTo(HaveOccurred())
	r.ask(client, "set", "to='owned@conference."+domain+"'", "<query xmlns='http://jabber.org/protocol/muc#owner'>"+
		"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"+
		"<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>")
	client.Close()
	r.Eventually(r.Log).Should(ContainSubstring("Client disconnected"))
	r.Expect(server.Send("<message type='chat' from='jdoe1@gmail.com' to='cupuser2@cupdomain.com'><body>waiting</body></message>")).To(Succeed())
	r.Expect(server.Ack()).To(Succeed())
}

// belongings are what a user finds when logging in: everything that settle left, in one text.
func (r *rig) belongings(password string) string {
	client := r.login("cupuser2", password)
	defer client.Close()
	all := []string{
		r.ask(client, "get", "", "<query xmlns='jabber:iq:roster'/>"),
		r.ask(client, "get", "", "<query xmlns='jabber:iq:private'>"+fmt.Sprintf(bookmarks, "")+"</query>"),
		r.ask(client, "get", "", "<vCard xmlns='vcard-temp'/>"),
		r.ask(client, "get", "", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:test'/></pubsub>"),
		r.ask(client, "get", "to='owned@conference."+domain+"'", "<query xmlns='http://jabber.org/protocol/muc#owner'/>"),
	}
	r.Expect(client.Send("<presence/>")).To(Succeed())
	r.Expect(client.Send("<iq type='get' id='end' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")).To(Succeed())
	text, err := client.Expect("id='end'")
	r.Expect(err).NotTo(HaveOccurred())
	return strings.Join(append(all, text), "\n")
}

var (
	everything = And(ContainSubstring("jdoe1@gmail.com"), ContainSubstring("room-password"), ContainSubstring("Carla"),
		ContainSubstring("secret-item"), ContainSubstring("muc#roomconfig"), ContainSubstring("waiting"))
	anything = Or(ContainSubstring("jdoe1@gmail.com"), ContainSubstring("room-password"), ContainSubstring("Carla"),
		ContainSubstring("secret-item"), ContainSubstring("muc#roomconfig"), ContainSubstring("waiting"))
)

func (r *rig) deliverAccounts(t *testing.T, passwords map[string]string) {
	t.Helper()
	r.accounts(passwords)
	r.deliverSecret(t)
}

func TestHostileNewAccountInheritsNothingOfARemovedOne(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		gmail := r.partner(t, partner, strict).Listen(t)
		r.peer(gmail, strict)
		r.deliverConfig(t)
		r.settle(t)
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1"})
		r.Expect(r.status().RemovedAccounts).To(Equal(int64(1)))
		r.Expect(gmail.Seen()).NotTo(ContainElement("TLS presence unsubscribed"), "this could not be undone")
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1", "cupuser2": "somebody else"})
		r.Expect(r.belongings("somebody else")).NotTo(anything)
		r.Eventually(gmail.Seen).Should(ContainElement("TLS presence unsubscribed"))
		r.Expect(r.status().RemovedAccounts).To(BeZero())
	})
}

func TestServerGivesARemovedAccountBackWhenTheRemovalIsUndone(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.settle(t)
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1"})
		r.deliverAccounts(t, map[string]string{})
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1", "cupuser2": "pw2"})
		r.Expect(r.status().RemovedAccounts).To(BeZero())
		r.Expect(r.belongings("pw2")).To(everything)
	})
}

func TestServerSeesARemovalThatHappenedWhileItWasDown(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.settle(t)
		restart := func(passwords map[string]string) {
			r.Stop()
			r.accounts(passwords)
			data, _ := r.secrets.Data()
			r.SetSecret(t, data)
			r.Start(t)
		}
		restart(map[string]string{"cupuser1": "pw1", "cupuser2": "changed"})
		r.Expect(r.status().RemovedAccounts).To(BeZero(), "another password alone is no removal")
		restart(map[string]string{"cupuser1": "pw1"})
		r.Expect(r.status().RemovedAccounts).To(Equal(int64(1)))
		restart(map[string]string{"cupuser1": "pw1", "cupuser2": "somebody else"})
		r.Expect(r.belongings("somebody else")).NotTo(anything)
	})
}

func TestServerDeletesWhatIsStoredOfARemovedAccountInTime(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) {
				files["prosody.cfg.lua"] = "xmppfed_account_grace = 2\n" + files["prosody.cfg.lua"]
			}
			r.mountConfig(t)
			r.Start(t)
			r.settle(t)
			find := func() string {
				out, err := r.Run(t, "find", "/var/lib/prosody", "-name", "cupuser2*")
				r.Expect(err).NotTo(HaveOccurred())
				return out
			}
			r.Expect(find()).To(And(ContainSubstring("/roster/"), ContainSubstring("/private/"), ContainSubstring("/offline/")))
			r.deliverAccounts(t, map[string]string{}) // somebody's mistake, not a removal
			r.deliverAccounts(t, map[string]string{"cupuser1": "pw1"})
			r.Eventually(func() int64 { return r.status().RemovedAccounts }).Should(BeZero())
			r.Expect(find()).To(BeEmpty())
			r.deliverAccounts(t, map[string]string{"cupuser1": "pw1", "cupuser2": "pw2"})
			r.Expect(r.belongings("pw2")).NotTo(anything)
		})
	}
}

func TestServerRemovesNothingWhileTheListOfAccountsIsEmptyOrUnreadable(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) {
				files["prosody.cfg.lua"] = "xmppfed_account_grace = 2\n" + files["prosody.cfg.lua"]
			}
			r.mountConfig(t)
			r.Start(t)
			r.settle(t)
			for _, broken := range []string{"", "null", "[]", `["cupuser1"]`, `{"cupuser1":1}`, "{}"} {
				r.secrets.Accounts = []byte(broken)
				data, generation := r.secrets.Data()
				r.SetSecret(t, data)
				if broken == "{}" || broken == "[]" {
					r.Eventually(func() string { return r.status().SecretGeneration }).Should(Equal(generation))
				} else {
					r.Eventually(func() string { return r.status().ConfigError }).Should(HavePrefix("accounts: "), broken)
				}
				r.Expect(r.status().RemovedAccounts).To(BeZero(), broken)
			}
			r.Stop()
			r.Start(t)
			r.deliverAccounts(t, map[string]string{"cupuser1": "pw1", "cupuser2": "pw2"})
			r.Expect(r.belongings("pw2")).To(everything)
		})
	}
}
