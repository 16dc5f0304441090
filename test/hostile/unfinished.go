// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// smallest is the element that takes the most memory for what it is on the wire.
	smallest = "<a/>"
	// strangersShare is how much of it fits into what servers take in a stanza of those who have proven nothing, in bytes.
	strangersShare = 9600
	// partnersShare is the same for domains that have.
	partnersShare = 500_000
	// aftermath is how long the connections stay when all has been sent.
	aftermath = 3 * time.Second
)

// UnfinishedByStrangers opens that many connections, to the ports for servers and for clients, that prove nothing. Each begins a
// stanza of many small elements and does not end it. A partner and a user who come in the midst of it must get in.
func UnfinishedByStrangers(connections int) Attack {
	return Attack{
		Name: fmt.Sprintf("%d unfinished stanzas of strangers", connections), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			text := "<iq>" + strings.Repeat(smallest, strangersShare/len(smallest))
			var cut atomic.Int32
			for i := range connections {
				address, header := target.S2S, serverHeader("unfinished.example", target.Domain)
				if i%2 == 1 {
					address, header = target.C2S, clientHeader(target.Domain)
				}
				s, err := dialFrom(ctx, address, target.Addresses[i%len(target.Addresses)])
				if err != nil {
					break // the server is busy; whether others get in is what counts
				}
				defer func() { _ = s.Close() }()
				_ = s.send("%s", header+text)
				go s.awaitCut(&cut)
			}
			<-until(ctx, aftermath)
			if err := newcomers(ctx, target); err != nil {
				return "", err
			}
			return fmt.Sprintf("a partner and a user got in, %d were cut off", cut.Load()), nil
		},
	}
}

// UnfinishedByPartners opens that many streams of domains that prove themselves. Each begins a stanza of many small elements and
// does not end it.
func UnfinishedByPartners(streams int) Attack {
	return Attack{
		Name: fmt.Sprintf("%d unfinished stanzas of partners", streams), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			text := strings.Repeat(smallest, partnersShare/len(smallest))
			return fromDomains(ctx, target, streams, func(ctx context.Context, s *stream, domain string) {
				if s.send("<message type='error' from='a@%s' to='nobody@%s'>", domain, target.Domain) == nil {
					s.sendAll(ctx, text)
				}
			})
		},
	}
}

// NewNames opens that many streams of domains that prove themselves, which send small stanzas for some seconds whose elements and
// attributes are called ever new names. Parsers of XML keep names.
func NewNames(streams, seconds int) Attack {
	return Attack{
		Name: fmt.Sprintf("ever new names on %d streams", streams), Limit: time.Duration(seconds)*time.Second + 2*patience,
		Do: func(ctx context.Context, target Target) (string, error) {
			end := time.Now().Add(time.Duration(seconds) * time.Second)
			return fromDomains(ctx, target, streams, func(ctx context.Context, s *stream, domain string) {
				for name := 0; time.Now().Before(end) && s.sendAll(ctx, named(domain, target.Domain, name)); {
					name += namesInStanza
				}
			})
		},
	}
}

// namesInStanza is how many names each stanza has.
const namesInStanza = 100

// named is a stanza whose elements and attributes are called names from the first on.
func named(from, to string, first int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<message type='error' from='a@%s' to='nobody@%s'>", from, to)
	for i := range namesInStanza / 2 {
		fmt.Fprintf(&b, "<x%x y%[1]x=''/>", first/2+i)
	}
	b.WriteString("</message>")
	return b.String()
}

// fromDomains has that many domains prove themselves, and each attack on its stream. It returns when all are done.
func fromDomains(
	ctx context.Context, target Target, streams int, attack func(ctx context.Context, s *stream, domain string),
) (string, error) {
	var attacks sync.WaitGroup
	var cut atomic.Int32
	for i := range streams {
		domain := fmt.Sprintf("domain%d.example", i)
		s, err := federate(ctx, target, domain, target.Domain, target.Issue(domain))
		if err != nil {
			attacks.Wait()
			return "", err
		}
		defer func() { _ = s.Close() }()
		go s.awaitCut(&cut)
		attacks.Go(func() { attack(ctx, s, domain) })
	}
	attacks.Wait()
	<-until(ctx, aftermath)
	return fmt.Sprintf("%d were cut off", cut.Load()), nil
}

// sendAll sends text as fast as the other side takes it and reports whether the stream still stands.
func (s *stream) sendAll(ctx context.Context, text string) bool {
	if s.SetWriteDeadline(time.Time{}) != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	_, err := s.Write([]byte(text))
	return err == nil
}

// awaitCut reads until the server ends the stream and counts that.
func (s *stream) awaitCut(cut *atomic.Int32) {
	if s.SetReadDeadline(time.Time{}) != nil {
		return
	}
	buffer := make([]byte, 4096)
	for {
		n, err := s.Read(buffer)
		if strings.Contains(string(buffer[:n]), "<stream:error>") {
			cut.Add(1)
		}
		if err != nil {
			return
		}
	}
}
