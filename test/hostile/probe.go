// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// healthyPartner is the domain of the probe.
	healthyPartner = "healthy.example"
	// pace is the time between two messages of the probe.
	pace = 50 * time.Millisecond
	// givenUp is how long a message may be under way before it counts as lost.
	givenUp = 30 * time.Second
)

// message is one that went from the healthy partner to the bystander and back.
type message struct {
	sent     time.Time
	took     time.Duration
	returned int
}

// probe is the healthy partner: its messages to a user are answered, and measured.
type probe struct {
	partner, user *stream
	// stop ends the sending of messages.
	stop func()

	mu       sync.Mutex
	messages []message
	forged   []forgery
}

// forgery is a message that reached the bystander and was sent by somebody else than it said.
type forgery struct {
	arrived time.Time
	about   string
}

// startProbe has messages go round until ctx is done.
func startProbe(ctx context.Context, target Target) (*probe, error) {
	partner, err := federate(ctx, target, healthyPartner, target.Domain, target.Issue(healthyPartner))
	if err != nil {
		return nil, err
	}
	user, err := login(ctx, target, target.Bystander)
	if err != nil {
		return nil, err
	}
	sending, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	p := &probe{partner: partner, user: user, stop: func() { stop(); <-stopped }}
	context.AfterFunc(ctx, func() { _, _ = partner.Close(), user.Close() })
	go p.echo()
	go p.collect()
	go func() {
		defer close(stopped)
		p.send(sending, target)
	}()
	return p, nil
}

// end has no more messages go round and waits for those that still do: an answer that comes after the stream of the partner has
// been closed makes the server open one of its own, and all later answers take that.
func (p *probe) end() {
	p.stop()
	p.settle(time.Now())
}

func (p *probe) send(ctx context.Context, target Target) {
	for ticker := time.NewTicker(pace); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		id := len(p.messages)
		p.messages = append(p.messages, message{sent: time.Now()})
		p.mu.Unlock()
		_ = p.partner.send("<message type='chat' from='probe@%s' to='%s@%s'><body>probe %d.</body></message>",
			healthyPartner, target.Bystander.Name, target.Domain, id)
	}
}

// body matches the body of a message that the probe sent, or that an attack forged.
var body = regexp.MustCompile(`<body>(probe|forged) ([^<]*)\.</body>`)

// each calls do with the kind of every message that arrives on s and what it says.
func each(s *stream, do func(kind, id string)) {
	buffer := make([]byte, 16384)
	for {
		_ = s.SetReadDeadline(time.Time{})
		n, err := s.Read(buffer)
		if err != nil {
			return
		}
		s.unread += string(buffer[:n])
		end := 0
		for _, match := range body.FindAllStringSubmatchIndex(s.unread, -1) {
			do(s.unread[match[2]:match[3]], s.unread[match[4]:match[5]])
			end = match[1]
		}
		s.unread = s.unread[end:]
		if len(s.unread) > 4096 {
			s.unread = s.unread[len(s.unread)-64:]
		}
	}
}

func (p *probe) echo() {
	each(p.user, func(kind, id string) {
		if kind == "forged" {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.forged = append(p.forged, forgery{time.Now(), html.UnescapeString(id)})
			return
		}
		_ = p.user.send("<message type='chat' to='probe@%s'><body>probe %s.</body></message>", healthyPartner, id)
	})
}

func (p *probe) collect() {
	each(p.partner, func(_, id string) {
		n, err := strconv.Atoi(id)
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil || n >= len(p.messages) {
			return
		}
		p.messages[n].returned++
		if p.messages[n].returned == 1 {
			p.messages[n].took = time.Since(p.messages[n].sent)
		}
	})
}

// forgedBetween returns what the forgeries that arrived at that time are about.
func (p *probe) forgedBetween(from, to time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var about []string
	for _, f := range p.forged {
		if !f.arrived.Before(from) && f.arrived.Before(to) {
			about = append(about, f.about)
		}
	}
	return about
}

// settle waits until every message sent before end has returned or is given up.
func (p *probe) settle(end time.Time) {
	for deadline := end.Add(givenUp); time.Now().Before(deadline); <-time.After(pace) {
		if p.window(time.Time{}, end).Lost == 0 {
			return
		}
	}
}

// Window says what became of the messages of some time.
type Window struct {
	Sent, Lost, Doubled int
	Median, P99, Worst  time.Duration
}

func (w Window) String() string {
	return fmt.Sprintf("%d sent, %d lost, %d doubled, median %s, p99 %s, worst %s", w.Sent, w.Lost, w.Doubled,
		w.Median.Round(time.Millisecond), w.P99.Round(time.Millisecond), w.Worst.Round(time.Millisecond))
}

func (p *probe) window(from, to time.Time) Window {
	p.mu.Lock()
	defer p.mu.Unlock()
	var w Window
	var took []time.Duration
	for _, m := range p.messages {
		if m.sent.Before(from) || m.sent.After(to) {
			continue
		}
		w.Sent++
		switch m.returned {
		case 0:
			w.Lost++
			continue
		case 1:
		default:
			w.Doubled++
		}
		took = append(took, m.took)
	}
	if len(took) > 0 {
		slices.Sort(took)
		w.Median, w.P99, w.Worst = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	}
	return w
}

// normalAfter returns how long after end messages took longer than limit, of those that were sent before next.
func (p *probe) normalAfter(end, next time.Time, limit time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var after time.Duration
	for _, m := range p.messages {
		arrived := m.sent.Add(m.took)
		if m.sent.Before(next) && arrived.After(end) && (m.took > limit || m.returned == 0) {
			after = max(after, arrived.Sub(end))
		}
	}
	return after
}
