// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"

	"mellium.im/xmpp/jid"
)

// maxContacts limits the contact list, and with it the requests of strangers that are kept.
const maxContacts = 1000

// account is a user with contact list and clients, as far as RFC 6121 needs them for two to meet and talk. It decides
// what follows from a stanza; others send it.
type account struct {
	// bare is the user's address.
	bare jid.JID
	// local tells whether a domain is the server's own.
	local func(domain string) bool
	// clients holds each client's last presence by resource: nil before the first and after the last.
	clients  map[string]*element
	contacts map[string]*contact
}

// parcel is a stanza for a client of the user, or for another domain when there is no resource.
type parcel struct {
	resource string
	stanza   *element
}

func newAccount(bare jid.JID, local func(string) bool) *account {
	return &account{bare: bare, local: local, clients: map[string]*element{}, contacts: map[string]*contact{}}
}

// fromClient takes a stanza that a client of the user sent.
func (a *account) fromClient(resource string, e *element) []parcel {
	e.set("from", a.full(resource))
	if e.attr("to") == "" {
		return a.toServer(resource, e)
	}
	to, err := jid.Parse(e.attr("to"))
	switch {
	case err != nil:
		return a.answer(resource, errorReply(e, "modify", "jid-malformed", ""))
	case e.is("", "iq") && (to.Equal(a.bare) || to.Equal(a.bare.Domain())):
		return a.toServer(resource, e)
	case e.is("", "presence") && subscriptionTypes[e.attr("type")]:
		return a.changeSubscription(to.Bare(), e)
	case a.local(to.Domainpart()):
		return a.receive(e)
	}
	return []parcel{{stanza: e}}
}

// toServer takes a client's stanza that is meant for the server.
func (a *account) toServer(resource string, e *element) []parcel {
	switch {
	case e.is("", "presence"):
		return a.changePresence(resource, e)
	case e.is("", "iq") && e.child(nsRoster, "query") != nil:
		return a.roster(resource, e)
	case e.is("", "iq"):
		return a.answer(resource, answerIQ(e))
	}
	return a.answer(resource, errorReply(e, "cancel", "service-unavailable", ""))
}

// answerIQ gives the answer to a request that any server answers, or nil for what is no request.
func answerIQ(e *element) *element {
	kind := e.attr("type")
	if kind == "get" && e.child(nsPing, "ping") != nil || kind == "set" && e.child(nsSession, "session") != nil {
		return reply(e, "result")
	}
	return errorReply(e, "cancel", "service-unavailable", "")
}

// receive takes a stanza that is addressed to somebody here. Whatever others send, the answer is a stanza or nothing.
func (a *account) receive(e *element) []parcel {
	to, err := jid.Parse(e.attr("to"))
	switch {
	case err != nil:
		return nil
	case e.is("", "iq") && to.Equal(a.bare.Domain()):
		return a.send(answerIQ(e))
	case !to.Bare().Equal(a.bare): // nobody has this address, such as everybody of a domain that is not really ours
		return a.send(errorReply(e, "cancel", "service-unavailable", ""))
	}
	_, online := a.clients[to.Resourcepart()]
	switch {
	case e.is("", "presence"):
		return a.receivePresence(e)
	case online:
		return []parcel{{to.Resourcepart(), e}}
	case e.is("", "iq") && to.Resourcepart() == "":
		return a.send(answerIQ(e))
	case e.is("", "message") && len(a.available()) > 0:
		return a.toAvailable(e)
	}
	return a.send(errorReply(e, "cancel", "service-unavailable", ""))
}

// join makes a client known, under the resource it asks for if that is free.
func (a *account) join(resource, otherwise string) string {
	if _, taken := a.clients[resource]; taken || resource == "" {
		resource = otherwise
	}
	a.clients[resource] = nil
	return resource
}

// leave forgets a client, which those hear who saw it.
func (a *account) leave(resource string) []parcel {
	var out []parcel
	if a.clients[resource] != nil {
		out = a.changePresence(resource, el("", "presence", "type", "unavailable", "from", a.full(resource)))
	}
	delete(a.clients, resource)
	return out
}

func (a *account) full(resource string) string { return a.bare.String() + "/" + resource }

// available gives the resources that said they are, in order.
func (a *account) available() []string {
	var list []string
	for _, resource := range slices.Sorted(maps.Keys(a.clients)) {
		if a.clients[resource] != nil {
			list = append(list, resource)
		}
	}
	return list
}

// toAvailable hands a stanza to every client that is available.
func (a *account) toAvailable(e *element) []parcel {
	var out []parcel
	for _, resource := range a.available() {
		out = append(out, parcel{resource, e})
	}
	return out
}

// answer sends a client something, unless there is nothing to send.
func (a *account) answer(resource string, e *element) []parcel {
	if e == nil {
		return nil
	}
	return []parcel{{resource, e}}
}

// send sends a stanza, if there is one, to wherever it is addressed. What comes back to the user never brings forth more.
func (a *account) send(e *element) []parcel {
	if e == nil {
		return nil
	}
	to, err := jid.Parse(e.attr("to"))
	_, online := a.clients[to.Resourcepart()]
	switch {
	case err != nil:
		return nil
	case to.Bare().Equal(a.bare) && online:
		return []parcel{{to.Resourcepart(), e}}
	case a.local(to.Domainpart()):
		return nil
	}
	return []parcel{{stanza: e}}
}
