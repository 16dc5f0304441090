// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
)

// ErrPrerequisite is returned by Provider.Apply when a prerequisite of the change does not hold. Nothing was changed.
var ErrPrerequisite = errors.New("a prerequisite of the update does not hold")

// Provider writes to one zone and reads from its primary. Implementations may be used by several goroutines at once.
// Errors other than ErrPrerequisite are of type *Error.
type Provider interface {
	// Apex of the zone, canonical. It asks nobody.
	Apex() string

	// Zone asks the primary for the zone's start of authority and name servers.
	Zone(ctx context.Context) (Zone, error)

	// Get asks the primary for record sets. Those that don't exist are left out. Where an alias stands at a name the
	// CNAME record set is returned in place of the one asked for.
	Get(ctx context.Context, keys ...Key) ([]RRset, error)

	// Apply carries out the whole change or nothing of it. When the answer gets lost the error has Unsettled set.
	Apply(ctx context.Context, change Change) error
}

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
}

// Empty tells that there is nothing to change.
func (c Change) Empty() bool { return len(c.Drop) == 0 && len(c.Put) == 0 }
