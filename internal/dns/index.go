// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxPage is how many bytes one record of an index lists at most. With what stands around them they fit into a text record of
// any provider (Route 53 takes 4,000 characters, Cloudflare 4,096 bytes), and twice into a message beside what is changed.
const maxPage = 3400

// index is an owner's list of its ownership records in a zone, as it was read. Where it does not fit into one record, the root
// lists pages, which list the ownership records. The root changes with every update, hence it alone is what excludes a second
// update based on the same reading.
type index struct {
	root guard
	// pages that the root lists, by number, which begins with 1.
	pages map[int]guard
}

// pageKey returns where a page of an owner's index stands.
func pageKey(owner Owner, apex string, number int) Key {
	return Key{Name: fmt.Sprintf("%s-%d._xmppfed.%s", owner.ID, number, apex), Type: TypeTXT}
}

// pageNumber is the inverse of pageKey.
func (p planner) pageNumber(k Key) (int, bool) {
	label, _, _ := strings.Cut(k.Name, ".")
	number, err := strconv.Atoi(strings.TrimPrefix(label, p.owner.ID+"-"))
	return number, err == nil && number > 0 && k == pageKey(p.owner, p.apex, number)
}

// pageKeys returns the pages that the root lists.
func (p planner) pageKeys(root guard) []Key {
	return slices.DeleteFunc(root.lists(), func(k Key) bool {
		_, is := p.pageNumber(k)
		return !is
	})
}

// indexAsRead is the index with the pages that its root lists, and those of ours that were read although it does not: somebody may
// have removed the root.
func (p planner) indexAsRead() index {
	x := index{root: p.guard(indexKey(p.owner, p.apex)), pages: map[int]guard{}}
	for _, k := range p.pageKeys(x.root) {
		number, _ := p.pageNumber(k)
		x.pages[number] = p.guard(k)
	}
	for k := range p.read {
		if number, is := p.pageNumber(k); is && p.guard(k).standing == standingOurs {
			x.pages[number] = p.guard(k)
		}
	}
	return x
}

// lists returns what an ownership record of ours lists.
func (g guard) lists() []Key {
	if g.standing != standingOurs {
		return nil
	}
	return slices.Clone(g.marker.keys)
}

// listed returns the anchors whose ownership records the index lists, sorted.
func (x index) listed() []string {
	var out []string
	for _, page := range append(slices.Collect(maps.Values(x.pages)), x.root) {
		for _, k := range page.lists() {
			if a, ok := anchorOf(k); ok {
				out = append(out, a)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkIndex refuses what makes it impossible to know, or to write down, what is owned.
func (p planner) checkIndex(x index) *Error {
	if err := p.checkGuard(x.root, len(p.want.anchors) > 0); err != nil {
		return err
	}
	for _, number := range slices.Sorted(maps.Keys(x.pages)) {
		if err := p.checkGuard(x.pages[number], true); err != nil {
			return err
		}
	}
	return nil
}

// spread puts keys on pages of at most size bytes each, number 0 being the root. Everything is on the root if it fits there;
// otherwise a key stays on the page that it was on, and a new one comes to the first page that has room. From pages it goes
// back to the root only when it fits twice, so that one name more or less does not move all others to and fro.
func spread(before map[int][]Key, keys []Key, length func(Key) int, size int) map[int][]Key {
	total := 0
	for _, k := range keys {
		total += length(k)
	}
	paged := slices.Max(append(slices.Collect(maps.Keys(before)), 0)) > 0
	if total <= size && !paged || total <= size/2 {
		return map[int][]Key{0: keys}
	}
	place := map[Key]int{}
	for _, number := range slices.Backward(slices.Sorted(maps.Keys(before))) {
		for _, k := range before[number] {
			place[k] = number
		}
	}
	after, used := map[int][]Key{}, map[int]int{}
	put := func(number int, k Key) bool {
		if number == 0 || used[number]+length(k) > size {
			return false
		}
		after[number], used[number] = append(after[number], k), used[number]+length(k)
		return true
	}
	var rest []Key
	for _, k := range keys {
		if !put(place[k], k) {
			rest = append(rest, k)
		}
	}
	for _, k := range rest {
		for number := 1; !put(number, k); number++ {
		}
	}
	return after
}

// writeIndex adds what the index needs to list the anchors: the root is rewritten with every change, a page when it changes, or
// when another key signs by now.
func (b *builder) writeIndex(anchors []string) {
	keys := make([]Key, 0, len(anchors))
	for _, a := range anchors {
		keys = append(keys, markerKey(a))
	}
	slices.SortFunc(keys, compareKeys)
	before := map[int][]Key{0: nil}
	for number, page := range b.index.pages {
		before[number] = page.lists()
	}
	pages := spread(before, keys, func(k Key) int { return len(b.line(k)) + len(`"" `) }, b.pageSize())
	root := pages[0]
	for _, number := range slices.Sorted(maps.Keys(pages)) {
		if number > 0 {
			b.writePage(number, pages[number])
			root = append(root, pageKey(b.owner, b.apex, number))
		}
	}
	for _, number := range slices.Sorted(maps.Keys(b.index.pages)) {
		switch page := b.index.pages[number]; {
		case len(pages[number]) > 0:
		case b.keep:
			root = append(root, page.key)
		case page.standing == standingOurs:
			b.require(page)
			b.plan.change.Drop = append(b.plan.change.Drop, page.key)
		}
	}
	slices.SortFunc(root, compareKeys)
	b.writeRoot(root)
}

// pageSize returns how much a page lists. A change of several steps would have to move what is listed from one to another
// before it goes from the first, so those who make them list everything on the root.
func (b *builder) pageSize() int {
	if b.stepwise {
		return math.MaxInt / 2
	}
	return maxPage
}

func (b *builder) writePage(number int, keys []Key) {
	page, exists := b.index.pages[number]
	if !exists {
		page = b.guard(pageKey(b.owner, b.apex, number))
	}
	slices.SortFunc(keys, compareKeys)
	if slices.Equal(page.lists(), keys) && (page.current || !b.covers(keys)) {
		return
	}
	b.require(page)
	b.put(b.marker(page, keys))
}

// covers reports whether the change may touch one of the anchors whose ownership records are given.
func (b *builder) covers(keys []Key) bool {
	return b.only == nil || slices.ContainsFunc(keys, func(k Key) bool {
		anchor, _ := anchorOf(k)
		return b.only[anchor]
	})
}

func (b *builder) writeRoot(keys []Key) {
	g := b.index.root
	switch {
	case len(keys) > 0 && (!b.upToDate(g, keys) || !b.plan.change.Empty()):
		b.require(g)
		b.put(b.marker(g, keys))
	case len(keys) == 0 && g.standing == standingOurs:
		b.require(g)
		b.plan.change.Drop = append(b.plan.change.Drop, g.key)
	}
}

// line is how an ownership record lists a key.
func (p planner) line(k Key) string { return relative(k.Name, p.apex) + " " + TypeName(k.Type) }
