// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/cli/text"
)

func TestTextIsBrokenAtSpacesOnly(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		width int
		want  []string
	}{
		"what fits stays":                 {"one two", 7, []string{"one two"}},
		"what does not fit is broken":     {"one two", 6, []string{"one", "two"}},
		"a long word stays whole":         {"a _xmpp-server._tcp b", 5, []string{"a", "_xmpp-server._tcp", "b"}},
		"letters count, not bytes":        {"größe öde", 9, []string{"größe öde"}},
		"line feeds and tabs are spaces":  {"one\ntwo\tthree", 20, []string{"one two three"}},
		"nothing becomes no line at all":  {"", 10, nil},
		"spaces alone become no line too": {"   ", 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, text.Wrap(test.text, test.width)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTextIsCutWithASign(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"öäü", 2, "ö…"}, {"abc", 0, "…"}} {
		if got := text.Cut(test.text, test.width); got != test.want {
			t.Errorf("%q at %d: got %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

func TestATableTakesTheFormThatTheWidthAllows(t *testing.T) {
	table := text.Table{Header: []string{"NAME", "EMPTY", "STATE", "MESSAGE"}, Rows: [][]text.Cell{
		{{Text: "first"}, {}, {Text: "Good"}, {Text: "nothing to say about it", Optional: true}},
		{{Text: "the-second"}, {}, {Text: "Bad"}, {Text: "a message that is far too long for one line of this table"}},
		{{Text: "third"}, {}, {Text: "Good"}, {}},
	}}
	for name, test := range map[string]struct {
		width int
		want  string
	}{
		"wide": {100, `
NAME        STATE  MESSAGE
first       Good   nothing to say about it
the-second  Bad    a message that is far too long for one line of this table
third       Good
`}, "less wide": {77, `
NAME        STATE  MESSAGE
first       Good   nothing to say about it
the-second  Bad    a message that is far too long for one line of this table
third       Good
`}, "narrow": {40, `
NAME        STATE
first       Good
the-second  Bad
    a message that is far too long for
    one line of this table
third       Good
`}, "too narrow for the columns": {14, `
NAME
    STATE
first
    Good
the-second
    Bad
    a message
    that is
    far too
    long for
    one line
    of this
    table
third
    Good
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), table.Render(text.Style{Width: test.width})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestATableWithoutRowsIsNothing(t *testing.T) {
	if got := (text.Table{Header: []string{"NAME", "MESSAGE"}}).Render(text.Style{Width: 80}); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestTheStyleOfWhatIsNoTerminalIsPlain(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, test := range map[string]struct {
		columns string
		want    int
	}{
		"80 columns":             {"", 80},
		"the columns of COLUMNS": {"120", 120},
		"never too few":          {"3", 40},
		"COLUMNS is no number":   {"wide", 80},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return map[string]string{"COLUMNS": test.columns}[name] }
			want := text.Style{Width: test.want}
			if got := text.StyleFor(&bytes.Buffer{}, getenv); got != want {
				t.Errorf("a buffer: got %+v, want %+v", got, want)
			}
			if got := text.StyleFor(file, getenv); got != want {
				t.Errorf("a file: got %+v, want %+v", got, want)
			}
		})
	}
}

func TestPaintingNeedsColour(t *testing.T) {
	for _, test := range []struct {
		style text.Style
		tone  text.Tone
		want  string
	}{
		{text.Style{}, text.Bad, "x"}, {text.Style{Colour: true}, text.Plain, "x"}, {text.Style{Colour: true}, text.Bad, "\x1b[31mx\x1b[0m"},
	} {
		if got := test.style.Paint(test.tone, "x"); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.style, got, test.want)
		}
	}
}

func TestTextBesideTheOthersIsWrappedOrCut(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 16)) // 79 columns
	table := text.Table{Header: []string{"NAME", "MESSAGE"}, Rows: [][]text.Cell{
		{{Text: "needed"}, {Text: long}}, {{Text: "optional"}, {Text: long, Optional: true}},
	}}
	want := `NAME      MESSAGE
needed    word word word word word word word word word word word word
          word word word word
optional  word word word word word word word word word word word word w…
`
	if diff := cmp.Diff(want, table.Render(text.Style{Width: 72})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatOthersWroteCanNotCommandTheTerminal(t *testing.T) {
	const evil = "a\x1b[2Jb\u202ec\u009bd\ne"
	if got, want := text.Clean(evil), "a?[2Jb?c?d\ne"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	table := text.Table{Header: []string{"NAME", "MESSAGE"}, Rows: [][]text.Cell{{{Text: evil}, {Text: evil}}}}
	if got := table.Render(text.Style{Width: 80}); strings.ContainsFunc(got, text.Hostile) {
		t.Errorf("the table has %q", got)
	}
}

func TestTopShowsWhatATerminalHolds(t *testing.T) {
	for name, test := range map[string]struct {
		height int
		want   string
	}{
		"all where the height is not known": {0, "a\nb\nc\nd\n"},
		"all where it fits":                 {5, "a\nb\nc\nd\n"},
		"the beginning where it does not":   {4, "a\nb\n(2 more lines on a higher terminal)\n"},
		"one line at least":                 {1, "a\n(3 more lines on a higher terminal)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text.Top("a\nb\nc\nd\n", test.height); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
