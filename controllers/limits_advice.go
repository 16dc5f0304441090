// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// advice is what to do when a bound is reached.
type advice struct {
	// bounds are the names of those that it fits.
	bounds []string
	text   string
}

// advices are in the order of their weight.
var advices = []advice{
	{[]string{engine.BoundMemory}, "the server came near its memory limit and refused new streams, of strangers first: " +
		"raise the limit in spec.server.podTemplate.resources, which restarts the server"},
	{[]string{engine.BoundVolume, "messages to keep"}, "messages for users who are away went back to their senders, as the server could " +
		"not store them: see condition " + v1alpha1.ConditionServerReady + " and the server's log"},
	{[]string{engine.BoundLogins}, "somebody may be guessing passwords, which the server holds up: lines with `Login failed` in the " +
		"server's log name users and addresses; keep such an address out with a firewall or " +
		"spec.exposure.loadBalancer.sourceRanges, and see that passwords of users are strong"},
	{[]string{"connections of servers", "connections of clients"}, "many connections proved nothing, and the newest of the network with " +
		"the most were closed: a firewall, or spec.exposure.loadBalancer.sourceRanges, can keep that network out"},
	{[]string{engine.BoundRequests, "offline messages", "answers about clients"}, "users got more from others than is kept for them: " +
		"nothing has to be done, they get more when they have seen to it"},
	{[]string{"unacknowledged stanzas", "sessions of a user", "history of rooms", "size of presence"}, "clients or rooms had more than " +
		"is kept of them in memory, of which the oldest gave way: nothing has to be done, no message to a user is lost by it"},
	{[]string{"unfinished stanzas"}, "streams were closed whose stanzas had far more parts than people's programs send: nothing has to " +
		"be done, lines with `stanza is too big` or `too much is being read` in the server's log name them"},
	{[]string{engine.BoundRate}, "domains that are not listed sent more than is taken at once, it is read later"},
}

// listPartner is the advice for every bound that has none of its own. All of these bounds hold for domains.
const listPartner = "nothing has to be done unless partners or users of yours complain: then list the partner's domain in spec.peers, " +
	"which gives it bounds of its own"

// judgeLimits returns what it means that bounds were reached within the given time.
func judgeLimits(bounds []string, within time.Duration) finding {
	if len(bounds) == 0 {
		return finding{absent: true}
	}
	found := finding{reason: v1alpha1.ReasonRefusing}
	if slices.Contains(bounds, engine.BoundMemory) {
		found.reason = v1alpha1.ReasonShortOfMemory
	}
	found.message = phrase.Message(fmt.Sprintf("in the last %d minutes the server refused or delayed what was beyond these bounds: %s; "+
		"%s; `kubectl xmppfed status` counts what was refused", int(within.Minutes()), phrase.List(bounds, maxListed),
		strings.Join(advise(bounds), "; ")))
	return found
}

// advise returns what to do about bounds, each advice once.
func advise(bounds []string) []string {
	var texts []string
	ofDomains := slices.Clone(bounds)
	for _, a := range advices {
		fits := func(bound string) bool { return slices.Contains(a.bounds, bound) }
		if slices.ContainsFunc(bounds, fits) {
			texts = append(texts, a.text)
		}
		if !slices.Contains(a.bounds, engine.BoundRate) {
			ofDomains = slices.DeleteFunc(ofDomains, fits)
		}
	}
	if len(ofDomains) > 0 {
		texts = append(texts, listPartner)
	}
	return texts
}
