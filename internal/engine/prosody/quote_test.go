// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"fmt"
	"testing"
)

func TestQuoteEscapesAllButHarmlessPrintableASCII(t *testing.T) {
	for in, want := range map[string]literal{
		"":              `""`,
		"cupdomain.com": `"cupdomain.com"`,
		`a"b`:           `"a\034b"`,
		`a\b`:           `"a\092b"`,
		"a\nb\r\x00":    `"a\010b\013\000"`,
		"\x7f\x80\xff":  `"\127\128\255"`,
		"é1":            `"\195\1691"`,
		"]] --[[ 'x'":   `"]] --[[ 'x'"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzQuote reads every literal back by the rules of Lua's manual.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", `"`, `\`, "\n", "\x00", "é", `\"`, `\034`, "1\x001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := unquote(string(quote(s)))
		if err != nil || got != s {
			t.Errorf("quote(%q) reads back as %q, %v", s, got, err)
		}
	})
}

// unquote is a strict reader of the literals that quote writes: printable ASCII
// between quotes, and three-digit decimal escapes.
func unquote(text string) (string, error) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", fmt.Errorf("no quotes around %q", text)
	}
	text = text[1 : len(text)-1]
	var out []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c > '~' || c == '"' {
			return "", fmt.Errorf("byte %#x stands unescaped", c)
		}
		if c == '\\' {
			var n int
			if i+4 > len(text) {
				return "", fmt.Errorf("escape ends early in %q", text)
			}
			if _, err := fmt.Sscanf(text[i+1:i+4], "%3d", &n); err != nil || n > 255 {
				return "", fmt.Errorf("escape %q", text[i:i+4])
			}
			c = byte(n)
			i += 3
		}
		out = append(out, c)
	}
	return string(out), nil
}
