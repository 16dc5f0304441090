// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// clock has Lua read the clock of the node three hours late once there is a file /tmp/back. The monotonic clock goes on.
const clock = `do
	local lua = Lua or _G
	local function behind()
		local file = lua.io.open("/tmp/back")
		if file then file:close() end
		return file and 3 * 60 * 60 or 0
	end
	local function set(module, name)
		local read = module[name]
		module[name] = function (...) return read(...) - behind() end
	end
	if not lua.package.loaded["xmppfed.test.clock"] then
		lua.package.loaded["xmppfed.test.clock"] = true
		set(lua.require "util.time", "now")
		set(lua.os, "time")
	end
end
`

// The clock of a node is set back, for example when it is found to be wrong.
func TestClock_ThatIsSetBackHoldsNothingUp(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) { files["prosody.cfg.lua"] = clock + files["prosody.cfg.lua"] }
			r.mountConfig(t)
			r.Start(t)
			r.mutePartner(t)
			client := r.login("cupuser1", "pw1")
			defer client.Close()
			r.Expect(client.Send("<message to='a@n1." + mute + "'><body>x</body></message>")).To(Succeed())
			r.Eventually(func() int { return int(r.status().Limits.Connecting) }).Should(Equal(1))

			r.WriteTmp(t, "back", "")
			r.Expect(client.Send("<message to='a@n2." + mute + "'><body>x</body></message>")).To(Succeed())
			r.Eventually(func() int { return int(r.status().Limits.Connecting) }).Should(Equal(2), "a stream is opened at once")
			for _, session := range r.status().Sessions {
				r.Expect(session.Age).To(BeNumerically(">=", 0))
			}
		})
	}
}
