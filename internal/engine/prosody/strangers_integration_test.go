// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	strangeDomain = "stranger.example"
	strangeUser   = "jdoe1@" + strangeDomain + "/x"
	getVCard      = "<iq type='get' id='i' FROM TO><vCard xmlns='vcard-temp'/></iq>"
)

// stanzas that strangers send, with the attributes FROM and TO left out.
var stanzas = []string{
	"<presence FROM TO/>", "<presence type='unavailable' FROM TO/>", "<presence type='probe' FROM TO/>",
	"<presence type='subscribe' FROM TO/>", "<presence type='subscribe' FROM TO/>", "<presence type='unsubscribe' FROM TO/>",
	"<presence type='subscribed' FROM TO/>", "<presence type='unsubscribed' FROM TO/>", "<presence type='probe' FROM TO/>",
	"<presence type='other' id='i' FROM TO/>", "<presence type='error' FROM TO/>",
	"<message id='i' type='chat' FROM TO><body>x</body></message>", "<message id='i' FROM TO><body>x</body></message>",
	"<message id='i' type='chat' FROM TO/>", "<message id='i' type='other' FROM TO/>", "<message id='i' type='headline' FROM TO/>",
	"<message id='i' type='groupchat' FROM TO><body>x</body></message>", "<message id='i' type='error' FROM TO/>",
	"<message id='i' FROM TO><request xmlns='urn:xmpp:receipts'/></message>",
	getVCard,
	"<iq type='get' id='i' FROM TO><vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/></iq>",
	"<iq type='get' id='i' FROM TO><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
	"<iq type='get' id='i' FROM TO><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
	"<iq type='get' id='i' FROM TO><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:metadata'/></pubsub></iq>",
	"<iq type='get' id='i' FROM TO><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'/></pubsub></iq>",
	"<iq type='set' id='i' FROM TO><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='urn:xmpp:avatar:data' " +
		"jid='jdoe1@stranger.example'/></pubsub></iq>",
	"<iq type='get' id='i' FROM TO><ping xmlns='urn:xmpp:ping'/></iq>",
	"<iq type='get' id='i' FROM TO><query xmlns='jabber:iq:last'/></iq>",
	"<iq type='get' id='i' FROM TO><query xmlns='jabber:iq:version'/></iq>",
	"<iq type='set' id='i' FROM TO><query xmlns='urn:nothing'/></iq>", "<iq type='result' id='i' FROM TO/>",
}

// inBothDirections opens a stream of another domain that answers come back on.
func (r *rig) inBothDirections(t *testing.T, from, to string) *prosodytest.Stream {
	pair := r.ca.KeyPair(t, from)
	return r.open(prosodytest.Attempt{From: from, To: to, Certificate: &pair, External: true, Bidi: true})
}

// answers returns what comes back on a stream for a stanza from one address to another, with the order of attributes made
// that of their names.
func (r *rig) answers(stream *prosodytest.Stream, stanza, from, to string) string {
	_, host, _ := strings.Cut(to, "@")
	host, _, _ = strings.Cut(host, "/")
	sync := "<iq type='get' id='sync' FROM to='" + host + "'><ping xmlns='urn:xmpp:ping'/></iq>"
	text := strings.NewReplacer("FROM", "from='"+from+"'", "TO", "to='"+to+"'").Replace(stanza + sync)
	r.Expect(stream.Send(text)).To(Succeed())
	got, err := stream.Expect("id='sync'")
	r.Expect(err).NotTo(HaveOccurred())
	rest, err := stream.Expect("/>")
	r.Expect(err).NotTo(HaveOccurred())
	got += rest
	return canonical(r, got[:strings.LastIndex(got, "<iq")])
}

func canonical(r *rig, text string) string {
	var b strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		r.Expect(err).NotTo(HaveOccurred(), text)
		switch one := token.(type) {
		case xml.StartElement:
			slices.SortFunc(one.Attr, func(x, y xml.Attr) int { return strings.Compare(x.Name.Local, y.Name.Local) })
			fmt.Fprintf(&b, "%v ", one)
		case xml.CharData:
			b.Write(one)
		}
	}
}

// publish has cupuser1 publish a vCard, and log out.
func (r *rig) publish() {
	client := r.login("cupuser1", "pw1")
	defer client.Close()
	r.Expect(client.Send("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Cup User</FN><PHOTO><TYPE>image/png</TYPE>" +
		"<BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard></iq>")).To(Succeed())
	_, err := client.Expect("type='result'")
	r.Expect(err).NotTo(HaveOccurred())
}

