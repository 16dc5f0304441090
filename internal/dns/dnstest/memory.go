// SPDX-License-Identifier: Apache-2.0

// Package dnstest has DNS servers for tests: a zone in memory, a server in the process that answers as it is told, and
// the real BIND.
package dnstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Memory is a zone in memory: a dns.Provider with the prerequisites of RFC 2136, and with the habits of BIND that
// matter, such as to ignore silently what is added beside an alias.
type Memory struct {
	apex string

	mu      sync.Mutex
	sets    map[dns.Key]dns.RRset
	servers []string
	serial  uint32
	updates int
	failure error
	losses  int
	before  func()
}

// NewMemory is an empty zone.
func NewMemory(apex string) *Memory {
	return &Memory{apex: dns.Canonical(apex), sets: map[dns.Key]dns.RRset{}, serial: 1}
}

// Apex of the zone.
func (m *Memory) Apex() string { return m.apex }

// Capabilities of a zone in memory: all.
func (m *Memory) Capabilities() dns.Capabilities {
	return dns.Capabilities{Writes: true, Prerequisites: true, Atomic: true}
}

// Zone tells serial and name servers.
func (m *Memory) Zone(ctx context.Context) (dns.Zone, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return dns.Zone{Apex: m.apex, Serial: m.serial, NameServers: slices.Clone(m.servers)}, m.fault(ctx)
}

// Get reads record sets; wildcards work as in RFC 4592.
func (m *Memory) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fault(ctx); err != nil {
		return nil, err
	}
	var out []dns.RRset
	for _, k := range keys {
		if set, ok := m.lookup(k); ok {
			out = append(out, set)
		}
	}
	return out, nil
}

func (m *Memory) lookup(k dns.Key) (dns.RRset, bool) {
	for _, name := range append([]string{k.Name}, wildcards(k.Name, m.apex)...) {
		for _, t := range []uint16{k.Type, dns.TypeCNAME} {
			if set, ok := m.sets[dns.Key{Name: name, Type: t}]; ok {
				set.Name = k.Name
				return set, true
			}
		}
		if m.exists(name) {
			break
		}
	}
	return dns.RRset{}, false
}

// wildcards are the names from which records at name are made up, nearest first.
func wildcards(name, apex string) []string {
	var out []string
	for name != apex {
		_, parent, ok := strings.Cut(name, ".")
		if !ok || !dns.InZone(parent, apex) {
			break
		}
		name = parent
		out = append(out, "*."+name)
	}
	return out
}

// exists tells whether the name or one below it has records, which keeps wildcards away.
func (m *Memory) exists(name string) bool {
	below := "." + name
	for k := range m.sets {
		if k.Name == name || strings.HasSuffix(k.Name, below) {
			return true
		}
	}
	return false
}

// Apply carries out the change if its prerequisites hold.
func (m *Memory) Apply(ctx context.Context, c dns.Change) error {
	m.mu.Lock()
	if before := m.before; before != nil {
		m.before = nil
		m.mu.Unlock()
		before()
		m.mu.Lock()
	}
	defer m.mu.Unlock()
	if err := m.fault(ctx); err != nil {
		return err
	}
	if err := c.CheckNames(m.apex); err != nil {
		return err
	}
	if !m.holds(c) {
		return dns.ErrPrerequisite
	}
	m.apply(c)
	m.updates++
	if m.losses > 0 {
		m.losses--
		return &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "the answer got lost", Unsettled: true}
	}
	return nil
}

// holds looks at what is in the zone, and not at what it makes up.
func (m *Memory) holds(c dns.Change) bool {
	var sets []dns.RRset
	for _, k := range c.Conditions() {
		if set, ok := m.sets[k]; ok {
			sets = append(sets, set)
		}
	}
	return c.Holds(sets)
}

func (m *Memory) apply(c dns.Change) {
	for _, k := range c.Drop {
		delete(m.sets, k)
	}
	for _, set := range c.Put {
		if _, alias := m.sets[dns.Key{Name: set.Name, Type: dns.TypeCNAME}]; !alias || set.Type == dns.TypeCNAME {
			m.sets[set.Key()] = set
		}
	}
	m.serial++
}

// fault is what the next call returns instead of a result.
func (m *Memory) fault(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.failure
}

// SetNameServers of the zone.
func (m *Memory) SetNameServers(names ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.servers = nil
	for _, n := range names {
		m.servers = append(m.servers, dns.Canonical(n))
	}
	slices.Sort(m.servers)
}

// Fail makes every call fail until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// LoseReplies applies the next n updates but loses the answers.
func (m *Memory) LoseReplies(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.losses = n
}

// BeforeUpdate calls do once, right before the next update is looked at.
func (m *Memory) BeforeUpdate(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = do
}

// Edit changes the zone as somebody else would: without prerequisites.
func (m *Memory) Edit(c dns.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply(c)
}

// Updates that were applied so far.
func (m *Memory) Updates() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.updates
}

// Sets are all record sets, sorted.
func (m *Memory) Sets() []dns.RRset {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.sets), func(a, b dns.RRset) int {
		return strings.Compare(a.Key().String(), b.Key().String())
	})
}

// Dump is the zone's content, one sorted line per record.
func (m *Memory) Dump() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, set := range m.sets {
		for _, d := range set.Strings() {
			out = append(out, fmt.Sprintf("%s %d %s %s", set.Name, set.TTL, set.TypeName(), d))
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}

var _ dns.Provider = (*Memory)(nil)
