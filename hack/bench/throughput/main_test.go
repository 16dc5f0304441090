// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package throughput measures how many stanzas a server takes from one partner, and what each costs, beside a Prosody without
// limits. `make bench-throughput` runs it.
package throughput

import (
	"flag"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

var (
	before = flag.String("before", "", "file of raw data of an earlier version, to be shown beside; empty: none")
	out    = flag.String("out", "", "file for the raw data, in JSON; empty: none")
	rounds = flag.Int("rounds", 5, "how often every server is measured")
	each   = flag.Duration("each", 3*time.Second, "how long each measurement takes")
	only   = flag.String("only", "", "measure only this version of Prosody; empty: all")
	to     = flag.String("to", ".", "measure only the recipients whose kinds match this")
	arms   = flag.String("arms", ".", "measure only the servers whose names match this")
)

func TestMain(m *testing.M) { testkit.Isolated(m.Run) }
