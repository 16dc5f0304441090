// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// shares is what a cluster with a host of its own publishes of a domain that it shares with others.
func (c cluster) shares(weight uint16, ttl uint32) []dns.Unit {
	name := c.ID + "." + c.apex
	domain := dns.Unit{Anchor: c.apex}
	for _, service := range []string{c.apex, "conference." + c.apex} {
		set := dns.SRVRecord(dns.ServiceXMPPServer, service, ttl, dns.SRV{Weight: weight, Port: 5269, Target: name})
		set.Shared = true
		domain.Records = append(domain.Records, set)
	}
	return []dns.Unit{domain, host(name, "203.0.113.130")}
}

// targets fails unless the domain's service records are exactly those of the given clusters with the given weights, and
// returns their TTL.
func (s suite) targets(weights map[string]uint16) uint32 {
	s.Helper()
	want := []string{}
	for id, weight := range weights {
		want = append(want, fmt.Sprintf("0 %d 5269 %s.%s", weight, id, s.apex))
	}
	slices.Sort(want)
	ttl := uint32(0)
	for _, name := range []string{s.apex, "conference." + s.apex} {
		key := dns.SRVRecord(dns.ServiceXMPPServer, name, 0).Key()
		got := dns.RRset{}
		sets, err := s.Provider().Get(context.Background(), key)
		if len(sets) > 0 {
			got = sets[0]
		}
		if diff := cmp.Diff(want, append([]string{}, got.Strings()...)); err != nil || diff != "" {
			s.Errorf("%s: %v (-want +got):\n%s", key, err, diff)
		}
		ttl = got.TTL
	}
	return ttl
}

func shared(s suite) {
	before := s.Dump()
	a, b, c := s.cluster(1), s.cluster(2), s.cluster(3)
	a.must(a.shares(10, 300)...)
	b.must(b.shares(20, 60)...)
	stop := s.asked(a.shares(10, 300)[:1])
	if ttl := s.targets(map[string]uint16{a.ID: 10, b.ID: 20}); ttl != 300 {
		s.Errorf("TTL is %d, want that of who came first", ttl)
	}
	for _, each := range []dns.Result{a.must(a.shares(10, 300)...), b.must(b.shares(20, 60)...)} {
		if each.Changed {
			s.Errorf("nothing to do: got %+v", each)
		}
	}
	alone := s.units(5269, "203.0.113.140")
	alone[1] = host("alone."+s.apex, "203.0.113.140")
	c.mustConflict("is shared by other owners, "+a.ID+", "+b.ID, alone...)
	c.must(c.shares(5, 300)...)
	b.must(b.shares(25, 60)...)
	s.targets(map[string]uint16{a.ID: 10, b.ID: 25, c.ID: 5})
	if r := a.must(); len(r.Dropped) != 3 {
		s.Errorf("leaving: dropped %v, want two service records and a host", r.Dropped)
	}
	s.targets(map[string]uint16{b.ID: 25, c.ID: 5})
	c.must()
	stop()
	b.must(b.shares(25, 60)...)
	if ttl := s.targets(map[string]uint16{b.ID: 25}); ttl != 60 {
		s.Errorf("TTL is %d, want that of the last one", ttl)
	}
	b.must()
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func sharedAndAlone(s suite) {
	a, b := s.cluster(1), s.cluster(2)
	alone := func(c cluster) []dns.Unit {
		units := c.shares(10, 300)
		for i := range units[0].Records {
			units[0].Records[i].Shared = false
		}
		return units
	}
	a.must(alone(a)...)
	b.mustConflict("who does not share it", b.shares(20, 300)...)
	a.must(a.shares(10, 300)...)
	b.must(b.shares(20, 300)...)
	a.mustConflict("is shared by other owners, "+b.ID, alone(a)...)
	s.targets(map[string]uint16{a.ID: 10, b.ID: 20})
	a.must()
	b.must(alone(b)...)
	s.targets(map[string]uint16{b.ID: 10})
	a.mustConflict(b.ID, a.shares(10, 300)...)
	a.must()
	b.must()
	if left := strings.Join(s.Dump(), "\n"); strings.Contains(left, "_xmpp") {
		s.Errorf("records are left:\n%s", left)
	}
}

func sharedDrift(s suite) {
	a, b := s.cluster(1), s.cluster(2)
	foreign := a.shares(10, 300)[0].Records[0]
	foreign.Data = []dns.Data{dns.SRV{Port: 5269, Target: "old." + s.apex}}
	s.Edit(dns.Change{Put: []dns.RRset{foreign}})
	s.mustFailBy(a, v1alpha1.ReasonRecordExistsUnowned, a.shares(10, 300)...)
	s.Edit(dns.Change{Drop: []dns.Key{foreign.Key()}})
	a.must(a.shares(10, 300)...)
	b.must(b.shares(20, 300)...)
	// Somebody takes both targets away and adds one by hand: each puts back its own, and nobody removes what nobody owns.
	s.Edit(dns.Change{Put: []dns.RRset{foreign}})
	b.must(b.shares(20, 300)...)
	got, err := s.Provider().Get(context.Background(), foreign.Key())
	want := []string{"0 0 5269 old." + s.apex, "0 20 5269 " + b.ID + "." + s.apex}
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Strings(), want) {
		s.Errorf("got %v %v, want %v", got, err, want)
	}
	a.must(a.shares(10, 300)...)
	a.must()
	b.must()
	got, err = s.Provider().Get(context.Background(), foreign.Key())
	if err != nil || len(got) != 1 || !got[0].SameData(foreign) {
		s.Errorf("got %v %v, want the record that was added by hand", got, err)
	}
}

