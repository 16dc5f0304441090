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

const (
	// maxOfContact is the bound of mod_xmppfed_capabilities on the clients of one contact.
	maxOfContact   = 20
	contact        = "jdoe1@" + partner
	refusedAnswers = "answers about clients"
	// remembered has the server's shell count the clients that mod_pep remembers of cupuser2's contacts.
	remembered = `> local pep, n = require "core.modulemanager".get_module("` + domain + `", "pep"), 0; ` +
		`for _ in pairs(pep.module.save().recipients.cupuser2 or {}) do n = n + 1; end return "remembers "..n`
)

var (
	remembers = regexp.MustCompile(`remembers (\d+)`)
	recipient = regexp.MustCompile(`\sto=['"]([^'"]+)`)
)

func (r *rig) remembered(t *testing.T) string {
	out, err := r.Run(t, "prosodyctl", "--config", "/etc/xmppfed/config/prosody.cfg.lua", "shell", remembered)
	r.Expect(err).NotTo(HaveOccurred(), out)
	match := remembers.FindStringSubmatch(out)
	r.Expect(match).NotTo(BeNil(), out)
	return match[1]
}

// befriend has cupuser2 let the contact see the presence. It returns the client and the partner's stream.
func (r *rig) befriend(t *testing.T) (client, server *prosodytest.Stream) {
	client, server = r.login("cupuser2", "pw2"), r.inBothDirections(t, partner, domain)
	r.Expect(client.Send("<presence/>")).To(Succeed())
	r.Expect(server.Send("<presence type='subscribe' from='" + contact + "' to='cupuser2@" + domain + "'/>")).To(Succeed())
	_, err := client.Expect("type='subscribe'")
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(client.Send("<presence type='subscribed' to='" + contact + "'/>")).To(Succeed())
	_, err = server.Expect("type='subscribed'")
	r.Expect(err).NotTo(HaveOccurred())
	return client, server
}

// wants is the answer of a client that wants to be told of nodes.
func wants(from string, nodes ...string) string {
	var features strings.Builder
	for _, node := range nodes {
		fmt.Fprintf(&features, "<feature var='%s+notify'/>", node)
	}
	return fmt.Sprintf("<iq type='result' id='disco' from='%s' to='cupuser2@%s'>"+
		"<query xmlns='http://jabber.org/protocol/disco#info'>%s</query></iq>", from, domain, features.String())
}

func available(from, version string) string {
	return fmt.Sprintf("<presence from='%s' to='cupuser2@%s'>"+
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='%s'/></presence>", from, domain, version)
}

func TestCapabilities_AnswersThatNobodyHasAskedForAreNotRemembered(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.befriend(t)
		defer client.Close()
		defer server.Close()
		for i := range 5 {
			of := func(user string) string { return fmt.Sprintf("%s@%s/%d", user, partner, i) }
			r.Expect(server.Send(wants(of("jdoe1"), "urn:test") + wants(of("other"), "urn:test"))).To(Succeed())
		}
		r.Expect(server.Alive(partner, domain)).To(Succeed())
		r.Expect(r.remembered(t)).To(Equal("0"))
		r.Expect(r.status().Limits.Refused[refusedAnswers]).To(BeEquivalentTo(10))
	})
}

func TestCapabilities_OfAContactsClientsTheLatestAreRemembered(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.befriend(t)
		defer client.Close()
		defer server.Close()
		for i := range maxOfContact + 5 {
			from := fmt.Sprintf("%s/%d", contact, i)
			r.Expect(server.Send(available(from, fmt.Sprint("v", i)))).To(Succeed())
			_, err := server.Expect("id='disco'", `id="disco"`)
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(server.Send(wants(from, "urn:test", fmt.Sprint("urn:test:", i)))).To(Succeed())
		}
		r.Expect(server.Alive(partner, domain)).To(Succeed())
		r.Expect(r.remembered(t)).To(Equal(fmt.Sprint(maxOfContact)))
		r.Expect(r.status().Limits.Refused).To(BeEmpty(), "a contact who has had many clients in time is nothing to be told about")
		r.ask(client, "set", "", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:test'><item id='1'>"+
			"<x xmlns='urn:test'>news</x></item></publish></pubsub>")
		told := map[string]bool{}
		for range maxOfContact {
			_, err := server.Expect("<message ")
			r.Expect(err).NotTo(HaveOccurred())
			message, err := server.Expect("</message>")
			r.Expect(err).NotTo(HaveOccurred())
			told[recipient.FindStringSubmatch(" " + message)[1]] = true
		}
		r.Expect(told).To(HaveLen(maxOfContact))
		r.Expect(told).To(HaveKey(fmt.Sprintf("%s/%d", contact, maxOfContact+4)))
		r.Expect(told).NotTo(HaveKey(contact + "/0"))
	})
}

func TestCapabilities_WhatIsTooLongIsNotRemembered(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		client, server := r.befriend(t)
		defer client.Close()
		defer server.Close()
		var many []string
		for i := range 65 {
			many = append(many, fmt.Sprint("n", i))
		}
		for i, nodes := range [][]string{many, {strings.Repeat("n", 2049)}, many[:64], {strings.Repeat("n", 2048)}} {
			from := fmt.Sprintf("%s/%d", contact, i)
			r.Expect(server.Send(available(from, fmt.Sprint("v", i)))).To(Succeed())
			_, err := server.Expect("id='disco'", `id="disco"`)
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(server.Send(wants(from, nodes...))).To(Succeed())
		}
		r.Expect(server.Alive(partner, domain)).To(Succeed())
		r.Expect(r.remembered(t)).To(Equal("2"))
		r.Expect(r.status().Limits.Refused[refusedAnswers]).To(BeEquivalentTo(2))
	})
}
