// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// patience is for one stanza to arrive. The first one may wait for the streams between the servers to be opened.
const patience = 20 * time.Second

// Hold has both users ask for each other's presence, a first, and talk. What happens is written to out, a line each.
func Hold(ctx context.Context, a, b *Client, out io.Writer) error {
	if err := becomeStrangers(ctx, a, b); err != nil {
		return fmt.Errorf("ending the acquaintance of an earlier run: %w", err)
	}
	talk := talk{out: out, began: time.Now()}
	if err := talk.befriend(ctx, a, b); err != nil {
		return err
	}
	return talk.befriend(ctx, b, a)
}

// talk writes the transcript.
type talk struct {
	out   io.Writer
	began time.Time
}

func (t talk) line(from, to, what string) {
	fmt.Fprintf(t.out, "%7.3f s  %-22s -> %-22s %s\n", time.Since(t.began).Seconds(), from, to, what)
}

// step is one stanza on its way.
type step struct {
	from, to *Client
	command  string // to the sender's client; empty for what a server sends by itself
	what     string
	arrived  func(Event) bool
}

func (t talk) run(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if s.command != "" {
		if err := s.from.Send("%s", s.command); err != nil {
			return err
		}
	}
	_, err := s.to.Await(ctx, "to receive "+s.what+" from "+s.from.JID, func(e Event) bool {
		return bare(e.From) == s.from.JID && s.arrived(e)
	})
	if err == nil {
		t.line(s.from.JID, s.to.JID, s.what)
	}
	return err
}

// befriend has one user ask for the other's presence and get it, then say something and be answered.
func (t talk) befriend(ctx context.Context, asks, answers *Client) error {
	hello, reply := "Hello, this is "+asks.JID, "Hello "+asks.JID+", I read you"
	for _, s := range []step{
		{asks, answers, "subscribe " + answers.JID, "subscription request", presence("subscribe")},
		{answers, asks, "approve " + asks.JID, "approval", presence("subscribed")},
		{answers, asks, "", "presence: available", presence("available")},
		{asks, answers, "message " + answers.JID + " " + hello, "message: " + hello, message(hello)},
		{answers, asks, "message " + asks.JID + " " + reply, "message: " + reply, message(reply)},
	} {
		if err := t.run(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Say sends one message and waits for it to arrive.
func Say(ctx context.Context, from, to *Client, text string) error {
	return talk{out: io.Discard, began: time.Now()}.run(ctx,
		step{from, to, "message " + to.JID + " " + text, "message: " + text, message(text)})
}

// becomeStrangers takes each off the other's contact list, one after the other, and lets nothing of it arrive late.
func becomeStrangers(ctx context.Context, a, b *Client) error {
	for _, pair := range [][2]*Client{{a, b}, {b, a}} {
		who, whom := pair[0], pair[1]
		contacts, err := who.Roster(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(contacts, func(c Contact) bool { return c.JID == whom.JID }) {
			continue
		}
		if err := who.Send("remove %s", whom.JID); err != nil {
			return err
		}
		// Stanzas between two users keep their order (RFC 6120 section 10.1): a message comes after what removal sends.
		if err := Say(ctx, who, whom, "let us start anew"); err != nil {
			return err
		}
	}
	for _, c := range []*Client{a, b} {
		c.forget()
	}
	return nil
}

// forget drops the events that came so far.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = nil
}

func presence(kind string) func(Event) bool {
	return func(e Event) bool { return e.Event == "presence" && e.Type == kind }
}

func message(body string) func(Event) bool {
	return func(e Event) bool { return e.Event == "message" && e.Body == body }
}

func bare(jid string) string {
	bare, _, _ := strings.Cut(jid, "/")
	return bare
}
