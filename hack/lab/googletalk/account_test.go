// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
)

const (
	contactName = "cupuser1@cupdomain.com"
	// online is how a client begins: it becomes available.
	online = "desk: <presence/>"
	// asks and befriended are histories that others build on.
	asks       = "desk: <presence to='cupuser1@cupdomain.com' type='subscribe'/>"
	asked      = "peer: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='subscribe'/>"
	approves   = "desk: <presence to='cupuser1@cupdomain.com' type='subscribed'/>"
	approved   = "peer: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='subscribed'/>"
	probed     = "peer: <presence from='cupuser1@cupdomain.com/x' to='gina@talk.example' type='probe'/>"
	rosterSet  = "desk: <iq type='set' id='r'><query xmlns='jabber:iq:roster'>%</query></iq>"
	removes    = "<item jid='cupuser1@cupdomain.com' subscription='remove'/>"
	noParcel   = ""
	ginaAtDesk = "gina@talk.example/desk"
)

var (
	both   = []string{online, asks, approved, asked, approves}
	random = regexp.MustCompile(` id='[A-Z2-7]{26}'`)
)

// play lets an account with one client, "desk", take one stanza after the other, and gives what follows from the last: a
// line for each parcel. Stanzas come from a client, or from the servers of contacts ("peer").
func play(t *testing.T, script ...string) (a *account, last string) {
	t.Helper()
	serves := policy{domain: "talk.example", claimed: []string{"claimed.example"}}.serves
	a = newAccount(jid.MustParse("gina@talk.example"), serves)
	a.join("desk", "")
	for _, line := range script {
		who, stanza, _ := strings.Cut(line, ": ")
		var parcels []parcel
		if who == "peer" {
			parcels = a.receive(parse(t, stanza))
		} else {
			parcels = a.fromClient(who, parse(t, stanza))
		}
		var lines []string
		for _, p := range parcels {
			to := p.resource
			if to == "" {
				to = "peer"
			}
			lines = append(lines, to+": "+random.ReplaceAllString(render(p.stanza), ""))
		}
		last = strings.Join(lines, "\n")
	}
	return a, last
}

