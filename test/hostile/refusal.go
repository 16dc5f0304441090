// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// refusal is an error that says that the server turned something down or ended the stream.
type refusal struct {
	// answer is what the server said, end how the connection ended, if it did.
	answer string
	end    error
}

var (
	// isNo matches what ends a stream, an attempt to authenticate or one to encrypt.
	isNo = regexp.MustCompile(`</stream:stream>|</failure>|<failure[^>]*/>`)
	// conditions, failures and texts match what RFC 6120 defines in sections 4.9, 6.5 and 8.3.
	conditions = regexp.MustCompile(`<([a-z-]+)[^>]* xmlns=['"]urn:ietf:params:xml:ns:xmpp-(?:streams|sasl|stanzas)['"]`)
	failures   = regexp.MustCompile(`<failure[^>]*>\s*<([a-z-]+)`)
	texts      = regexp.MustCompile(`<text[^>]*>([^<]*)</text>`)
)

// Error says what the server said: the condition and the text of an error, or how the connection ended.
func (r *refusal) Error() string {
	var parts []string
	for _, match := range conditions.FindAllStringSubmatch(r.answer, -1) {
		if match[1] != "text" && match[1] != "failure" && match[1] != "mechanisms" {
			parts = append(parts, match[1])
			break
		}
	}
	if match := failures.FindStringSubmatch(r.answer); match != nil {
		parts = append(parts, match[1])
	}
	if match := texts.FindStringSubmatch(r.answer); match != nil {
		parts = append(parts, html.UnescapeString(match[1]))
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ": ")
	case r.end != nil:
		return r.end.Error()
	}
	return fmt.Sprintf("refused: %.200s", r.answer)
}

// refused returns what the server said if err is its refusal. Anything else is an error: to be let in, and what leaves open whether
// one was.
func refused(err error) (string, error) {
	if err == nil {
		return "", errors.New("was let in")
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		return no.Error(), nil
	}
	return "", err
}