// TestStrangersCannotTellAccountsFromOthers compares what comes back from an account whose user is away, one whose user is
// there, and none.
func TestStrangersCannotTellAccountsFromOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.publish()
		client := r.login("cupuser2", "pw2")
		defer client.Close()
		r.Expect(client.Send("<iq type='get' id='me' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq><presence/>")).To(Succeed())
		got, err := client.Expect("id='me'")
		r.Expect(err).NotTo(HaveOccurred())
		rest, err := client.Expect("/>")
		r.Expect(err).NotTo(HaveOccurred())
		resource := resourceIn(got + rest)
		r.Expect(resource).NotTo(BeEmpty(), got+rest)
		stream := r.inBothDirections(t, strangeDomain, domain)
		defer stream.Close()
		requests := slices.Repeat([]string{"<presence type='subscribe' FROM TO/>"}, 60)
		for i, stanza := range slices.Concat(stanzas, requests) {
			from := strangeUser
			if i >= len(stanzas) {
				from = fmt.Sprintf("u%d@%s", i, strangeDomain)
			}
			for _, end := range []string{"", "/" + resource, "/none"} {
				seen := map[string]string{}
				for _, user := range []string{"nobody", "cupuser1", "cupuser2"} {
					to := user + "@" + domain
					seen[user] = strings.ReplaceAll(r.answers(stream, stanza, from, to+end), to, "USER")
				}
				r.Expect(seen).To(HaveEach(seen["nobody"]), "%d. %s to %q", i, stanza, end)
			}
		}
		r.Expect(r.status().RequestsRefused).To(BeNumerically(">", 0), "the bound on requests was reached")
	})
}

// resourceIn returns the resource of the address that a stanza is for.
func resourceIn(text string) string {
	_, after, _ := strings.Cut(text, " to='cupuser2@"+domain+"/")
	resource, _, _ := strings.Cut(after, "'")
	return resource
}

func TestProfilesAreReadByThoseTheyAreFor(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.publish()
		nobody := "nobody@" + domain
		for _, test := range []struct {
			audience           v1alpha1.Audience
			listed, unlisted   bool
			listedHears, hears string
		}{
			{v1alpha1.AudienceContacts, false, false, "", ""},
			{v1alpha1.AudiencePeers, true, false, "service-unavailable", ""},
			{v1alpha1.AudienceEveryone, true, true, "service-unavailable", "service-unavailable"},
		} {
			r.input.Accounts, r.input.Peers = test.audience, []engine.Peer{{Domain: partner, Policy: strict}}
			r.deliverConfig(t)
			for from, want := range map[string]struct {
				reads bool
				hears string
			}{partner: {test.listed, test.listedHears}, strangeDomain: {test.unlisted, test.hears}} {
				stream := r.inBothDirections(t, from, domain)
				got := r.answers(stream, getVCard, "jdoe1@"+from, "cupuser1@"+domain)
				r.Expect(strings.Contains(got, "Cup User")).To(Equal(want.reads), "%s reads the profile with %s: %s", from, test.audience, got)
				got = r.answers(stream, "<message id='i' type='chat' FROM TO><body>x</body></message>", "jdoe1@"+from, nobody)
				if want.hears == "" {
					r.Expect(got).To(BeEmpty(), "%s with %s", from, test.audience)
				} else {
					r.Expect(got).To(ContainSubstring(want.hears), "%s with %s", from, test.audience)
				}
				stream.Close()
			}
		}
	})
}

func TestContactsAndAcquaintancesAreNoStrangers(t *testing.T) {
	const version = "<iq type='get' id='i' FROM TO><query xmlns='jabber:iq:version'/></iq>"
	each(t, func(t *testing.T, r *rig) {
		r.publish()
		stream := r.inBothDirections(t, strangeDomain, domain)
		defer stream.Close()
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		r.Expect(client.Send("<iq type='get' id='me' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")).To(Succeed())
		got, err := client.Expect("/>")
		r.Expect(err).NotTo(HaveOccurred())
		_, me, _ := strings.Cut(got, " to='")
		me, _, _ = strings.Cut(me, "'")

		r.Expect(r.answers(stream, version, strangeUser, me)).To(ContainSubstring("service-unavailable"), "nobody has told who is there")
		r.Expect(client.Send("<message to='" + strangeUser + "'><body>hello</body></message>")).To(Succeed())
		_, err = stream.Expect("<body>hello</body>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(r.answers(stream, version, strangeUser, me)).NotTo(ContainSubstring("service-unavailable"), "the user has written to them")
		_, err = client.Expect("jabber:iq:version")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(r.answers(stream, getVCard, strangeUser, "cupuser1@"+domain)).To(ContainSubstring("service-unavailable"))

		r.Expect(r.answers(stream, "<presence type='subscribe' FROM TO/>", "jdoe1@"+strangeDomain, "cupuser1@"+domain)).To(
			ContainSubstring("unavailable"))
		r.Expect(client.Send("<presence type='subscribed' to='jdoe1@" + strangeDomain + "'/>")).To(Succeed())
		_, err = stream.Expect("type='subscribed'")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(r.answers(stream, getVCard, strangeUser, "cupuser1@"+domain)).To(ContainSubstring("Cup User"), "a contact reads it")
	})
}