func TestAccountSubscriptions(t *testing.T) {
	push := func(item string) string {
		return "desk: <iq type='set' to='gina@talk.example/desk'><query xmlns='jabber:iq:roster'><item jid='cupuser1@cupdomain.com' " +
			item + "/></query></iq>"
	}
	toPeer := func(kind, from string) string {
		if kind != "" {
			kind = "type='" + kind + "' "
		}
		return "peer: <presence " + kind + "from='" + from + "' to='cupuser1@cupdomain.com'/>"
	}
	for name, tc := range map[string]struct {
		before []string
		last   string
		want   []string
	}{
		"a client's request is noted and sent in the user's name": {
			[]string{online}, asks, []string{push("subscription='none' ask='subscribe'"), toPeer("subscribe", "gina@talk.example")},
		},
		"approval of our request reaches the client and the list": {
			[]string{online, asks}, approved,
			[]string{strings.Replace(approved, "peer:", "desk:", 1), push("subscription='to'")},
		},
		"approval that nobody asked for does not count as ours": {[]string{online, asked}, approved, nil},
		"removal of who only asked refuses the request": {
			[]string{online, asked, strings.Replace(rosterSet, "%", "<item jid='cupuser1@cupdomain.com'/>", 1)},
			strings.Replace(rosterSet, "%", removes, 1),
			[]string{toPeer("unsubscribed", "gina@talk.example"), push("subscription='remove'"), "desk: <iq type='result' id='r' to='gina@talk.example/desk'/>"},
		},
		"approval by a stranger is dropped":                 {[]string{online}, approved, nil},
		"a contact's request reaches the client":            {[]string{online}, asked, []string{strings.Replace(asked, "peer:", "desk:", 1)}},
		"a contact's request waits for a client":            {[]string{asked}, online, []string{"desk: <presence type='subscribe' from='cupuser1@cupdomain.com' to='gina@talk.example'/>", "desk: <presence from='gina@talk.example/desk' to='gina@talk.example'/>"}},
		"approval lets the contact see the user's presence": {[]string{online, asked}, approves, []string{push("subscription='from'"), toPeer("subscribed", "gina@talk.example"), toPeer("", ginaAtDesk)}},
		"approval without a request is not sent":            {[]string{online}, approves, nil},
		"a second request of an approved contact is answered by the server": {
			[]string{online, asked, approves}, asked, []string{toPeer("subscribed", "gina@talk.example")},
		},
		"a refused request leaves nothing behind": {
			[]string{online, asked}, "desk: <presence to='cupuser1@cupdomain.com' type='unsubscribed'/>",
			[]string{toPeer("unsubscribed", "gina@talk.example")},
		},
		"presence goes to who may see it": {
			both, "desk: <presence><show>away</show></presence>",
			[]string{
				"peer: <presence from='gina@talk.example/desk' to='cupuser1@cupdomain.com'><show>away</show></presence>",
				"desk: <presence from='gina@talk.example/desk' to='gina@talk.example'><show>away</show></presence>",
			},
		},
		"presence does not go to who only asked": {
			[]string{online, asked}, online, []string{"desk: <presence from='gina@talk.example/desk' to='gina@talk.example'/>"},
		},
		"a contact that may see presence can ask for it":   {both, probed, []string{toPeer("", ginaAtDesk)}},
		"when no client is there a contact is told":        {slices.Concat(both, []string{"desk: <presence type='unavailable'/>"}), probed, []string{toPeer("unavailable", "gina@talk.example")}},
		"a stranger that asks for presence learns nothing": {[]string{online}, probed, []string{toPeer("unsubscribed", "gina@talk.example")}},
		"the first presence of a client asks for that of contacts": {
			slices.Concat(both, []string{"desk: <presence type='unavailable'/>"}), online,
			[]string{toPeer("", ginaAtDesk), toPeer("probe", ginaAtDesk), "desk: <presence from='gina@talk.example/desk' to='gina@talk.example'/>"},
		},
		"a contact that wants no more presence gets none": {
			both, "peer: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='unsubscribe'/>",
			[]string{toPeer("unavailable", ginaAtDesk), "desk: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='unsubscribe'/>", push("subscription='to'")},
		},
		"a contact can take presence back": {
			both, "peer: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='unsubscribed'/>",
			[]string{"desk: <presence from='cupuser1@cupdomain.com' to='gina@talk.example' type='unsubscribed'/>", push("subscription='from'")},
		},
		"the user can take presence back": {
			both, "desk: <presence to='cupuser1@cupdomain.com' type='unsubscribed'/>",
			[]string{toPeer("unavailable", ginaAtDesk), push("subscription='to'"), toPeer("unsubscribed", "gina@talk.example")},
		},
		"the user can give up presence": {
			both, "desk: <presence to='cupuser1@cupdomain.com' type='unsubscribe'/>",
			[]string{push("subscription='from'"), toPeer("unsubscribe", "gina@talk.example")},
		},
		"removal ends both subscriptions": {
			both, strings.Replace(rosterSet, "%", removes, 1),
			[]string{
				toPeer("unavailable", ginaAtDesk), toPeer("unsubscribe", "gina@talk.example"), toPeer("unsubscribed", "gina@talk.example"),
				push("subscription='remove'"), "desk: <iq type='result' id='r' to='gina@talk.example/desk'/>",
			},
		},
		"nobody lives in a domain that is served by mistake": {
			[]string{online}, "desk: <presence to='cupuser1@claimed.example' type='subscribe'/>", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := play(t, append(slices.Clone(tc.before), tc.last)...)
			if want := strings.Join(tc.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestAccountLists(t *testing.T) {
	const get = "desk: <iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
	item := func(attrs string) string {
		return "desk: <iq type='result' id='r' to='gina@talk.example/desk'><query xmlns='jabber:iq:roster'>" + attrs + "</query></iq>"
	}
	for name, tc := range map[string]struct {
		before []string
		want   string
	}{
		"nobody at first":             {nil, strings.Replace(item(""), "></query>", "/>", 1)},
		"nobody who only asked":       {[]string{online, asked}, strings.Replace(item(""), "></query>", "/>", 1)},
		"who was asked":               {[]string{asks}, item("<item jid='cupuser1@cupdomain.com' subscription='none' ask='subscribe'/>")},
		"who sees each other":         {both, item("<item jid='cupuser1@cupdomain.com' subscription='both'/>")},
		"nobody who was removed":      {slices.Concat(both, []string{strings.Replace(rosterSet, "%", removes, 1)}), strings.Replace(item(""), "></query>", "/>", 1)},
		"who was added, with details": {[]string{strings.Replace(rosterSet, "%", "<item jid='cupuser1@cupdomain.com' name='C'><group>G</group></item>", 1)}, item("<item jid='cupuser1@cupdomain.com' name='C' subscription='none'><group>G</group></item>")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := play(t, append(slices.Clone(tc.before), get)...); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestAccountRoutes(t *testing.T) {
	refused := func(from, id string) string {
		return "desk: <message type='error'" + id + " from='" + from + "' to='gina@talk.example/desk'>" +
			"<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
	}
	peerRefused := func(kind, from string) string {
		return "peer: <" + kind + " type='error' id='i' from='" + from + "' to='cupuser1@cupdomain.com/x'>" +
			"<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></" + kind + ">"
	}
	for name, tc := range map[string]struct {
		before     []string
		last, want string
	}{
		"a message to another domain bears the client's address": {
			nil, "desk: <message to='cupuser1@cupdomain.com' from='forged@gmail.com'><body>hi</body></message>",
			"peer: <message to='cupuser1@cupdomain.com' from='gina@talk.example/desk'><body>hi</body></message>",
		},
		"a message to a domain that is served by mistake finds nobody": {
			nil, "desk: <message to='cupuser1@claimed.example'/>", refused("cupuser1@claimed.example", ""),
		},
		"a message to a malformed address comes back": {
			nil, "desk: <message to='@'/>",
			"desk: <message type='error' from='@' to='gina@talk.example/desk'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
		},
		"a message to the user reaches a client that is available": {
			[]string{online}, "peer: <message from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>",
			"desk: <message from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>",
		},
		"a message to a client that has gone reaches another": {
			[]string{online}, "peer: <message from='cupuser1@cupdomain.com/x' to='gina@talk.example/gone'/>",
			"desk: <message from='cupuser1@cupdomain.com/x' to='gina@talk.example/gone'/>",
		},
		"a message to nobody's client comes back": {
			nil, "peer: <message id='i' from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>", peerRefused("message", "gina@talk.example"),
		},
		"a message to a stranger comes back": {
			nil, "peer: <message id='i' from='cupuser1@cupdomain.com/x' to='otto@talk.example'/>", peerRefused("message", "otto@talk.example"),
		},
		"an error that reaches nobody is dropped": {
			nil, "peer: <message type='error' from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>", noParcel,
		},
		"a request to a client reaches it": {
			nil, "peer: <iq type='get' id='i' from='cupuser1@cupdomain.com/x' to='gina@talk.example/desk'/>",
			"desk: <iq type='get' id='i' from='cupuser1@cupdomain.com/x' to='gina@talk.example/desk'/>",
		},
		"the domain answers a peer's ping": {
			nil, "peer: <iq type='get' id='i' from='cupdomain.com' to='talk.example'><ping xmlns='urn:xmpp:ping'/></iq>",
			"peer: <iq type='result' id='i' from='talk.example' to='cupdomain.com'/>",
		},
		"the domain answers a client's ping": {
			nil, "desk: <iq type='get' id='i' to='talk.example'><ping xmlns='urn:xmpp:ping'/></iq>",
			"desk: <iq type='result' id='i' from='talk.example' to='gina@talk.example/desk'/>",
		},
		"the domain knows no other request": {
			nil, "peer: <iq type='get' id='i' from='cupuser1@cupdomain.com/x' to='talk.example'><query xmlns='jabber:iq:version'/></iq>",
			peerRefused("iq", "talk.example"),
		},
		"the domain drops answers that it did not ask for": {
			nil, "peer: <iq type='error' id='i' from='cupuser1@cupdomain.com/x' to='talk.example'/>", noParcel,
		},
		"a peer can't read the contact list": {
			nil, "peer: <iq type='get' id='i' from='cupuser1@cupdomain.com/x' to='gina@talk.example'><query xmlns='jabber:iq:roster'/></iq>",
			peerRefused("iq", "gina@talk.example"),
		},
		"a session is granted": {
			nil, "desk: <iq type='set' id='i'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
			"desk: <iq type='result' id='i' to='gina@talk.example/desk'/>",
		},
		"presence of a contact reaches the client": {
			both, "peer: <presence from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>",
			"desk: <presence from='cupuser1@cupdomain.com/x' to='gina@talk.example'/>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := play(t, append(slices.Clone(tc.before), tc.last)...); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestClientThatGoesIsSeenToGo(t *testing.T) {
	a, _ := play(t, both...)
	parcels := a.leave("desk")
	if len(parcels) != 1 || render(parcels[0].stanza) != "<presence type='unavailable' from='gina@talk.example/desk' to='"+contactName+"'/>" {
		t.Errorf("parcels %v", parcels)
	}
	if a.join("desk", "other") != "desk" || a.join("desk", "other") != "other" {
		t.Error("a resource is free once its client has gone, and taken while it is there")
	}
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	a, _ := play(t)
	for i := range 2 * maxContacts {
		e := parse(t, asked[len("peer: "):])
		e.set("from", strings.Repeat("x", i/100)+string(rune('a'+i%26))+"@cupdomain.com")
		a.receive(e)
		e.set("from", jid.MustParse("u"+strings.Repeat("y", i%100)+"@"+strings.Repeat("d", 1+i/100)+".example").String())
		a.receive(e)
	}
	if len(a.contacts) != maxContacts {
		t.Errorf("%d contacts are kept", len(a.contacts))
	}
}
