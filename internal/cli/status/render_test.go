// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/status"
	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/engine"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func screens(style text.Style) map[string]string {
	return map[string]string{
		"healthy": status.Render(status.Model{Federation: example.Healthy(), Now: example.Now(), Live: example.Live()}, style),
		"closed": status.Render(status.Model{Federation: example.Closed(), Now: example.Now(),
			SessionsLeftOut: "you may not read Secret chat/cup-server, which holds the token for asking the server"}, style),
		"degraded": status.Render(status.Model{Federation: example.Degraded(), Now: example.Now(), Live: example.Live()}, style),
		"fresh": status.Render(status.Model{Federation: example.Fresh(), Now: example.Now(),
			SessionsLeftOut: "the server has not been set up yet"}, style),
		"list": status.RenderList([]v1alpha1.Federation{*example.Healthy(), *example.Closed(), *example.Degraded(), *example.Fresh()}, true, example.Now(), style),
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

// many is a Federation with n partners, the last of which do not answer.
func many(n, failing int) *v1alpha1.Federation {
	fed := example.Healthy()
	peer := fed.Status.Peers[0]
	fed.Status.Peers = nil
	for i := range n {
		peer.Domain, peer.Reachable = fmt.Sprintf("p%d.example", i), metav1.ConditionTrue
		if i >= n-failing {
			peer.Reachable, peer.Reason = metav1.ConditionFalse, v1alpha1.ReasonPeerTimeout
		}
		fed.Status.Peers = append(fed.Status.Peers, peer)
	}
	return fed
}

func TestOfManyPartnersThoseThatDoNotAnswerComeFirst(t *testing.T) {
	for name, test := range map[string]struct {
		partners, failing int
		first, rest       string
	}{
		"few are listed as spec does":     {20, 1, "p0.example", ""},
		"one fails":                       {1000, 1, "p999.example", "... and 980 more, all reachable or denied\n"},
		"more fail than fit on a screen":  {1000, 30, "p970.example", "... and 980 more, 970 of them reachable or denied\n"},
		"all but those on the screen too": {21, 21, "p0.example", "... and 1 more, 0 of them reachable or denied\n"},
	} {
		t.Run(name, func(t *testing.T) {
			screen := status.Render(status.Model{Federation: many(test.partners, test.failing), Now: example.Now()}, text.Style{Width: 80})
			_, peers, _ := strings.Cut(screen, "\nPEER ")
			if _, list, _ := strings.Cut(peers, "\n"); !strings.HasPrefix(list, test.first+" ") {
				t.Errorf("the list does not begin with %s:\n%s", test.first, list)
			}
			if has := strings.Contains(peers, "... and "); !strings.Contains(peers, test.rest) || has != (test.rest != "") {
				t.Errorf("does not say %q:\n%s", test.rest, peers)
			}
			if lines := strings.Count(screen, "\n"); lines > 75 {
				t.Errorf("%d lines are no screen", lines)
			}
		})
	}
}

func TestAnOldOrPausedStatusIsSaidToBeOne(t *testing.T) {
	for want, change := range map[string]func(*v1alpha1.Federation){
		"It is being deleted.":                                   func(fed *v1alpha1.Federation) { fed.DeletionTimestamp = &metav1.Time{Time: example.Now()} },
		"may be from before that":                                func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true },
		"What follows speaks of the spec before its last change": func(fed *v1alpha1.Federation) { fed.Generation++ },
	} {
		fed := example.Healthy()
		change(fed)
		if screen := status.Render(status.Model{Federation: fed, Now: example.Now()}, text.Style{Width: 200}); !strings.Contains(screen, want) {
			t.Errorf("does not say %q:\n%s", want, screen)
		}
	}
}

func TestOfManySessionsSomeAreShownAndAllAreCounted(t *testing.T) {
	session := example.Live()[0].Sessions[0]
	for name, test := range map[string]struct {
		listed, total int
		want          string
	}{
		"the server listed all":          {25, 25, "\n... and 5 more\n"},
		"the server listed only some":    {25, 4000, "\n... and 3980 more\n"},
		"a server that does not count":   {25, 0, "\n... and 5 more\n"},
		"as many as fit are just listed": {20, 20, ""},
	} {
		t.Run(name, func(t *testing.T) {
			model := status.Model{Federation: example.Healthy(), Now: example.Now(), Live: []engine.LiveStatus{{SessionsTotal: int64(test.total)}}}
			for range test.listed {
				model.Live[0].Sessions = append(model.Live[0].Sessions, session)
			}
			_, got, _ := strings.Cut(status.Render(model, text.Style{Width: 80}), "\nSESSION ")
			if strings.Count(got, "--> out") != 20 || !strings.HasSuffix(got, test.want) || test.want == "" && strings.Contains(got, "more") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestNamesOfAnyLengthHaveTheirPlace(t *testing.T) {
	fed := example.Healthy()
	long := strings.Repeat("a-long-label.", 13) + "example"
	fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(long)}
	fed.Status.Peers[0].Domain = long
	for _, width := range []int{40, 80, 200} {
		screen := status.Render(status.Model{Federation: fed, Now: example.Now()}, text.Style{Width: width})
		if strings.Count(screen, long) < 4 {
			t.Errorf("at %d columns the name is not shown as a whole:\n%s", width, screen)
		}
	}
}

func TestSessionsStandInOneOrderWithTroubleFirst(t *testing.T) {
	live := example.Live()
	want := status.Render(status.Model{Federation: example.Healthy(), Now: example.Now(), Live: live}, text.Style{Width: 80})
	slices.Reverse(live[0].Sessions)
	got := status.Render(status.Model{Federation: example.Healthy(), Now: example.Now(), Live: live}, text.Style{Width: 80})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("another order of the server's shows (-one +other):\n%s", diff)
	}
	_, got, _ = strings.Cut(got, "\nSESSION ")
	if _, list, _ := strings.Cut(got, "\n"); !strings.HasPrefix(list, "--> out  sametime.example") {
		t.Errorf("the session that waits is not the first:\n%s", list)
	}
}
