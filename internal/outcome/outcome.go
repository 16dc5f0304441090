// SPDX-License-Identifier: Apache-2.0

// Package outcome gives the result of a reconcile step a meaning: a reason, a message for users, and who must act
// next. Steps return outcomes; one place turns them into conditions, events and the time of the next try.
package outcome

import (
	"errors"
	"fmt"
	"time"
)

// MaxWait caps the growing delay between looks at what was told to be waited for. What ends a wait in the cluster is watched, so
// that only what nobody tells the operator of, such as a server or a name server that is well again, may be noticed this late.
const MaxWait = 5 * time.Minute

// Error is a step that did not reach its goal.
type Error struct {
	// Reason is a condition reason of api/v1alpha1.
	Reason string
	// Message says what is missing or wrong, who provides it, and what to do next.
	Message string
	// Retry is set when the step went wrong, rather than that something is missing or in its way: the queue tries again, with growing
	// distance. What ends any other outcome, and whether it counts as Failed meanwhile, is up to its reason: see ClassOf.
	Retry bool
	// After is the delay before the next look; zero leaves it to the watches of what the step looks at.
	After time.Duration
	// AtMost caps the delay, which grows from After with the time for which the same has been said, so that what lasts does not keep
	// others waiting. Zero means that the delay does not grow: After is the time that is left until a known moment.
	AtMost time.Duration
	// About names what is waited for, where the message does not: when it changes, the delay begins at After again.
	About string
	// Unknown is set when nothing can be said, rather than that the goal was missed.
	Unknown bool
	// Keep is set when nothing was learnt: what was said before of the same generation goes on standing.
	Keep bool
}

// Error returns the message for users.
func (e *Error) Error() string { return e.Message }

// Again returns the delay before the next look at what has been said for the given time: it doubles that time, up to AtMost.
func (e *Error) Again(lasted time.Duration) time.Duration {
	if e.AtMost == 0 {
		return e.After
	}
	return min(max(lasted, e.After), e.AtMost)
}

// Every has the step look again though nothing may tell it to: first after the given delay, then less and less often, down to once
// in MaxWait.
func (e *Error) Every(after time.Duration) *Error {
	e.After, e.AtMost = after, MaxWait
	return e
}

// For says what is waited for, see Error.About.
func (e *Error) For(about string) *Error {
	e.About = about
	return e
}

// Stalled is a step that can't succeed until somebody changes something; its reason is of class Blocked.
func Stalled(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Waiting is a step that waits for something on its way. With a delay of zero its watches tell when to look again; otherwise it looks
// after that delay, and then less and less often, as Every says.
func Waiting(reason string, after time.Duration, format string, args ...any) *Error {
	waiting := &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
	if after > 0 {
		return waiting.Every(after)
	}
	return waiting
}

// Until is a step that waits for a known moment, which is so far away.
func Until(reason string, left time.Duration, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), After: left}
}

// Unknown is a step that can't say anything yet, because another has to come first.
func Unknown(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), Unknown: true}
}

// Unlearnt is a step that could not look yet, and is told when it can. What was found before stands until then.
func Unlearnt(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), Unknown: true, Keep: true}
}

// From returns the outcome in err's chain, or one that says with the given reason that a try went wrong.
func From(err error, reason string) *Error {
	var outcome *Error
	if errors.As(err, &outcome) {
		return outcome
	}
	return &Error{Reason: reason, Message: err.Error(), Retry: true}
}