func sharedRace(s suite) {
	before := s.Dump()
	const owners = 8
	clusters := make([]cluster, owners)
	all := func(units func(i int) []dns.Unit) {
		s.Helper()
		var group sync.WaitGroup
		for i, c := range clusters {
			group.Go(func() { c.persist(units(i)...) })
		}
		group.Wait()
	}
	for i := range clusters {
		clusters[i] = s.cluster(i)
	}
	for round := range 3 {
		want := map[string]uint16{}
		for i, c := range clusters {
			want[c.ID] = uint16(round*10 + i)
		}
		all(func(i int) []dns.Unit { return clusters[i].shares(uint16(round*10+i), 300) })
		s.targets(want)
	}
	all(func(i int) []dns.Unit {
		if i%2 == 0 {
			return nil
		}
		return clusters[i].shares(1, 300)
	})
	s.targets(map[string]uint16{clusters[1].ID: 1, clusters[3].ID: 1, clusters[5].ID: 1, clusters[7].ID: 1})
	all(func(int) []dns.Unit { return nil })
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

// persist is called again when its turn did not come, as the operator does it.
func (c cluster) persist(units ...dns.Unit) {
	for tries := 0; ; tries++ {
		_, err := c.converge(units...)
		if err == nil {
			return
		}
		if e, ok := dns.AsError(err); !ok || e.Permanent || tries == 20 {
			c.Errorf("%s: %v", c.ID, err)
			return
		}
	}
}

// sharedCutOff has several owners join, change and leave at random, ends their runs at random moments, and looks whether
// everybody's targets are what its last complete run wanted.
func sharedCutOff(s suite) {
	before := s.Dump()
	random := rand.New(rand.NewPCG(5, 6))
	var clusters []cluster
	for i := range 3 {
		clusters = append(clusters, s.cluster(i))
	}
	for i := range 120 {
		c := clusters[random.IntN(len(clusters))]
		units := c.shares(uint16(i), 300)
		if random.IntN(3) == 0 {
			units = nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(3000))*time.Microsecond)
		_, err := dns.Converge(ctx, s.Provider(), c.signer, c.Owner, units)
		cancel()
		if e, ok := dns.AsError(err); ok && e.Permanent {
			s.Fatalf("run %d: %v", i, err)
		}
	}
	want := map[string]uint16{}
	for _, c := range clusters {
		c.must(c.shares(7, 300)...)
		want[c.ID] = 7
	}
	s.targets(want)
	for _, c := range clusters {
		c.must()
	}
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

// mustFailBy is mustFail for a cluster.
func (s suite) mustFailBy(c cluster, reason string, units ...dns.Unit) {
	s.Helper()
	before := s.Dump()
	_, err := c.converge(units...)
	if e, ok := dns.AsError(err); !ok || e.Reason != reason {
		s.Fatalf("%s: got %v, want reason %s", c.ID, err, reason)
	}
	s.stands(before, c.Owner)
}
