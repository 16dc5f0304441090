// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// Serials asks every authoritative server of p's zone which version of it it serves. Newest is the serial number at the
// primary; a server that has not even reached the one in since counts as behind, unless that is zero.
func (v Verifier) Serials(
	ctx context.Context, p dns.Provider, since uint32,
) (newest uint32, states []v1alpha1.NameServerStatus, err error) {
	zone, err := p.Zone(ctx)
	if err != nil {
		return 0, nil, err
	}
	servers, err := v.servers(ctx, p, zone)
	if err != nil {
		return 0, nil, err
	}
	states = make([]v1alpha1.NameServerStatus, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { states[i] = v.serial(ctx, s, zone.Apex, since) })
	}
	all.Wait()
	return zone.Serial, states, nil
}

func (v Verifier) serial(ctx context.Context, s Server, apex string, since uint32) v1alpha1.NameServerStatus {
	status := v1alpha1.NameServerStatus{Name: s.Name, Address: s.Address, State: v1alpha1.NameServerUnreachable}
	if s.Err != nil {
		return status
	}
	serial, authoritative, err := wire.Serial(ctx, wire.Question{
		Server: net.JoinHostPort(s.Address, strconv.Itoa(int(v.port()))), Key: dns.Key{Name: apex}, Timeout: v.timeout(),
	})
	switch {
	case err != nil:
		return status
	case !authoritative:
		status.State = v1alpha1.NameServerNotAuthoritative
		return status
	}
	status.Serial, status.State = int64(serial), v1alpha1.NameServerInStep
	if since != 0 && older(serial, since) {
		status.State = v1alpha1.NameServerBehind
	}
	return status
}

// older compares serial numbers, which wrap around (RFC 1982 section 3.2).
func older(a, b uint32) bool { return int32(a-b) < 0 }
