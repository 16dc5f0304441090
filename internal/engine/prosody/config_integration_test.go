// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody

import (
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// TestRealProsodyFindsNothingWrongInTheGoldenConfigurations runs `prosodyctl
// check config`. Prosody 13 adds the hint that mod_posix may be removed, which
// 0.12 needs to handle signals; it is no error.
func TestRealProsodyFindsNothingWrongInTheGoldenConfigurations(t *testing.T) {
	for _, version := range prosodytest.Versions {
		for name, input := range goldens {
			t.Run("Prosody "+version+" "+name, func(t *testing.T) {
				secret := map[string][]byte{engine.KeyDialbackSecret: []byte("x")}
				s := prosodytest.New(t, version, mustRender(t, input).Files, secret)
				for _, check := range []string{"config", "disabled"} {
					out, err := s.Run(t, "prosodyctl", "check", check)
					if err != nil || !strings.Contains(out, "All checks passed") {
						t.Errorf("prosodyctl check %s: %v\n%s", check, err, out)
					}
				}
			})
		}
	}
}
