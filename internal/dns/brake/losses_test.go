// SPDX-License-Identifier: Apache-2.0

package brake_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/brake"
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
	want := brake.Losses{"chat/now": all["chat/now"], "chat/last": all["chat/last"], "chat/skewed": all["chat/skewed"]}
	if got := all.Recent(now); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
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
		got := brake.Summary("cupdomain.com.", 20, waiting)
		if !strings.Contains(got, "within ten minutes 20 Federations lost records in it") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}
