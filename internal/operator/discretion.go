// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"net/netip"

	"github.com/xmppfed/xmppfed/internal/check"
)

// newDiscretion reads the flag --disclosed-networks. Resolvers are the operator's own.
func newDiscretion(networks, resolvers []string) (*check.Discretion, error) {
	discretion := &check.Discretion{Resolvers: resolvers}
	for _, text := range networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("reading --disclosed-networks: %q is no network in CIDR form, such as 10.20.0.0/16", text)
		}
		discretion.Disclosed = append(discretion.Disclosed, network.Masked())
	}
	return discretion, nil
}
