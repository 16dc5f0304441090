// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// elements fill a stanza beyond the bounds of limits.go: strangers have room for 256, domains that have proven themselves for 8192.
const (
	tooManyOfStrangers = 300
	tooManyOfPartners  = 9000
)

func TestUnfinished_StanzasAreBounded(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stranger := r.open(prosodytest.Attempt{From: partner, To: domain, Plain: true, Unproven: true})
		defer stranger.Close()
		r.Expect(stranger.Send("<message>" + strings.Repeat("<a/>", tooManyOfStrangers))).To(Succeed())
		_, err := stranger.Expect("<policy-violation")
		r.Expect(err).NotTo(HaveOccurred(), "one who has proven nothing")
		r.Expect(r.status().Limits.Refused).To(Equal(map[string]int64{"unfinished stanzas": 1}))

		stream := r.federate(t, domain)
		defer stream.Close()
		r.Expect(stream.Send("<message>" + strings.Repeat("<a/>", tooManyOfPartners))).To(Succeed())
		_, err = stream.Expect("<policy-violation")
		r.Expect(err).NotTo(HaveOccurred(), "a partner")
		r.Expect(r.status().Limits.Refused).To(Equal(map[string]int64{"unfinished stanzas": 2}))
	})
}

// Those who stay below the bound of one stanza fill that of all. It is not a listed peer who has to go then.
func TestUnfinished_AllTogetherAreBounded(t *testing.T) {
	const strangers, elementsOfStrangers = 90, 230 // 8 MiB hold 72 of them
	const streams, elementsOfStreams = 4, 7500     // 12 MiB hold 3
	each(t, func(t *testing.T, r *rig) {
		r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict})
		r.deliverConfig(t)
		for range strangers {
			stranger := r.open(prosodytest.Attempt{From: "stranger.example", To: domain, Plain: true, Unproven: true})
			defer stranger.Close()
			r.Expect(stranger.Send("<message>" + strings.Repeat("<a/>", elementsOfStrangers))).To(Succeed())
		}
		refused := func() int64 { return r.status().Limits.Refused["unfinished stanzas"] }
		r.Eventually(refused).Should(BeNumerically(">", 0))
		before := refused()
		r.Expect(before).To(BeNumerically("<", strangers), "there is room for some")

		listed := r.federate(t, domain)
		defer listed.Close()
		r.Expect(listed.Send("<message type='error' from='a@" + partner + "' to='nobody@" + domain + "'>" +
			strings.Repeat("<a/>", elementsOfStreams))).To(Succeed())
		for i := range streams {
			name := fmt.Sprintf("stranger%d.example", i)
			stream, err := prosodytest.Federate(engine.PortNumberS2S, name, domain, r.ca.KeyPair(t, name))
			r.Expect(err).NotTo(HaveOccurred())
			defer stream.Close()
			r.Expect(stream.Send("<message>" + strings.Repeat("<a/>", elementsOfStreams))).To(Succeed())
		}
		r.Eventually(refused).Should(BeNumerically(">", before))
		r.Expect(listed.Send("</message>")).To(Succeed())
		r.Expect(listed.Ack()).To(Succeed())
	})
}

// large are stanzas such as people and their programs send.
func large() map[string]string {
	var rooms strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&rooms, "<item jid='room%d@conference.%s' name='The room %[1]d (12)'/>", i, partner)
	}
	line := strings.Repeat("0123456789abcdef", 4) + "\n"
	return map[string]string{
		"a long text": "<body>" + strings.Repeat("All work and no play makes Jack a dull boy. ", 9000) + "</body>",
		"code":        "<body>" + strings.Repeat("if a[i] &lt; b &amp;&amp; c == \"d\" { e = f }\n", 4000) + "</body>",
		"a picture":   "<data xmlns='urn:xmpp:avatar:data'>" + strings.Repeat(line, 5400) + "</data>",
		"rooms":       "<query xmlns='http://jabber.org/protocol/disco#items'>" + rooms.String() + "</query>",
		"sections":    "<body>" + strings.Repeat("<![CDATA[<a href=\"x\">it's & more ]> </a>]]> ", 2000) + "</body>",
		"a long link": "<x xmlns='jabber:x:oob' url='" + strings.Repeat("'&gt;&#65;>"[1:], 5000) + "'/>",
	}
}

