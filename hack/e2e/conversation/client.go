// SPDX-License-Identifier: Apache-2.0

// Package conversation has two users of different domains get to know each other and talk, with real XMPP clients.
package conversation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Account is a user and where their client runs and connects to.
type Account struct {
	// JID without resource, and password.
	JID, Password string
	// Host of the lab where the client runs.
	Host string
	// Server is the address and port of the user's own server. Empty: the client finds it in the DNS.
	Server string
	// DirectTLS has the client begin with TLS (XEP-0368) instead of STARTTLS.
	DirectTLS bool
}

// Event is what a client prints (hack/lab/chat).
type Event struct {
	Event, JID, Server, From, To, Type, Show, Body, Condition, Text string
	Contacts                                                        []Contact
}

// Contact is an entry of the contact list (roster).
type Contact struct{ JID, Subscription string }

// Client is a running client of one user.
type Client struct {
	Account
	// Address and port that it is connected to.
	Address string

	in   io.WriteCloser
	done chan struct{} // closed when the client has ended

	mu      sync.Mutex
	events  []Event
	changed chan struct{} // closed and replaced with each event
	stderr  strings.Builder
}

// Login starts a client, and returns once its user is online and has the contact list.
func Login(ctx context.Context, account Account) (*Client, error) {
	program, err := lab.Path("bin/lab/chat")
	if err != nil {
		return nil, err
	}
	// The client ends with its input, not with ctx: killing the command in front of it would leave it running.
	cmd, err := lab.Command(context.WithoutCancel(ctx), "exec", account.Host, "--", program,
		"-jid", account.JID, "-password", account.Password, "-connect", account.Server, "-ca", lab.CA,
		fmt.Sprintf("-direct-tls=%t", account.DirectTLS))
	if err != nil {
		return nil, err
	}
	c := &Client{Account: account, done: make(chan struct{}), changed: make(chan struct{})}
	cmd.Stderr = &c.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the client of %s: %w", account.JID, err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the client of %s: %w", account.JID, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the client of %s: %w", account.JID, err)
	}
	go c.read(cmd, out)
	if err := c.settle(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// settle waits for the login, and until the server knows that the user is available.
func (c *Client) settle(ctx context.Context) error {
	online, err := c.Await(ctx, "to be online", func(e Event) bool { return e.Event == "online" })
	if err != nil {
		return err
	}
	c.Address = online.Server
	if err := c.Send("presence"); err != nil {
		return err
	}
	_, err = c.Roster(ctx) // answered after the presence was handled
	return err
}

func (c *Client) read(cmd *exec.Cmd, out io.Reader) {
	defer close(c.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var event Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			event = Event{Event: "error", Text: err.Error()}
		}
		c.mu.Lock()
		c.events = append(c.events, event)
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
	_ = cmd.Wait() // why it ended is in what it printed
}

// Send gives the client a command.
func (c *Client) Send(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		return fmt.Errorf("commanding the client of %s: %w%s", c.JID, err, c.lastWords())
	}
	return nil
}

// Await returns the first event that matches and was not returned before.
func (c *Client) Await(ctx context.Context, what string, match func(Event) bool) (Event, error) {
	for {
		event, found, changed := c.take(match)
		if found {
			return event, nil
		}
		select {
		case <-changed:
		case <-c.done:
			if event, found, _ := c.take(match); found {
				return event, nil
			}
			return Event{}, fmt.Errorf("waiting for %s %s: the client ended%s", c.JID, what, c.lastWords())
		case <-ctx.Done():
			return Event{}, fmt.Errorf("waiting for %s %s: %w%s", c.JID, what, ctx.Err(), c.lastWords())
		}
	}
}

func (c *Client) take(match func(Event) bool) (Event, bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.events, match)
	if i < 0 {
		return Event{}, false, c.changed
	}
	event := c.events[i]
	c.events = slices.Delete(c.events, i, i+1)
	return event, true, nil
}

// Roster asks for the contact list.
func (c *Client) Roster(ctx context.Context) ([]Contact, error) {
	if err := c.Send("roster"); err != nil {
		return nil, err
	}
	event, err := c.Await(ctx, "to get the contact list", func(e Event) bool { return e.Event == "roster" })
	return event.Contacts, err
}

// Ended tells whether the client lost its stream or was closed.
func (c *Client) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Close logs out.
func (c *Client) Close() {
	_ = c.in.Close()
	<-c.done
}

// lastWords are events that nobody waited for and, once the client has ended, its errors.
func (c *Client) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var words []error
	for _, e := range c.events {
		if e.Text != "" || e.Condition != "" {
			words = append(words, fmt.Errorf("%s from %s: %s %s", e.Event, e.From, e.Condition, e.Text))
		}
	}
	select {
	case <-c.done:
		words = append(words, errors.New(strings.TrimSpace(c.stderr.String())))
	default:
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + errors.Join(words...).Error()
}
