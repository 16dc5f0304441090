// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// indigestible is text that a server must not choke on. What is malformed it has to refuse. The rest it may also read to the end, if
// there is one, as slowly as it wants.
type indigestible struct {
	name, text string
	malformed  bool
}

func indigestibles() []indigestible {
	const open = "<message to='a@b.example'><body>"
	var namespaces, attributes strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&namespaces, " xmlns:n%d='urn:%d'", i, i)
		fmt.Fprintf(&attributes, " a%d='%d'", i, i)
	}
	return []indigestible{
		{"10 MB in a stanza", open + strings.Repeat("x", 10<<20), false},
		{"10 MB in an attribute", "<message to='" + strings.Repeat("x", 10<<20), false},
		{"50,000 elements in each other", open + strings.Repeat("<a>", 50000), false},
		{"10,000 attributes", "<message" + attributes.String() + "/>", false},
		{"10,000 namespaces", "<message" + namespaces.String() + "/>", false},
		{"a document type with entities in each other", bomb() + open + "&b12;</body></message>", true},
		{"an entity that is not declared", open + "&bomb;</body></message>", true},
		{"a comment", "<!-- " + strings.Repeat("x", 1000) + " -->", true},
		{"a processing instruction", "<?php echo 1 ?>", true},
		{"bytes that are no UTF-8", open + "\xff\xfe</body></message>", true},
		{"a character that XML does not have", open + "&#0;</body></message>", true},
		{"an end tag that does not match", open + "</message>", true},
	}
}

// bomb declares 13 entities, the last of which stands for 10^12 copies of the first.
func bomb() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE b [<!ENTITY b0 'bomb'>")
	for i := range 12 {
		fmt.Fprintf(&b, "<!ENTITY b%d '%s'>", i+1, strings.Repeat(fmt.Sprintf("&b%d;", i), 10))
	}
	b.WriteString("]>")
	return b.String()
}

// parser are attacks on who reads XML, by a stranger in plaintext and by a domain that has proven itself.
func parser() []Attack {
	var attacks []Attack
	for _, text := range indigestibles() {
		attacks = append(attacks,
			trick(text.name+", of a stranger", func(ctx context.Context, target Target) (string, error) {
				s, err := attempt{from: thief, plain: true}.open(ctx, target)
				if err != nil {
					return "", err
				}
				defer s.Close()
				return s.pour(ctx, text, target)
			}),
			trick(text.name+", of a proven domain", func(ctx context.Context, target Target) (string, error) {
				s, err := federate(ctx, target, thief, target.Domain, target.Issue(thief))
				if err != nil {
					return "", err
				}
				defer s.Close()
				return s.pour(ctx, text, target)
			}))
	}
	return attacks
}

// pourFor bounds how long something large is sent.
const pourFor = 5 * time.Second

// pour sends text and returns what the server says to it.
func (s *stream) pour(ctx context.Context, text indigestible, target Target) (string, error) {
	deadline := time.Now().Add(pourFor)
	if limit, ok := ctx.Deadline(); ok && limit.Before(deadline) {
		deadline = limit
	}
	if err := s.SetWriteDeadline(deadline); err != nil {
		return "", err
	}
	n, err := io.WriteString(s.Conn, text.text+ping(thief, target.Domain))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		_, err = s.expectWithin(pourFor, pingID)
	}
	switch {
	case text.malformed:
		return refused(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("is read slowly: %d kB left our buffers in %s", n/1000, pourFor), nil
	case err == nil:
		return "was taken", nil
	}
	return refused(err)
}
