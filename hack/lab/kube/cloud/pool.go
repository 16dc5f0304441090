// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
)

// pools has one pool for each IP family that the cloud knows.
type pools map[v1.IPFamily]*pool

// openPools opens the pools of ranges FIRST-LAST; state, with the family at its end, is the file of each.
func openPools(ranges []string, state string) (pools, error) {
	all := pools{}
	for _, addresses := range ranges {
		p, err := openPool(addresses, state)
		if err != nil {
			return nil, err
		}
		all[p.family()] = p
	}
	return all, nil
}

// held are the addresses of key, IPv4 first.
func (p pools) held(key string) []netip.Addr {
	var addresses []netip.Addr
	for _, family := range []v1.IPFamily{v1.IPv4Protocol, v1.IPv6Protocol} {
		if pool, ok := p[family]; ok {
			if addr, ok := pool.get(key); ok {
				addresses = append(addresses, addr)
			}
		}
	}
	return addresses
}

// ensure gives key an address of each of the families, and takes back those of others.
func (p pools) ensure(key string, families []v1.IPFamily) error {
	for family, pool := range p {
		if !slices.Contains(families, family) {
			if err := pool.release(key); err != nil {
				return err
			}
		}
	}
	for _, family := range families {
		pool, ok := p[family]
		if !ok {
			return fmt.Errorf("giving %s an address: there is no pool of %s", key, family)
		}
		if _, err := pool.ensure(key); err != nil {
			return err
		}
	}
	return nil
}

// move gives key others in place of the addresses that it holds.
func (p pools) move(key string) error {
	if len(p.held(key)) == 0 {
		return fmt.Errorf("moving %s: it has no address", key)
	}
	for _, pool := range p {
		if _, ok := pool.get(key); !ok {
			continue
		}
		if _, err := pool.move(key); err != nil {
			return err
		}
	}
	return nil
}

// pool hands out addresses of a range and remembers in a file who holds which, so that a Service
// keeps its address over a restart of the cloud. It goes round the range instead of reusing the
// lowest free address: a released address stays unused for as long as possible, as on real clouds,
// so that nobody finds a stale DNS record right by luck.
type pool struct {
	mu          sync.Mutex
	first, last netip.Addr
	file        string
	state       poolState
}

// poolState is what the file holds.
type poolState struct {
	Latest netip.Addr            `json:"latest"` // address given out most recently
	Held   map[string]netip.Addr `json:"held"`   // namespace/name of the Service -> its address
}

func openPool(addresses, state string) (*pool, error) {
	from, to, ok := strings.Cut(addresses, "-")
	first, err1 := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if !ok || err1 != nil || err2 != nil || first.Is4() != last.Is4() || last.Less(first) {
		return nil, fmt.Errorf("reading the pool %q: want FIRST-LAST", addresses)
	}
	p := &pool{first: first, last: last}
	p.file = state + "." + string(p.family())
	raw, err := os.ReadFile(p.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading the state of the pool: %w", err)
	default:
		if err := json.Unmarshal(raw, &p.state); err != nil {
			return nil, fmt.Errorf("reading the state of the pool in %s: %w", p.file, err)
		}
	}
	if p.state.Held == nil {
		p.state.Held = map[string]netip.Addr{}
	}
	return p, nil
}

func (p *pool) family() v1.IPFamily {
	if p.first.Is4() {
		return v1.IPv4Protocol
	}
	return v1.IPv6Protocol
}

// get returns the address that key holds.
func (p *pool) get(key string) (netip.Addr, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr, ok := p.state.Held[key]
	return addr, ok
}

// ensure returns the address of key, a new one if it has none.
func (p *pool) ensure(key string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if addr, ok := p.state.Held[key]; ok {
		return addr, nil
	}
	return p.assign(key)
}

// move gives key another address than the one it holds.
func (p *pool) move(key string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.state.Held[key]; !ok {
		return netip.Addr{}, fmt.Errorf("moving %s: it has no address", key)
	}
	return p.assign(key)
}

// release takes the address of key back.
func (p *pool) release(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.state.Held[key]; !ok {
		return nil
	}
	delete(p.state.Held, key)
	return p.save()
}

// assign needs the lock.
func (p *pool) assign(key string) (netip.Addr, error) {
	used := make(map[netip.Addr]struct{}, len(p.state.Held))
	for _, addr := range p.state.Held {
		used[addr] = struct{}{}
	}
	start := p.after(p.state.Latest)
	addr := start
	for {
		if _, taken := used[addr]; !taken {
			break
		}
		if addr = p.after(addr); addr == start {
			return netip.Addr{}, fmt.Errorf("giving %s an address: the pool %s-%s is used up", key, p.first, p.last)
		}
	}
	p.state.Held[key], p.state.Latest = addr, addr
	return addr, p.save()
}

func (p *pool) after(addr netip.Addr) netip.Addr {
	if !addr.IsValid() || addr.Less(p.first) || !addr.Less(p.last) {
		return p.first
	}
	return addr.Next()
}

func (p *pool) save() error {
	raw, err := json.Marshal(p.state)
	if err != nil {
		return fmt.Errorf("writing the state of the pool: %w", err)
	}
	if err := os.WriteFile(p.file+".new", raw, 0o600); err != nil {
		return fmt.Errorf("writing the state of the pool: %w", err)
	}
	return os.Rename(p.file+".new", p.file)
}
