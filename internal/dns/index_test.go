// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Whatever comes and goes, each key is on one page, no page is too long, and what is on a page stays there.
func TestKeysAreSpreadOverPages(t *testing.T) {
	const size = 100
	length := func(k Key) int { return len(k.Name) }
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		pages := map[int][]Key{}
		for range 20 {
			var keys []Key
			for i := range random.IntN(40) {
				if random.IntN(3) > 0 {
					keys = append(keys, Key{Name: strings.Repeat("y", 1+i%30) + string(rune('a'+i)), Type: TypeTXT})
				}
			}
			before := pages
			pages = spread(before, keys, length, size)
			var all []Key
			for number, page := range pages {
				used := 0
				for _, k := range page {
					used += length(k)
					if number > 0 && !slices.Contains(before[number], k) && slices.ContainsFunc(slices.Collect(maps.Keys(before)), func(n int) bool {
						return n > 0 && n != number && slices.Contains(before[n], k)
					}) {
						t.Errorf("seed %d: %v moved to page %d", seed, k, number)
					}
				}
				if all = append(all, page...); used > size {
					t.Errorf("seed %d: page %d has %d bytes", seed, number, used)
				}
			}
			if _, root := pages[0]; root && len(pages) > 1 {
				t.Errorf("seed %d: keys are on the root and on pages", seed)
			}
			slices.SortFunc(all, compareKeys)
			slices.SortFunc(keys, compareKeys)
			if !slices.Equal(all, keys) {
				t.Errorf("seed %d: got %v, want %v", seed, all, keys)
			}
			if again := spread(pages, keys, length, size); !maps.EqualFunc(pages, again, func(a, b []Key) bool {
				slices.SortFunc(a, compareKeys)
				slices.SortFunc(b, compareKeys)
				return slices.Equal(a, b)
			}) {
				t.Errorf("seed %d: spreading again moves something", seed)
			}
		}
	}
}
