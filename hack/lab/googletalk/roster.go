// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"

	"mellium.im/xmpp/jid"
)

// roster takes a client's request to read or change the contact list (RFC 6121 section 2).
func (a *account) roster(resource string, e *element) []parcel {
	query := e.child(nsRoster, "query")
	switch e.attr("type") {
	case "get":
		list := el(nsRoster, "query")
		for _, bare := range a.known() {
			if c := a.contacts[bare]; c.listed {
				list.with(c.item(bare))
			}
		}
		return a.answer(resource, reply(e, "result").with(list))
	case "set":
		return a.changeContact(resource, e, query.child(nsRoster, "item"))
	}
	return nil
}

// changeContact names, sorts or removes one contact.
func (a *account) changeContact(resource string, e, item *element) []parcel {
	if item == nil {
		return a.answer(resource, errorReply(e, "modify", "bad-request", ""))
	}
	who, err := jid.Parse(item.attr("jid"))
	if err != nil {
		return a.answer(resource, errorReply(e, "modify", "jid-malformed", ""))
	}
	bare := who.Bare().String()
	if item.attr("subscription") == "remove" {
		return a.removeContact(resource, e, bare)
	}
	c := a.contact(bare, true)
	if c == nil {
		return a.answer(resource, errorReply(e, "wait", "resource-constraint", ""))
	}
	c.listed, c.name, c.groups = true, item.attr("name"), nil
	for _, group := range item.Children {
		if group.is(nsRoster, "group") {
			c.groups = append(c.groups, group.Text)
		}
	}
	return append(a.push(bare), a.answer(resource, reply(e, "result"))...)
}

// removeContact ends the subscriptions too (RFC 6121 section 2.5.2).
func (a *account) removeContact(resource string, e *element, bare string) []parcel {
	c := a.contacts[bare]
	if c == nil || !c.listed {
		return a.answer(resource, errorReply(e, "modify", "item-not-found", ""))
	}
	var out []parcel
	if c.from {
		out = a.presenceTo(bare, true)
	}
	if c.to || c.asks {
		out = append(out, a.subscription("unsubscribe", bare))
	}
	if c.from || c.asked {
		out = append(out, a.subscription("unsubscribed", bare))
	}
	delete(a.contacts, bare)
	out = append(out, a.pushItem(el(nsRoster, "item", "jid", bare, "subscription", "remove"))...)
	return append(out, a.answer(resource, reply(e, "result"))...)
}

// push tells the clients about a changed contact (RFC 6121 section 2.1.6).
func (a *account) push(bare string) []parcel {
	if c := a.contacts[bare]; c.listed {
		return a.pushItem(c.item(bare))
	}
	return nil
}

func (a *account) pushItem(item *element) []parcel {
	var out []parcel
	for resource := range a.clients {
		push := el("", "iq", "type", "set", "id", rand.Text(), "to", a.full(resource))
		out = append(out, parcel{resource, push.with(el(nsRoster, "query").with(item))})
	}
	return out
}

// item is a contact as clients get to see it.
func (c *contact) item(bare string) *element {
	subscription, ask := "none", ""
	switch {
	case c.to && c.from:
		subscription = "both"
	case c.to:
		subscription = "to"
	case c.from:
		subscription = "from"
	}
	if c.asks {
		ask = "subscribe"
	}
	item := el(nsRoster, "item", "jid", bare, "name", c.name, "subscription", subscription, "ask", ask)
	for _, group := range c.groups {
		item.with(el(nsRoster, "group").says(group))
	}
	return item
}
