// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Chat is two users who send each other numbered messages all the time.
type Chat struct {
	end  context.CancelFunc
	ways []*way
	once sync.Once
	err  error
}

// way is one direction of a chat.
type way struct {
	from, to *Client
	sent     int
	err      error
	done     chan struct{}
}

// Counts of messages that arrived, in both directions.
type Counts struct{ There, Back int }

// String tells the counts.
func (c Counts) String() string { return fmt.Sprintf("%d messages there and %d back", c.There, c.Back) }

// numbered begins the text of each message.
const numbered = "number "

// Chatter has two users who know each other talk until the end, each with one message in every period.
func Chatter(a, b *Client, period time.Duration) *Chat {
	ctx, end := context.WithCancel(context.Background())
	chat := &Chat{end: end}
	for _, w := range []*way{{from: a, to: b}, {from: b, to: a}} {
		w.done = make(chan struct{})
		chat.ways = append(chat.ways, w)
		go w.talk(ctx, period)
	}
	return chat
}

func (w *way) talk(ctx context.Context, period time.Duration) {
	defer close(w.done)
	beat := time.NewTicker(period)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		if w.err = w.from.Send("message %s %s%d", w.to.JID, numbered, w.sent+1); w.err != nil {
			return
		}
		w.sent++
	}
}

// Stop ends the chat and waits for the last messages to arrive. An error tells which were lost, doubled or out of order.
func (c *Chat) Stop() (Counts, error) {
	c.once.Do(func() {
		c.end()
		for _, w := range c.ways {
			if <-w.done; c.err == nil {
				c.err = w.check()
			}
		}
	})
	return Counts{There: c.ways[0].sent, Back: c.ways[1].sent}, c.err
}

// check makes sure that what was sent is what arrived.
func (w *way) check() error {
	if w.err != nil {
		return w.err
	}
	const last = "that was the last one"
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := Say(ctx, w.from, w.to, last); err != nil { // arrives after all others (RFC 6120 section 10.1)
		return err
	}
	arrived := w.to.messages(w.from.JID, numbered)
	for i, text := range arrived {
		if want := fmt.Sprintf("%s%d", numbered, i+1); text != want {
			return fmt.Errorf("comparing messages from %s to %s: got %q instead of %q", w.from.JID, w.to.JID, text, want)
		}
	}
	if len(arrived) != w.sent {
		return fmt.Errorf("comparing messages from %s to %s: %d of %d arrived", w.from.JID, w.to.JID, len(arrived), w.sent)
	}
	return nil
}

// messages are the texts that came from a user, of those that nobody waited for.
func (c *Client) messages(from, prefix string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var texts []string
	for _, e := range c.events {
		if e.Event == "message" && e.Type != "error" && bare(e.From) == from && strings.HasPrefix(e.Body, prefix) {
			texts = append(texts, e.Body)
		}
	}
	return texts
}
