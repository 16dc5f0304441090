// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"

	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// progress is one line on a terminal that says what is being done, and is gone when it is over. Elsewhere nothing is
// written. It is for one goroutine.
type progress struct {
	out   io.Writer
	style text.Style
}

// progress writes to standard error, so that it never mixes with what is asked for.
func (e *environment) progress() *progress {
	return &progress{out: e.ErrOut, style: text.StyleFor(e.ErrOut, e.getenv)}
}

// Show replaces the line.
func (p *progress) Show(line string) {
	if p.style.Terminal {
		fmt.Fprint(p.out, text.ClearLine+text.Cut(line, p.style.Width-1))
	}
}

// Done takes the line away.
func (p *progress) Done() { p.Show("") }
