// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// A Federation keeps the addresses of a former host name until it could move to the new one. If that is the former host name of another
// Federation, which in turn waits for one that this one keeps, or for one of a third in the same circle, none of them ever moves.

// Deadlocked returns the former host names of fed, sorted, that stand in a circle in which each Federation waits for a former host name
// of the next. All have to let go of them. byOwner returns the Federation with a status.dnsOwner, nil if there is none.
func Deadlocked(fed *v1alpha1.Federation, byOwner func(owner string) (*v1alpha1.Federation, error)) ([]string, error) {
	walk := walk{fed: fed, byOwner: byOwner, seen: map[string]bool{}}
	if err := walk.from(fed); err != nil {
		return nil, err
	}
	slices.Sort(walk.closing)
	return slices.Compact(walk.closing), nil
}

// walk goes from each Federation to those that it waits for.
type walk struct {
	fed     *v1alpha1.Federation
	byOwner func(owner string) (*v1alpha1.Federation, error)
	seen    map[string]bool
	// closing are the former host names of fed that somebody on the way waits for.
	closing []string
}

func (w *walk) from(fed *v1alpha1.Federation) error {
	for _, conflict := range fed.Status.Conflicts {
		next, err := w.byOwner(conflict.Owner)
		if err != nil {
			return err
		}
		if next == nil || !slices.ContainsFunc(next.Status.FormerHosts, func(former v1alpha1.FormerHost) bool {
			return former.Hostname == conflict.Name
		}) {
			continue
		}
		if same(next, w.fed) {
			w.closing = append(w.closing, conflict.Name)
			continue
		}
		if w.seen[conflict.Owner] {
			continue
		}
		w.seen[conflict.Owner] = true
		if err := w.from(next); err != nil {
			return err
		}
	}
	return nil
}
