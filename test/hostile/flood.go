// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// BidiFlood has the server open a stream to a partner that then sends on it (XEP-0288) as much as the server takes, for some
// seconds.
func BidiFlood(seconds int) Attack {
	return Attack{
		Name: "a flood on a stream that the server opened", Limit: time.Duration(seconds) * time.Second,
		Do: func(ctx context.Context, target Target) (string, error) {
			const domain = "bidi.example"
			h := &host{issue: target.Issue, stanzas: map[string]int{}, bidi: true, opened: make(chan *stream, 1)}
			address, err := listen(ctx, target, h.serve)
			if err != nil {
				return "", err
			}
			if err := target.Names.Point(address, domain); err != nil {
				return "", err
			}
			user, err := login(ctx, target, target.Attacker)
			if err != nil {
				return "", err
			}
			defer func() { _ = user.Close() }()
			if err := user.send("<presence to='u@%s'/>", domain); err != nil {
				return "", err
			}
			var s *stream
			select {
			case s = <-h.opened:
			case <-until(ctx, patience):
				return "", fmt.Errorf("no stream was opened to %s", domain)
			}
			message := fmt.Sprintf("<message type='chat' from='a@%s' to='nobody@%s'><body>%s</body></message>",
				domain, target.Domain, strings.Repeat("z", 200))
			s.flood(ctx, strings.Repeat(message, 20))
			return "", nil
		},
	}
}

// StreamsFlood has one stranger open that many streams, for names below its domain, and then send on all of them as much as the
// server takes, for some seconds.
func StreamsFlood(streams, seconds int) Attack {
	return Attack{
		Name: fmt.Sprintf("a flood on %d streams of one stranger", streams), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			const domain = "flooding.example"
			certificate := target.Issue("*." + domain)
			var open []*stream
			for i := range streams {
				s, err := federate(ctx, target, fmt.Sprintf("n%d.%s", i, domain), target.Domain, certificate)
				if err != nil {
					return "", err
				}
				defer func() { _ = s.Close() }()
				open = append(open, s)
			}
			limited, end := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
			defer end()
			var flood sync.WaitGroup
			for i, s := range open {
				go func() { _, _ = io.Copy(io.Discard, s.Conn) }()
				question := discoInfo("q", fmt.Sprintf("a@n%d.%s", i, domain), target.Domain)
				flood.Go(func() { s.flood(limited, strings.Repeat(question, 20)) })
			}
			flood.Wait()
			return "", nil
		},
	}
}

// Idle opens that many connections from a few addresses, which say nothing or no more than a stream header. Others must get in
// all the same: a partner and a user who come in the midst of it.
func Idle(connections int) Attack {
	return Attack{
		Name: fmt.Sprintf("%d idle connections", connections), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			for i := range connections {
				s, err := dialFrom(ctx, target.S2S, target.Addresses[i%len(target.Addresses)])
				if err != nil {
					break // the server is busy; whether others get in is what counts
				}
				defer func() { _ = s.Close() }()
				if i%2 == 0 {
					_ = s.send("%s", serverHeader("idle.example", target.Domain))
				}
				go func() { _, _ = io.Copy(io.Discard, s.Conn) }()
			}
			<-until(ctx, quiet)
			if err := newcomers(ctx, target); err != nil {
				return "", err
			}
			return "a partner and a user got in", nil
		},
	}
}

// newcomers returns why a partner or a user who come just now don't get in, or nil.
func newcomers(ctx context.Context, target Target) error {
	const newcomer = "newcomer.example"
	s, err := federate(ctx, target, newcomer, target.Domain, target.Issue(newcomer))
	if err != nil {
		return fmt.Errorf("a partner did not get in: %w", err)
	}
	_ = s.Close()
	user, err := login(ctx, target, target.Attacker)
	if err != nil {
		return fmt.Errorf("a user did not get in: %w", err)
	}
	return user.Close()
}
