// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"fmt"
	"strings"
)

// literal is Lua source text of a single string literal. The configuration's
// template is given nothing else, so that no value can become code.
type literal string

// quote returns s as a Lua string literal (Lua 5.1 to 5.4, manual section
// "Lexical Conventions"). All but harmless printable ASCII is written as a
// decimal escape, which keeps any byte, in any encoding, as it is.
func quote(s string) literal {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03d`, c)
		}
	}
	b.WriteByte('"')
	return literal(b.String())
}
