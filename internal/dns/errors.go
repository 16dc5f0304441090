// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Error says in the terms of the DNSPublished condition why records are not published.
type Error struct {
	// Reason is one of those that v1alpha1.ConditionDNSPublished documents.
	Reason string
	// Message says what is wrong, who provides it and what to do. It does not change from try to try.
	Message string
	// Permanent tells that time alone does not heal it: somebody must act.
	Permanent bool
	// Unsettled tells that an update was sent but its answer lost, so it may have been applied.
	Unsettled bool
	// Records are those that people have to create or change, or to remove, with v1alpha1.ReasonRecordsToCreate and
	// v1alpha1.ReasonRecordsToRemove.
	Records []RRset
	// Holder is who has the name instead, with v1alpha1.ReasonOwnershipConflict.
	Holder Holder
	// Err is the cause, for logs. It may be nil.
	Err error

	// PerName tells that the server refused a change, which it did not carry out, and that this may be on account of some of its names:
	// a change of others may be accepted.
	PerName bool
	// About is the only record set that the error is about; the zero value: it may be about the whole zone.
	About Key

	// waits tells that another anchor is what something is wrong with.
	waits bool
	// inTheWay is the record of RecordExistsUnowned.
	inTheWay Key
	// suspect is the record set as read that seems to be in the way. It may be made up from a wildcard.
	suspect Key
}

// Holder is the owner that has a name which another one wants.
type Holder struct {
	// Name that both want, without trailing dot, and its Owner.
	Name, Owner string
	// Ours is set when our key signed the ownership record: the owner is another Federation of the same operator.
	Ours bool
}

// Error is the message and, where there is one, the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// RetryAfter is how long to wait before the next try is worth its cost, while the error is new. Most causes lie outside the
// cluster, where nothing can be watched, so even what only a person can put right is tried again.
func (e *Error) RetryAfter() time.Duration {
	switch e.Reason {
	case v1alpha1.ReasonServerUnavailable, v1alpha1.ReasonPropagationPending:
		return 2 * time.Second
	case v1alpha1.ReasonNotApplied, v1alpha1.ReasonUnauthenticatedResponse:
		return 10 * time.Second
	case v1alpha1.ReasonOwnershipConflict, v1alpha1.ReasonRecordExistsUnowned, v1alpha1.ReasonCNAMEConflict:
		return 30 * time.Second
	default:
		return 15 * time.Second
	}
}

// InOrder returns the anchors of refusals in the order in which they are told: those that only wait for others come last.
func InOrder(refused map[string]*Error) []string {
	return slices.SortedFunc(maps.Keys(refused), func(a, b string) int {
		switch x, y := refused[a].waits, refused[b].waits; {
		case x == y:
			return strings.Compare(a, b)
		case x:
			return 1
		default:
			return -1
		}
	})
}

// AsError finds the *Error in err.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Unsettled marks an error of a change that was sent: when the server could not be reached, or failed, the change may have been
// made all the same. Any other answer says that it was not.
func Unsettled(err error) error {
	e, ok := AsError(err)
	if !ok || e.Reason != v1alpha1.ReasonServerUnavailable {
		return err
	}
	out := *e
	out.Unsettled = true
	return &out
}
