// SPDX-License-Identifier: Apache-2.0

package cli

import "errors"

// Exit codes of every verb.
const (
	// ExitGood: the verb did its work and found nothing wrong.
	ExitGood = 0
	// ExitFound: the verb did its work and found something wrong, which it printed.
	ExitFound = 1
	// ExitDegraded: what the verb shows is not all as it should be, but nobody is kept out by it.
	ExitDegraded = 3
	// ExitUndone: the verb could not do its work; standard error says why.
	ExitUndone = 2
)

// errFound ends a verb that did its work and printed what it found wrong.
var errFound = errors.New("something is wrong, see the output")

// errDegraded ends a verb that printed what is not as it should be, although partners and users get through.
var errDegraded = errors.New("not everything is as it should be, see the output")

// exitCode is the exit code for what a verb returned.
func exitCode(err error) int {
	switch {
	case err == nil:
		return ExitGood
	case errors.Is(err, errFound):
		return ExitFound
	case errors.Is(err, errDegraded):
		return ExitDegraded
	}
	return ExitUndone
}
