// SPDX-License-Identifier: Apache-2.0

// Package status shows what a Federation reached, and where it stands when it did not, on one screen. It is pure: the
// facts come in a [Model], the time with them.
package status

import (
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Model is what there is to show.
type Model struct {
	Federation *v1alpha1.Federation
	// Now is the time by which ages are counted.
	Now time.Time
	// Live is what each server says of itself.
	Live []engine.LiveStatus
	// SessionsLeftOut says why Live is not known; empty when it is.
	SessionsLeftOut string
}

// soon is how long before its end a certificate needs attention: the automatic renewals of public CAs are due by then.
const soon = 21 * 24 * time.Hour

// maxExplained is of how many partners the screen tells in full what is wrong; of the others it gives the reason.
const maxExplained = 5

// screenful is how many rows a table on the screen has at most. What is wrong comes first then.
const screenful = 20
