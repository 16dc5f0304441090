// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync"
)

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

func openPool(addresses, file string) (*pool, error) {
	from, to, ok := strings.Cut(addresses, "-")
	first, err1 := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if !ok || err1 != nil || err2 != nil || last.Less(first) {
		return nil, fmt.Errorf("reading the pool %q: want FIRST-LAST", addresses)
	}
	p := &pool{first: first, last: last, file: file}
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading the state of the pool: %w", err)
	default:
		if err := json.Unmarshal(raw, &p.state); err != nil {
			return nil, fmt.Errorf("reading the state of the pool in %s: %w", file, err)
		}
	}
	if p.state.Held == nil {
		p.state.Held = map[string]netip.Addr{}
	}
	return p, nil
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
