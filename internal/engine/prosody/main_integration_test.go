// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"testing"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Isolated(m.Run) }
