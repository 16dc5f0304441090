// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"

	"mellium.im/xmpp/jid"
)

// contact is what is between the user and somebody else (RFC 6121 section 2.1.2 and appendix A).
type contact struct {
	name   string
	groups []string
	// listed is false for a stranger who only asked.
	listed bool
	// to: the user sees the contact's presence; from: the contact sees the user's.
	to, from bool
	// asks: the user wants to see the contact's presence; asked: the contact wants to see the user's.
	asks, asked bool
}

var subscriptionTypes = map[string]bool{"subscribe": true, "subscribed": true, "unsubscribe": true, "unsubscribed": true}

// changeSubscription takes what the user says about a subscription (RFC 6121 sections 3.1.2, 3.1.5, 3.2.2 and 3.3.2).
func (a *account) changeSubscription(who jid.JID, e *element) []parcel {
	if a.local(who.Domainpart()) || who.Localpart() == "" {
		return nil // nobody else lives here
	}
	bare, kind := who.String(), e.attr("type")
	c := a.contact(bare, kind == "subscribe")
	if c == nil {
		return nil
	}
	defer a.forget(bare)
	var out []parcel
	switch kind {
	case "subscribe":
		c.listed, c.asks = true, !c.to
	case "subscribed":
		if !c.asked {
			return nil // approval in advance is not offered
		}
		c.listed, c.from, c.asked = true, true, false
	case "unsubscribe":
		c.to, c.asks = false, false
	case "unsubscribed":
		if c.from {
			out = a.presenceTo(bare, true)
		}
		c.from, c.asked = false, false
	}
	out = append(out, a.push(bare)...)
	out = append(out, a.subscription(kind, bare))
	if kind == "subscribed" {
		out = append(out, a.presenceTo(bare, false)...)
	}
	return out
}

// receivePresence takes presence from somebody else (RFC 6121 sections 3 and 4.3).
func (a *account) receivePresence(e *element) []parcel {
	from, err := jid.Parse(e.attr("from"))
	if err != nil || from.Bare().Equal(a.bare) {
		return nil
	}
	bare := from.Bare().String()
	switch kind := e.attr("type"); {
	case kind == "probe":
		if c := a.contacts[bare]; c == nil || !c.from {
			return []parcel{a.subscription("unsubscribed", bare)}
		}
		return a.presenceTo(bare, len(a.available()) == 0)
	case subscriptionTypes[kind]:
		return a.hearSubscription(bare, e)
	}
	return a.toAvailable(e)
}

// hearSubscription takes what a contact says about a subscription (RFC 6121 sections 3.1.3, 3.1.6, 3.2.3 and 3.3.3). What
// changes nothing is not passed on.
func (a *account) hearSubscription(bare string, e *element) []parcel {
	kind := e.attr("type")
	c := a.contact(bare, kind == "subscribe")
	if c == nil {
		return nil
	}
	defer a.forget(bare)
	var out []parcel
	switch kind {
	case "subscribe":
		if c.from {
			return []parcel{a.subscription("subscribed", bare)}
		}
		c.asked = true
		return a.toAvailable(e)
	case "subscribed":
		if !c.asks {
			return nil
		}
		c.to, c.asks = true, false
	case "unsubscribe":
		if !c.from && !c.asked {
			return nil
		}
		if c.from {
			out = a.presenceTo(bare, true)
		}
		c.from, c.asked = false, false
	case "unsubscribed":
		if !c.to && !c.asks {
			return nil
		}
		c.to, c.asks = false, false
	}
	out = append(out, a.toAvailable(e)...)
	return append(out, a.push(bare)...)
}

// subscription tells a contact, in the user's name, about a subscription.
func (a *account) subscription(kind, bare string) parcel {
	return parcel{stanza: el("", "presence", "type", kind, "from", a.bare.String(), "to", bare)}
}

// contact gives somebody's entry, a new one if wanted, or nil when there is none or there are too many.
func (a *account) contact(bare string, wanted bool) *contact {
	c := a.contacts[bare]
	if c == nil && wanted && len(a.contacts) < maxContacts {
		c = &contact{}
		a.contacts[bare] = c
	}
	return c
}

// forget drops a stranger whose request is settled.
func (a *account) forget(bare string) {
	if c := a.contacts[bare]; !c.listed && !c.asked {
		delete(a.contacts, bare)
	}
}

// changePresence takes a client's presence for everybody (RFC 6121 sections 4.2, 4.4 and 4.5). With its first, the client
// gets to know how the contacts are and who asked for a subscription.
func (a *account) changePresence(resource string, e *element) []parcel {
	first := a.clients[resource] == nil
	switch e.attr("type") {
	case "":
		a.clients[resource] = e
	case "unavailable":
		a.clients[resource] = nil
	default:
		return nil
	}
	var out []parcel
	for _, bare := range a.known() {
		c := a.contacts[bare]
		if c.from {
			out = append(out, parcel{stanza: e.to(bare)})
		}
		if !first || a.clients[resource] == nil {
			continue
		}
		if c.to {
			out = append(out, parcel{stanza: el("", "presence", "type", "probe", "from", a.full(resource), "to", bare)})
		}
		if c.asked {
			out = append(out, parcel{resource, el("", "presence", "type", "subscribe", "from", bare, "to", a.bare.String())})
		}
	}
	return append(out, a.toAvailable(e.to(a.bare.String()))...)
}

// presenceTo tells a contact about each available client: how it is, or that it is gone.
func (a *account) presenceTo(bare string, gone bool) []parcel {
	var out []parcel
	for _, resource := range a.available() {
		presence := a.clients[resource].to(bare)
		if gone {
			presence = el("", "presence", "type", "unavailable", "from", a.full(resource), "to", bare)
		}
		out = append(out, parcel{stanza: presence})
	}
	if len(out) == 0 && gone {
		out = []parcel{{stanza: el("", "presence", "type", "unavailable", "from", a.bare.String(), "to", bare)}}
	}
	return out
}

// known gives the addresses of all contacts, in order.
func (a *account) known() []string { return slices.Sorted(maps.Keys(a.contacts)) }
