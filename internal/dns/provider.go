// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// ErrPrerequisite is returned by Provider.Apply when a prerequisite of the change does not hold. Nothing was changed.
var ErrPrerequisite = errors.New("a prerequisite of the update does not hold")

// ErrTooLarge is returned by Provider.Apply when the change is more than can be carried out at once. Nothing was changed, and
// Converge makes it in parts.
var ErrTooLarge = errors.New("the change does not fit into one message")

// Provider writes to one zone and reads from its primary. Implementations may be used by several goroutines at once.
// Errors other than ErrPrerequisite and ErrTooLarge are of type *Error.
type Provider interface {
	// Apex of the zone, canonical. It asks nobody.
	Apex() string

	// Capabilities are what the provider guarantees, as far as it has found out by now. It asks nobody.
	Capabilities() Capabilities

	// Zone asks the primary for the zone's start of authority and name servers.
	Zone(ctx context.Context) (Zone, error)

	// Get asks the primary for record sets. Those that don't exist are left out. Where an alias stands at a name the
	// CNAME record set is returned in place of the one asked for.
	Get(ctx context.Context, keys ...Key) ([]RRset, error)

	// Apply carries out the whole change or nothing of it, as far as Capabilities promise. When the answer gets lost the
	// error has Unsettled set.
	Apply(ctx context.Context, change Change) error
}

// Delegate is a Provider that hands records to another program, which publishes them in its own time.
type Delegate interface {
	Provider

	// Advice says what is wrong with that program if servers go on lagging, and who does what about it. It ends a message.
	Advice(ctx context.Context, lag Lag) string
}

// AsDelegate finds the Delegate in p, which may be wrapped in what has a method Unwrap.
func AsDelegate(p Provider) (Delegate, bool) {
	for {
		if d, ok := p.(Delegate); ok {
			return d, true
		}
		wrapping, ok := p.(interface{ Unwrap() Provider })
		if !ok {
			return nil, false
		}
		p = wrapping.Unwrap()
	}
}

// Lag is how servers lag that were asked for records.
type Lag struct {
	// Served records are as wanted at every server, Missing are not, and Remaining should be gone.
	Served, Missing, Remaining []Key
}

// Capabilities are what a provider guarantees. What it can't guarantee it does as well as it can.
type Capabilities struct {
	// Writes tells that Apply changes the zone. Without it people do, and Converge tells them what to change.
	Writes bool
	// Prerequisites are checked by the server in the moment of the change. Without them the provider reads first, and
	// overwrites what somebody else does between its reading and its writing.
	Prerequisites bool
	// Atomic changes are applied as a whole or not at all. Without it an interrupted change is completed by the next run,
	// provided that the index is the first thing to be written by a change that adds, and the last by one that removes.
	// Converge never asks for both in one change.
	Atomic bool
}

// guarded tells that nobody's change gets lost, however many write at once.
func (c Capabilities) guarded() bool { return c.Writes && c.Prerequisites && c.Atomic }

// BestEffort tells that ownership of records is respected but not guaranteed, should several write at once.
func (c Capabilities) BestEffort() bool { return c.Writes && !c.guarded() }

// Zone is what the primary says of a zone.
type Zone struct {
	Apex   string
	Serial uint32
	// NameServers of the NS record set at the apex, canonical and sorted.
	NameServers []string
}

// Change is one atomic change of a zone, carried out only if its prerequisites hold (RFC 2136 section 2.4).
type Change struct {
	// Absent record sets must not exist.
	Absent []Key
	// Equal record sets must exist with exactly this data; the TTL does not matter.
	Equal []RRset
	// Drop removes whole record sets; it is no error when they don't exist.
	Drop []Key
	// Put replaces whole record sets.
	Put []RRset
	// Lost are record sets, among those above, that the owner has no data in any more, save addresses of a name that has others.
	// They are for those who count losses; a provider has nothing to do with them.
	Lost []Key
}

// Conditions are the record sets that the prerequisites speak of.
func (c Change) Conditions() []Key {
	keys := slices.Clone(c.Absent)
	for _, set := range c.Equal {
		keys = append(keys, set.Key())
	}
	return keys
}

// Holds tells whether the prerequisites hold, given the record sets at Conditions. It is for providers whose server does
// not check them.
func (c Change) Holds(sets []RRset) bool {
	found := map[Key]RRset{}
	for _, set := range sets {
		found[set.Key()] = set
	}
	for _, k := range c.Absent {
		if _, exists := found[k]; exists {
			return false
		}
	}
	for _, want := range c.Equal {
		if !found[want.Key()].SameData(want) {
			return false
		}
	}
	return true
}

// CheckNames refuses names outside of the zone, for providers whose server may serve other zones too, or ignore such names.
func (c Change) CheckNames(apex string) error {
	for _, set := range c.Put {
		if !InZone(set.Name, apex) {
			return &Error{
				Reason:    v1alpha1.ReasonNameOutsideZone,
				Message:   fmt.Sprintf("%s does not lie in zone %s", Display(set.Name), Display(apex)),
				Permanent: true,
			}
		}
	}
	return nil
}

// Empty tells that there is nothing to change.
func (c Change) Empty() bool { return len(c.Drop) == 0 && len(c.Put) == 0 }
