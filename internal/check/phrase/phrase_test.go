// SPDX-License-Identifier: Apache-2.0

package phrase

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"printable text stays as it is":                  {"host-unknown (x)", 64, "host-unknown (x)"},
		"text of exactly the limit stays whole":          {"abcdef", 6, "abcdef"},
		"longer text is cut and says so":                 {"abcdefg", 6, "abc..."},
		"control characters can't break a line":          {"a\r\n\x1b[31mb\x00", 64, "a???[31mb?"},
		"a character beyond ASCII becomes one character": {"b\u00fccher \u202e", 64, "b?cher ?"},
		"broken UTF-8 is no exception":                   {"\xff\xfe", 64, "??"},
		"an empty text stays empty":                      {"", 8, ""},
		"a tiny limit leaves no room for the ellipsis":   {"abcdef", 2, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(tc.in, tc.limit); got != tc.want {
				t.Errorf("Clean(%q, %d) = %q, want %q", tc.in, tc.limit, got, tc.want)
			}
		})
	}
}

func TestQuoteKeepsItsOwnQuotes(t *testing.T) {
	if got, want := Quote(`say "hi"`, 64), `"say 'hi'"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestListSaysHowManyItLeavesOut(t *testing.T) {
	items := []string{"a", "b", "c"}
	if got, want := List(items, 3), "a, b, c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := List(items, 1), "a and 2 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessageIsLimited(t *testing.T) {
	if got := Message(strings.Repeat("x", 5000)); len(got) != MaxMessage {
		t.Errorf("got %d bytes, want %d", len(got), MaxMessage)
	}
}