func TestUnfinished_LargeStanzasPass(t *testing.T) {
	const message = "<message type='chat' from='a@" + partner + "' to='cupuser1@" + domain + "'>%s</message>"
	each(t, func(t *testing.T, r *rig) {
		r.input.Peers = append(r.input.Peers, engine.Peer{Domain: partner, Policy: strict, Rate: 10_000_000})
		r.deliverConfig(t)
		user, stream := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer user.Close()
		defer stream.Close()
		r.Expect(user.Send("<presence/>")).To(Succeed())
		r.Expect(user.Ping(domain)).To(Succeed())
		for name, text := range large() {
			r.Expect(len(text)).To(BeNumerically("<", 512<<10), name)
			r.Expect(stream.Send(fmt.Sprintf(message, text+"<last/>"))).To(Succeed())
			_, err := user.Expect("<last/>", "<last ")
			r.Expect(err).NotTo(HaveOccurred(), name)
		}
		r.Expect(stream.Ack()).To(Succeed())
		r.Expect(r.status().Limits.Refused).To(BeEmpty())
	})
}

// A partner's stanza arrives when its last byte does, wherever what came before was cut.
func TestUnfinished_StanzasArriveInPieces(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		user, stream := r.login("cupuser1", "pw1"), r.federate(t, domain)
		defer user.Close()
		defer stream.Close()
		r.Expect(user.Send("<presence/>")).To(Succeed())
		r.Expect(user.Ping(domain)).To(Succeed())
		message := "<message type='chat' from='a@" + partner + "' to='cupuser1@" + domain +
			"' id='a>\"b'><body>&#x48;i <![CDATA[<'>]]></body><x a=\"it's\"/></message>"
		for cut := 1; cut < len(message); cut++ {
			r.Expect(stream.Send(message[:cut])).To(Succeed())
			r.Expect(user.Ping(domain)).To(Succeed(), "so that the first piece is read")
			r.Expect(stream.Send(message[cut:])).To(Succeed())
			_, err := user.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred(), "cut before %s", message[cut:])
		}
	})
}

// Streams that say a lot get new parsers. Nobody notices, whoever else has the code of the server changed meanwhile.
func TestUnfinished_NewParsersGoUnnoticed(t *testing.T) {
	const rounds, messages = 10, 20
	form := func(from, to string, n int) string {
		return fmt.Sprintf("<message type='chat' %s to='%s'><body>number %d.</body><own:x%[3]d xmlns:own='urn:%[3]d' own:y%[3]d=''/>"+
			"<x xmlns='urn:x'>%s</x></message> ", from, to, n, strings.Repeat("<y/>", 20))
	}
	each(t, func(t *testing.T, r *rig) {
		users := []*prosodytest.Stream{r.login("cupuser1", "pw1"), r.login("cupuser2", "pw2")}
		stream := r.federate(t, domain)
		defer stream.Close()
		for _, user := range users {
			defer user.Close()
			r.Expect(user.Send("<presence/>")).To(Succeed())
			r.Expect(user.Ping(domain)).To(Succeed())
		}
		arrive := func(user *prosodytest.Stream, first int) {
			for i := range messages {
				_, err := user.Expect(fmt.Sprintf("number %d.", first+i))
				r.Expect(err).NotTo(HaveOccurred(), "%d", first+i)
			}
		}
		for round := range rounds {
			var fromPartner, fromUser strings.Builder
			for i := range messages {
				fromPartner.WriteString(form("from='a@"+partner+"'", "cupuser1@"+domain, round*messages+i))
				fromUser.WriteString(form("", "cupuser2@"+domain, round*messages+i))
			}
			r.Expect(stream.Send(fromPartner.String())).To(Succeed())
			arrive(users[0], round*messages)
			r.Expect(users[0].Send(fromUser.String())).To(Succeed())
			arrive(users[1], round*messages)
			if round == rounds/2 {
				r.adjust = func(files map[string]string) { files["mod_xmppfed_unfinished.lua"] += "-- changed\n" }
				r.deliverConfig(t)
			}
		}
		out, err := r.Run(t, "prosodyctl", "shell", mostNames)
		r.Expect(err).NotTo(HaveOccurred(), out)
		var most int
		_, err = fmt.Sscanf(out[max(0, strings.Index(out, "most ")):], "most %d.", &most)
		r.Expect(err).NotTo(HaveOccurred(), out)
		r.Expect(most).To(BeNumerically("<", 100_000), "of 2,000,000")
		r.Expect(r.status().Limits.Refused).To(BeEmpty())
	})
}

// mostNames is a line for the server's shell: the most that any parser has read, which may be names.
const mostNames = `> local most = 0 for _, reader in pairs(require "core.modulemanager".get_module("*", "xmppfed_unfinished")` +
	`.module:shared("readers")) do most = math.max(most, reader.read) end return ("most %d."):format(most)`
