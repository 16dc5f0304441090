// SPDX-License-Identifier: Apache-2.0

// Package text lays out text for terminals: columns, line breaks, colours. It knows nothing of what the text says.
package text

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Style is what the place where the text goes can show.
type Style struct {
	// Width in columns; what is wider is broken where it can be.
	Width int
	// Colour allows for colours.
	Colour bool
	// Terminal tells that somebody is watching: what was written can be replaced.
	Terminal bool
	// Height is how many lines a terminal shows; zero when that is not known.
	Height int
}

// defaultWidth is that of a terminal whose width is not known, and of files.
const defaultWidth = 80

// minWidth is the least width that text is laid out for.
const minWidth = 40

// StyleFor is the style for a stream. Colours are for terminals only, and not where the user asks for none
// (https://no-color.org). The width is that of the terminal, else the one in COLUMNS, else 80.
func StyleFor(w io.Writer, getenv func(string) string) Style {
	style := Style{Width: defaultWidth}
	if columns, err := strconv.Atoi(getenv("COLUMNS")); err == nil {
		style.Width = columns
	}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		style.Terminal = true
		style.Colour = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			style.Width, style.Height = width, height
		}
	}
	style.Width = max(style.Width, minWidth)
	return style
}

// Control sequences (ECMA-48).
const (
	// ClearLine goes to the beginning of the line and empties it.
	ClearLine = "\r\x1b[K"
	// ClearScreen empties the screen and goes to its beginning.
	ClearScreen = "\x1b[H\x1b[2J\x1b[3J"

	reset = "\x1b[0m"
)

// Tone is what a piece of text means to the reader.
type Tone int

// Tones. Without colours all look the same, so a tone never says what the text does not.
const (
	Plain Tone = iota
	Good
	Warning
	Bad
	Strong
	Faint
)

var tones = map[Tone]string{
	Good: "\x1b[32m", Warning: "\x1b[33m", Bad: "\x1b[31m", Strong: "\x1b[1m", Faint: "\x1b[2m",
}

// Paint gives text a tone.
func (s Style) Paint(tone Tone, text string) string {
	if !s.Colour || tones[tone] == "" || text == "" {
		return text
	}
	return tones[tone] + text + reset
}
