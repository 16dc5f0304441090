// SPDX-License-Identifier: Apache-2.0

// Package outcome gives the result of a reconcile step a meaning: a reason, a message for users, and who must act
// next. Steps return outcomes; one place turns them into conditions, events and the time of the next try.
package outcome

import (
	"errors"
	"fmt"
	"time"
)

// Error is a step that did not reach its goal.
type Error struct {
	// Reason is a condition reason of api/v1alpha1.
	Reason string
	// Message says what is missing or wrong, who provides it, and what to do next.
	Message string
	// Retry is set when the step went wrong, rather than that something is missing or in its way: the queue tries again, with growing
	// distance. What ends any other outcome, and whether it counts as Failed meanwhile, is up to its reason: see ClassOf.
	Retry bool
	// After is when to look again; zero leaves it to changes of what the step looks at.
	After time.Duration
	// AtMost is set when After is only for the beginning: the longer the same is said, the longer the time until the next look,
	// up to this. What lasts must not keep others waiting.
	AtMost time.Duration
	// Unknown is set when nothing can be said, rather than that the goal was missed.
	Unknown bool
	// Keep is set when nothing was learnt: what was said before of the same generation goes on standing.
	Keep bool
}

// Error returns the message for users.
func (e *Error) Error() string { return e.Message }

// Again is when to look again at what has been said for the given time.
func (e *Error) Again(lasted time.Duration) time.Duration {
	if e.AtMost == 0 {
		return e.After
	}
	return min(max(lasted, e.After), e.AtMost)
}

// Slowing makes the looks rarer the longer the same is said, but no rarer than this.
func (e *Error) Slowing(atMost time.Duration) *Error {
	e.AtMost = atMost
	return e
}

// Stalled is a step that can't succeed until somebody changes something; its reason is of class Blocked.
func Stalled(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Waiting is a step that waits for something on its way, to be looked at again after a while; zero leaves it to changes.
func Waiting(reason string, after time.Duration, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), After: after}
}

// Unknown is a step that can't say anything yet, because another has to come first.
func Unknown(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), Unknown: true}
}

// Unlearnt is a step that could not look yet. What was found before stands until it can.
func Unlearnt(reason string, after time.Duration, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), After: after, Unknown: true, Keep: true}
}

// From returns the outcome in err's chain, or one that says with the given reason that a try went wrong.
func From(err error, reason string) *Error {
	var outcome *Error
	if errors.As(err, &outcome) {
		return outcome
	}
	return &Error{Reason: reason, Message: err.Error(), Retry: true}
}
