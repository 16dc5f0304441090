// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/roster"
	"mellium.im/xmpp/stanza"
)

var errQuit = errors.New("quit")

// requestTimeout is for one command and, where there is one, its answer.
const requestTimeout = 10 * time.Second

// Outgoing stanzas. Those of the stanza package write an empty address instead of none, which servers reject.
type (
	outPresence struct {
		XMLName xml.Name            `xml:"presence"`
		To      string              `xml:"to,attr,omitempty"`
		Type    stanza.PresenceType `xml:"type,attr,omitempty"`
		Show    string              `xml:"show,omitempty"`
		Room    *struct{}           `xml:"http://jabber.org/protocol/muc x"`
	}
	outMessage struct {
		XMLName xml.Name           `xml:"message"`
		To      string             `xml:"to,attr"`
		Type    stanza.MessageType `xml:"type,attr"`
		Body    string             `xml:"body"`
	}
)

// command runs one line of input.
func command(ctx context.Context, session *xmpp.Session, line string, events *printer) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verb {
	case "":
		return nil
	case "quit":
		return errQuit
	case "roster":
		return printRoster(ctx, session, events)
	case "presence":
		return session.Encode(ctx, presence(rest))
	case "subscribe", "approve", "remove", "message", "join", "open", "say":
	default:
		return fmt.Errorf("running %q: no such command", line)
	}
	target, text, _ := strings.Cut(rest, " ")
	to, err := jid.Parse(target)
	if err != nil {
		return fmt.Errorf("running %q: %w", line, err)
	}
	switch verb {
	case "subscribe":
		return session.Encode(ctx, outPresence{To: to.Bare().String(), Type: stanza.SubscribePresence})
	case "approve":
		return session.Encode(ctx, outPresence{To: to.Bare().String(), Type: stanza.SubscribedPresence})
	case "remove":
		return roster.Delete(ctx, session, to.Bare())
	case "message":
		return session.Encode(ctx, outMessage{To: to.String(), Type: stanza.ChatMessage, Body: text})
	case "join":
		return session.Encode(ctx, outPresence{To: to.String(), Room: &struct{}{}})
	case "open":
		return openRoom(ctx, session, to.Bare())
	default: // say
		return session.Encode(ctx, outMessage{To: to.Bare().String(), Type: stanza.GroupChatMessage, Body: text})
	}
}

// openRoom accepts the default configuration of a new room, which is locked before (XEP-0045 section 10.1.2).
func openRoom(ctx context.Context, session *xmpp.Session, room jid.JID) error {
	form := xmlstream.Wrap(nil, xml.StartElement{
		Name: xml.Name{Space: "jabber:x:data", Local: "x"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "type"}, Value: "submit"}},
	})
	query := xmlstream.Wrap(form, xml.StartElement{Name: xml.Name{Space: "http://jabber.org/protocol/muc#owner", Local: "query"}})
	return session.UnmarshalIQElement(ctx, query, stanza.IQ{Type: stanza.SetIQ, To: room}, nil)
}

func presence(show string) outPresence {
	if show == "unavailable" {
		return outPresence{Type: stanza.UnavailablePresence}
	}
	return outPresence{Show: show}
}

func printRoster(ctx context.Context, session *xmpp.Session, events *printer) error {
	contacts := roster.Fetch(ctx, session)
	list := []contact{}
	for contacts.Next() {
		item := contacts.Item()
		list = append(list, contact{JID: item.JID.String(), Subscription: item.Subscription})
	}
	if err := errors.Join(contacts.Err(), contacts.Close()); err != nil {
		return fmt.Errorf("fetching the roster: %w", err)
	}
	slices.SortFunc(list, func(a, b contact) int { return strings.Compare(a.JID, b.JID) })
	events.print(event{Event: "roster", Contacts: &list})
	return nil
}

// event is what the program prints. Fields that do not apply are left out.
type event struct {
	Event     string     `json:"event"` // online, presence, message, roster, error (of a command), offline
	JID       string     `json:"jid,omitempty"`
	Server    string     `json:"server,omitempty"` // address and port, when online
	From      string     `json:"from,omitempty"`
	To        string     `json:"to,omitempty"`
	Type      string     `json:"type,omitempty"` // of the stanza; presence without one is "available"
	Show      string     `json:"show,omitempty"`
	Body      string     `json:"body,omitempty"`
	Condition string     `json:"condition,omitempty"` // of an error stanza (RFC 6120 section 8.3.3)
	Text      string     `json:"text,omitempty"`      // of an error
	Contacts  *[]contact `json:"contacts,omitempty"`
}

type contact struct {
	JID          string `json:"jid"`
	Subscription string `json:"subscription"`
}

// incoming is a presence or message as far as events need it.
type incoming struct {
	XMLName xml.Name
	From    string        `xml:"from,attr"`
	To      string        `xml:"to,attr"`
	Type    string        `xml:"type,attr"`
	Show    string        `xml:"show"`
	Body    string        `xml:"body"`
	Error   *stanza.Error `xml:"error"`
}
