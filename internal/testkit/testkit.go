// SPDX-License-Identifier: Apache-2.0

// Package testkit holds what tests of several packages share.
package testkit

import (
	"os"
	"testing"
)

// Require skips the test, visibly, when a prerequisite is missing on this machine. Where the environment says CI=true
// everything has to be there, so a missing prerequisite fails the test instead of hiding it. What names the
// prerequisite and how to get it, for example "prosody (apt-get install prosody)".
func Require(t testing.TB, condition bool, what string) {
	t.Helper()
	if condition {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing prerequisite: %s", what)
	}
	t.Skipf("skipped, missing prerequisite: %s", what)
}

// Campaign is how large or long something is that a test repeats: long where the environment says SOAK=true, as make soak does.
// The short form is part of every run, and shows the same.
func Campaign[T any](short, long T) T {
	if os.Getenv("SOAK") == "true" {
		return long
	}
	return short
}
