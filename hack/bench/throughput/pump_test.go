// SPDX-License-Identifier: Apache-2.0

//go:build integration

package throughput

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

const (
	// burst is the number of messages between two requests for an acknowledgement, window how many may be unacknowledged.
	burst, window = 25, 500
	// warm is the number of messages before the clock runs.
	warm = 200
	// most is the number of messages to one user, whose offline messages have a bound of their own.
	most = 4500
)

// acknowledged finds the number of stanzas that the server has handled (XEP-0198).
var acknowledged = regexp.MustCompile(`\bh='(\d+)'`)

// pump sends messages on a partner's stream.
type pump struct {
	stream         *prosodytest.Stream
	burst          string
	sent, received int
}

func newPump(stream *prosodytest.Stream, user string) *pump {
	var text strings.Builder
	for i := range burst {
		fmt.Fprintf(&text, "<message from='somebody@%s/desk' to='%s@%s' type='chat' id='3f1b6c9e-%04d'><body>%s</body>"+
			"<request xmlns='urn:xmpp:receipts'/><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
			partner, user, domain, i, "The lift on the second floor is out of order until noon.")
	}
	text.WriteString("<r xmlns='urn:xmpp:sm:3'/>")
	return &pump{stream: stream, burst: text.String()}
}

// run keeps the window full until the clock or the number of messages runs out, and returns when the server has acknowledged
// what it returns.
func (p *pump) run(each time.Duration, most int) (handled int, took time.Duration, err error) {
	first, began := p.received, time.Now()
	for p.received-first < most && time.Since(began) < each {
		for p.sent-p.received < window && p.sent-first < most {
			if err := p.stream.Send(p.burst); err != nil {
				return 0, 0, err
			}
			p.sent += burst
		}
		if err := p.acknowledgement(); err != nil {
			return 0, 0, err
		}
		took = time.Since(began)
	}
	return p.received - first, took, nil
}

// drain waits until everything that was sent is acknowledged.
func (p *pump) drain() error {
	for p.received < p.sent {
		if err := p.acknowledgement(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pump) acknowledgement() error {
	if _, err := p.stream.Expect("<a "); err != nil {
		return err
	}
	text, err := p.stream.Expect("/>")
	if err != nil {
		return err
	}
	match := acknowledged.FindStringSubmatch(text)
	if match == nil {
		return fmt.Errorf("an acknowledgement without a number: %s", text)
	}
	p.received, err = strconv.Atoi(match[1])
	return err
}

// read has a client take what comes and acknowledge it when asked, until its stream ends.
func read(stream *prosodytest.Stream) {
	handled := 1 // its own presence
	for {
		text, err := stream.Expect("<r ")
		if err != nil {
			return
		}
		handled += strings.Count(text, "<message ")
		if stream.Send(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", handled)) != nil {
			return
		}
	}
}

// recipients are users by what becomes of their messages.
var recipients = []string{"online", "away", "offline"}

// ready brings the user into the state that its name says.
func (s *server) ready(b *testing.B, user string) {
	switch user {
	case "online":
		go read(s.login(b, user))
	case "away":
		before := strings.Count(s.Log(), "Client disconnected")
		s.login(b, user).Close()
		for end := time.Now().Add(10 * time.Second); strings.Count(s.Log(), "Client disconnected") == before; {
			if time.Now().After(end) {
				b.Fatal("the server does not notice that a client is gone")
			}
			<-time.After(10 * time.Millisecond)
		}
	case "offline":
	default:
		b.Fatalf("%s is no kind of recipient", user)
	}
}
