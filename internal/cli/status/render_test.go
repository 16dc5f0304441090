// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/status"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func screens(style text.Style) map[string]string {
	return map[string]string{
		"healthy": status.Render(status.Model{Federation: example.Healthy(), Now: example.Now(), Sessions: example.Sessions()}, style),
		"closed": status.Render(status.Model{Federation: example.Closed(), Now: example.Now(),
			SessionsLeftOut: "you may not read Secret chat/cup-server, which holds the token for asking the server"}, style),
		"fresh": status.Render(status.Model{Federation: example.Fresh(), Now: example.Now(),
			SessionsLeftOut: "the server has not been set up yet"}, style),
		"list": status.RenderList([]v1alpha1.Federation{*example.Healthy(), *example.Closed(), *example.Fresh()}, true, example.Now(), style),
	}
}

func TestScreensAreThoseOfTheGoldenFiles(t *testing.T) {
	for _, style := range []text.Style{{Width: 80}, {Width: 80, Colour: true}, {Width: 200}, {Width: 200, Colour: true}} {
		for name, got := range screens(style) {
			name = fmt.Sprintf("%s-%d", name, style.Width)
			if style.Colour {
				name += "-colour"
			}
			t.Run(name, func(t *testing.T) {
				file := filepath.Join("testdata", name+".golden")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("differs from %s (-want +got); if that is right, run the test with -update:\n%s", file, diff)
				}
			})
		}
	}
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	for _, width := range []int{80, 120, 200} {
		for name, screen := range screens(text.Style{Width: width}) {
			for line := range strings.Lines(screen) {
				if line = strings.TrimSuffix(line, "\n"); text.Columns(line) > width || strings.HasSuffix(line, " ") {
					t.Errorf("%s at %d columns has the line %q of %d columns", name, width, line, text.Columns(line))
				}
			}
		}
	}
}

func TestColoursChangeNothingButColours(t *testing.T) {
	plain := screens(text.Style{Width: 80})
	for name, coloured := range screens(text.Style{Width: 80, Colour: true}) {
		for _, code := range []string{"0", "1", "2", "31", "32", "33"} {
			coloured = strings.ReplaceAll(coloured, "\x1b["+code+"m", "")
		}
		if diff := cmp.Diff(plain[name], coloured); diff != "" {
			t.Errorf("%s differs (-plain +coloured):\n%s", name, diff)
		}
	}
}
