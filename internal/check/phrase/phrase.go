// SPDX-License-Identifier: Apache-2.0

// Package phrase puts text of others (DNS answers, XMPP servers, certificates) and long lists into the messages of
// conditions, so that no peer can write into a status what it likes, or as much as it likes.
package phrase

import (
	"fmt"
	"strings"
)

// MaxMessage is the longest message in bytes.
const MaxMessage = 1024

const ellipsis = "..."

// Clean makes s printable ASCII, anything else becoming '?', of at most limit bytes.
func Clean(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == limit {
			return cut(b.String(), limit)
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// Quote is Clean within double quotes; double quotes inside become single ones.
func Quote(s string, limit int) string {
	return `"` + strings.ReplaceAll(Clean(s, limit), `"`, `'`) + `"`
}

// List joins items by commas and says how many it leaves out beyond limit.
func List(items []string, limit int) string {
	if len(items) <= limit {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:limit], ", "), len(items)-limit)
}

// Message limits s to MaxMessage bytes of printable ASCII.
func Message(s string) string {
	return Clean(s, MaxMessage)
}

func cut(s string, limit int) string {
	if limit <= len(ellipsis) {
		return s
	}
	return s[:limit-len(ellipsis)] + ellipsis
}
