// SPDX-License-Identifier: Apache-2.0

package brake_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestTheLimitIsTheLargerOfANumberAndAShare(t *testing.T) {
	for _, test := range []struct {
		number, percent   int32
		federations, want int
	}{
		{5, 10, 0, 5},
		{5, 10, 59, 5},
		{5, 10, 60, 6},
		{5, 10, 200, 20},
		{1, 1, 99, 1},
		{20, 10, 100, 20},
		{5, 10, 2_000_000_000, 1000},
		{5, 99, 10, 9},
		{5, 100, 10, brake.Off},
		{1000, 1, 10, 1000},
	} {
		rule := v1alpha1.RemovalBrake{Federations: test.number, Percent: test.percent}
		if got := brake.Limit(rule, test.federations); got != test.want {
			t.Errorf("%d or %d %% of %d: got %d, want %d", test.number, test.percent, test.federations, got, test.want)
		}
	}
}

func TestLossesCountForTenMinutes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	all := brake.Losses{
		"chat/now": now, "chat/last": now.Add(-brake.Window + time.Second), "chat/over": now.Add(-brake.Window),
		"chat/skewed": now.Add(time.Second), "chat/lost-clock": now.Add(24 * time.Hour),
	}
	want := brake.Losses{"chat/now": now, "chat/last": all["chat/last"], "chat/skewed": now, "chat/lost-clock": now}
	recent := all.Recent(now)
	if !maps.Equal(recent, want) {
		t.Errorf("got %v, want %v", recent, want)
	}
	if !all.Ahead(now) || recent.Ahead(now) {
		t.Errorf("ahead are some of all: %t, of those that count: %t", all.Ahead(now), recent.Ahead(now))
	}
	if left := recent.Recent(now.Add(brake.Window)); len(left) > 0 {
		t.Errorf("after the window %v still count", left)
	}
}

// Several teams share a zone whose limit is 3.
func TestOneNamespaceUsesUpWhatIsItsOwn(t *testing.T) {
	for name, test := range map[string]struct {
		lost    []string
		admits  []string
		refuses []string
	}{
		"nothing lost": {admits: []string{"a/1", "b/1"}},
		"one team changes all the time": {
			lost: []string{"a/1", "a/2", "a/3"}, admits: []string{"a/1", "b/1", "c/1"}, refuses: []string{"a/4"},
		},
		"the others have as much together": {
			lost: []string{"a/1", "a/2", "a/3", "b/1", "c/1"}, admits: []string{"b/2", "c/2", "d/1"}, refuses: []string{"a/4"},
		},
		"and no more": {
			lost: []string{"a/1", "a/2", "a/3", "b/1", "b/2", "c/1"}, admits: []string{"c/1"}, refuses: []string{"b/3", "c/2", "d/1", "a/4"},
		},
		"each of many namespaces loses one": {
			lost: []string{"a/1", "b/1", "c/1", "d/1"}, admits: []string{"a/2"}, refuses: []string{"e/1"},
		},
		"the namespace that lost most is another one after that": {
			lost: []string{"a/1", "a/2", "b/1", "b/2", "b/3", "c/1"}, admits: []string{"b/1"}, refuses: []string{"a/3", "b/4", "c/2", "d/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			admit := func(who string) error {
				zone := dnstest.NewMemory("cupdomain.com")
				held := brake.New(time.Now)
				kept := &memory{kept: brake.Losses{}}
				for _, lost := range test.lost {
					kept.kept[lost] = time.Now()
				}
				held.Set(3, kept)
				there := []dns.Key{{Name: dns.Canonical("www.cupdomain.com"), Type: dns.TypeA}}
				return held.On(zone, who).Apply(t.Context(), dns.Change{Drop: there, Lost: there})
			}
			for _, who := range test.admits {
				if err := admit(who); err != nil {
					t.Errorf("%s: got %v, want that it may go", who, err)
				}
			}
			for _, who := range test.refuses {
				if e, _ := dns.AsError(admit(who)); e == nil || e.Reason != v1alpha1.ReasonRemovalsPaused {
					t.Errorf("%s: got %v, want that it is held back", who, e)
				}
			}
		})
	}
}

// A mistake that concerns all namespaces, in whatever order: no more than the limit of one, and as many of others.
func TestAMistakeThatConcernsAllIsStopped(t *testing.T) {
	const limit = 20
	for namespaces, want := range map[int]int{1: limit, 2: 2 * limit, 10: 2 * limit, 200: limit + 1} {
		kept := &memory{kept: brake.Losses{}}
		held := brake.New(time.Now)
		held.Set(limit, kept)
		there := []dns.Key{{Name: dns.Canonical("www.cupdomain.com"), Type: dns.TypeA}}
		for i := range 200 {
			who := fmt.Sprintf("ns%03d/cup%03d", i%namespaces, i)
			_ = held.On(dnstest.NewMemory("cupdomain.com"), who).Apply(t.Context(), dns.Change{Drop: there, Lost: there})
		}
		if got := len(kept.kept); got > 2*limit || got != want {
			t.Errorf("200 Federations in %d namespaces: %d lost records, want %d", namespaces, got, want)
		}
	}
}

func TestTheSummaryNamesAFewOfThoseWhoWait(t *testing.T) {
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("chat/cup%03d", i))
	}
	for want, waiting := range map[string][]string{
		"1 more are held back (chat/cup000);":                                          all[:1],
		"3 more are held back (chat/cup000, chat/cup001, chat/cup002);":                all[:3],
		"200 more are held back (chat/cup000, chat/cup001, chat/cup002 and 197 more);": all,
	} {
		got := brake.Summary("cupdomain.com.", 20, waiting, "")
		if !strings.Contains(got, "within ten minutes 20 Federations of one namespace") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestAReleaseThatDoesNotCountIsExplained(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		annotations map[string]string
		released    bool
		void        string
	}{
		"none":                     {nil, false, ""},
		"a time to come":           {release("2026-11-23T07:00:01Z"), true, ""},
		"one in another time zone": {release("2026-11-23T09:00:00+01:00"), true, ""},
		"a time that is over":      {release("2026-11-23T07:00:00Z"), false, "the time in the annotation, 2026-11-23T07:00:00Z, is over"},
		"without a time zone":      {release("2026-12-01 15:00"), false, `the annotation's value "2026-12-01 15:00" is no such time`},
		"nothing":                  {release(""), false, `the annotation's value "" is no such time`},
		"very much": {
			release(strings.Repeat("a", 100_000)), false, `the annotation's value "` + strings.Repeat("a", 40) + `" is no such time`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			released, void := brake.Released(test.annotations, now)
			if released != test.released || void != test.void {
				t.Errorf("got %t, %q, want %t, %q", released, void, test.released, test.void)
			}
			if got := brake.Summary("cupdomain.com.", 5, nil, void); !strings.HasSuffix(got, test.void) {
				t.Errorf("got %q, want %q at its end", got, test.void)
			}
		})
	}
}

func release(until string) map[string]string {
	return map[string]string{v1alpha1.AnnotationBrakeReleasedUntil: until}
}

func TestWhoReadsThatRemovalsArePausedLearnsHowATimeIsWritten(t *testing.T) {
	for _, message := range []string{brake.Message("cupdomain.com."), brake.Summary("cupdomain.com.", 5, nil, "")} {
		_, example, _ := strings.Cut(message, "RFC 3339, for example ")
		example, _, _ = strings.Cut(example, ")")
		if _, err := time.Parse(time.RFC3339, example); err != nil {
			t.Errorf("the example in %q: %v", message, err)
		}
	}
}
