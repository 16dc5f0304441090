// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"net/netip"
	"testing"
)

func TestDisclosedNetworksAreReadFromTheFlag(t *testing.T) {
	discretion, err := newDiscretion([]string{"10.20.3.4/16", "fd00:20::/32"}, []string{"10.96.0.10:53"})
	if err != nil {
		t.Fatal(err)
	}
	for text, hidden := range map[string]bool{"10.20.0.1": false, "fd00:20::1": false, "10.21.0.1": true, "fd00:21::1": true} {
		if got := discretion.Hides(netip.MustParseAddr(text)); got != hidden {
			t.Errorf("%s is hidden: %t", text, got)
		}
	}
	_, err = newDiscretion([]string{"10.20.0.1"}, nil)
	if want := `reading --disclosed-networks: "10.20.0.1" is no network in CIDR form, such as 10.20.0.0/16`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
