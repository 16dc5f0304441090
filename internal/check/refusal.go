// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/xmpp"
)

// remedies say what to do about each stream error: one text for the server of a Federation, and one, as an order, for any other server.
type remedies struct{ ours, anybodys string }

const seeLog = "; the server's log says more"

// refusals are the remedies by the condition of the stream error (RFC 6120 section 4.9.3).
var refusals = map[string]remedies{
	"host-unknown": {
		"The server there does not serve the domain: check that the address leads to this Federation's pods, and the condition ServerReady",
		"add the domain to the server there, or correct the service record" + seeLog,
	},
	"resource-constraint": {
		"The server has reached one of its bounds: see the condition LimitsReached; it takes streams again by itself when it has room",
		"give the server more memory, or wait until it has less to do" + seeLog,
	},
	"policy-violation": {
		"A rule of the server keeps such streams out: see its log",
		"see which rule of the server keeps such streams out; its log says more",
	},
	"system-shutdown": {
		"The server is about to end or to start again: wait a minute, and if this stays see the condition ServerReady",
		"start the server, which is ending" + seeLog,
	},
	"connection-timeout": {
		"The server heard nothing in time: it has too much to do, or something on the way holds packets up; see the condition " +
			"LimitsReached, and the firewalls on the way",
		"see whether the server has too much to do, or something on the way holds packets up" + seeLog,
	},
	"see-other-host": {
		"What answers sends streams elsewhere, which this Federation's server never does: check that the address leads to its pods",
		"publish a service record that leads to the other host, as servers need not follow (RFC 6120 section 4.9.3.19)",
	},
}

// remediesOf returns what to do about the stream error in err.
func remediesOf(err error) remedies {
	var refused *xmpp.StreamError
	if errors.As(err, &refused) && refusals[refused.Condition] != (remedies{}) {
		return refusals[refused.Condition]
	}
	return remedies{"See the server's log", "look at the server's log for this stream"}
}

// judgeRefusedStream says what it means that a server which speaks XMPP refuses a stream.
func judgeRefusedStream(domain string, refused *xmpp.StreamError) Result {
	return Result{
		ID: StreamOpens, Mark: Fail, Reason: v1alpha1.ReasonStreamRefused,
		Words: fmt.Sprintf("the server refuses streams to %s with %s %s", domain, phrase.Quote(refused.Condition, maxRecord),
			phrase.Quote(refused.Text, maxRecord)),
		Fix: remediesOf(refused).ours,
	}
}

// objection waits for a server that sent a header without a version to refuse the stream after all. Servers do so that close a
// stream before they have read what it asks for.
func objection(ctx context.Context, stream *xmpp.Stream, p patience) (err error) {
	within(ctx, p.objection, func(ctx context.Context) { err = stream.Objection(ctx) })
	return err
}
