// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A change too large for one message is made in several, and one that the server refuses is made without what it refuses. Each
// message is a change of its own, of some of the anchors: what it claims the index lists from then on, what it releases no more, and
// all other anchors stay as they are, listed as before. So whatever stands is listed at any moment, whichever message is the last
// to come through.

// Ranks of groups, in which they are sent: service records never lead to a host without address.
const (
	rankAddresses = iota
	rankServices
	rankReleasedServices
	rankReleasedAddresses
)

// groups returns the anchors that the change touches. Anchors between which a record set moves are in one group, as they have to
// change together.
func (b *builder) groups() [][]string {
	group := map[string]string{}
	var root func(string) string
	root = func(a string) string {
		if parent, ok := group[a]; ok && parent != a {
			return root(parent)
		}
		return a
	}
	for k, holder := range b.held {
		if wanting := b.want.anchorOf(k); wanting != "" && root(wanting) != root(holder) {
			group[root(wanting)] = root(holder)
		}
	}
	members := map[string][]string{}
	for a := range b.touched {
		members[root(a)] = append(members[root(a)], a)
	}
	out := slices.Collect(maps.Values(members))
	for _, g := range out {
		slices.Sort(g)
	}
	slices.SortFunc(out, func(x, y []string) int { return cmp.Or(cmp.Compare(b.rank(x), b.rank(y)), strings.Compare(x[0], y[0])) })
	return out
}

// rank of a group is that of its first member to be sent.
func (b *builder) rank(group []string) int {
	first := rankReleasedAddresses
	for _, a := range group {
		wanted, lists := b.want.keys[a], b.guards[a].lists()
		switch {
		case slices.ContainsFunc(wanted, Key.isAddress):
			first = min(first, rankAddresses)
		case len(wanted) > 0:
			first = min(first, rankServices)
		case !slices.ContainsFunc(lists, Key.isAddress):
			first = min(first, rankReleasedServices)
		}
	}
	return first
}

func (k Key) isAddress() bool { return k.Type == TypeA || k.Type == TypeAAAA }

// first returns the anchors of so many groups; all of them if number is zero.
func first(groups [][]string, number int) map[string]bool {
	if number == 0 || number >= len(groups) {
		return nil
	}
	only := map[string]bool{}
	for _, g := range groups[:number] {
		for _, a := range g {
			only[a] = true
		}
	}
	return only
}
