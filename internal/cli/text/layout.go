// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Columns is how many columns text takes up. Every character is taken for one column wide, which holds for the names
// and messages that this program shows.
func Columns(text string) int { return utf8.RuneCountInString(text) }

// Clean makes text of others harmless to a terminal: control characters, which could rewrite what stands there, become
// question marks. Line feeds and tabs stay.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if Hostile(r) {
			return '?'
		}
		return r
	}, text)
}

// Hostile tells whether a character can do more at a terminal than stand there: control characters, and those that turn
// the direction of writing.
func Hostile(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}

// Wrap breaks text at spaces into lines of at most width columns. A word that is wider stays whole, because it may be
// something to copy.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case Columns(line)+1+Columns(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Cut shortens text to width columns.
func Cut(text string, width int) string {
	if Columns(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}

// Top is the beginning of a text of several lines that a terminal of the height shows whole, with a last line that says
// how many are left out. With height zero it is all of the text.
func Top(text string, height int) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	if height == 0 || len(lines) < height { // the cursor stands below the last line
		return text
	}
	shown := max(height-2, 1)
	return strings.Join(lines[:shown], "") + fmt.Sprintf("(%d more lines on a higher terminal)\n", len(lines)-shown)
}
