// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// A Federation keeps the addresses of a former host name until it could move to the new one. If that is the former host name of another
// Federation, which in turn waits for one that this one keeps, or for one of a third in the same circle, none of them ever moves. So
// each of them says that it yields. Once all have said so, the first that sees it lets go, and the others move, one after the other,
// and let go as soon as they have moved.

// Circle returns the former host names of fed that stand in a circle in which each Federation waits for a former host name of the
// next, and whether all of them yield. ByOwner returns the Federation with a status.dnsOwner, nil if there is none.
func Circle(fed *v1alpha1.Federation, byOwner func(owner string) (*v1alpha1.Federation, error)) (map[string]bool, error) {
	walk := walk{fed: fed, byOwner: byOwner, seen: map[step]bool{}, closing: map[string]bool{}}
	err := walk.from(fed, true)
	return walk.closing, err
}

// walk goes from each Federation to those that it waits for.
type walk struct {
	fed     *v1alpha1.Federation
	byOwner func(owner string) (*v1alpha1.Federation, error)
	seen    map[step]bool
	// closing are the former host names of fed that somebody on the way waits for.
	closing map[string]bool
}

// step to an owner, all of the former host names on the way to it yielding or not.
type step struct {
	owner    string
	yielding bool
}

func (w *walk) from(fed *v1alpha1.Federation, yielding bool) error {
	for _, conflict := range fed.Status.Conflicts {
		next, err := w.byOwner(conflict.Owner)
		if err != nil {
			return err
		}
		if next == nil {
			continue
		}
		i := slices.IndexFunc(next.Status.FormerHosts, func(former v1alpha1.FormerHost) bool { return former.Hostname == conflict.Name })
		if i < 0 {
			continue
		}
		onward := step{conflict.Owner, yielding && next.Status.FormerHosts[i].Yielding}
		if same(next, w.fed) {
			w.closing[conflict.Name] = w.closing[conflict.Name] || onward.yielding
			continue
		}
		if w.seen[onward] {
			continue
		}
		w.seen[onward] = true
		if err := w.from(next, onward.yielding); err != nil {
			return err
		}
	}
	return nil
}
