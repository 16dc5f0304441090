// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// cluster is an owner with a signing key that the others don't know.
type cluster struct {
	suite
	dns.Owner
	signer dns.Signer
}

func (s suite) cluster(n int) cluster {
	o := owner(n)
	signer, err := dns.NewSigner([]byte("the key of the cluster with " + o.ID))
	if err != nil {
		s.Fatal(err)
	}
	return cluster{s, o, signer}
}

func (c cluster) converge(units ...dns.Unit) (dns.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return allOrNothing(dns.Converge(ctx, c.Provider(), c.signer, c.Owner, units))
}

func (c cluster) must(units ...dns.Unit) dns.Result {
	c.Helper()
	result, err := c.converge(units...)
	if err != nil {
		c.Fatalf("%s: converging: %v", c.ID, err)
	}
	return result
}

// mustConflict expects an error with the word in its message, because somebody else has what the cluster wants, and no change.
func (c cluster) mustConflict(word string, units ...dns.Unit) {
	c.Helper()
	before := c.Dump()
	_, err := c.converge(units...)
	if e, ok := dns.AsError(err); !ok || e.Reason != v1alpha1.ReasonOwnershipConflict || !strings.Contains(e.Message, word) {
		c.Fatalf("%s: got %v, want a conflict and %q", c.ID, err, word)
	}
	c.stands(before, c.Owner)
}

// to offers what the cluster has.
func (c cluster) to(other cluster) cluster {
	c.TransferTo = other.ID
	return c
}

// accepting makes units accept what is offered.
func accepting(units []dns.Unit) []dns.Unit {
	for i := range units {
		units[i].Accept = true
	}
	return units
}

// asked asks for the records of the units all the time, from now until the returned function is called, which fails the test
// if they were ever missing.
func (s suite) asked(units []dns.Unit) (stop func()) {
	var keys []dns.Key
	for _, unit := range units {
		for _, set := range unit.Records {
			keys = append(keys, set.Key())
		}
	}
	var done atomic.Bool
	begun, ended, provider := make(chan struct{}), make(chan struct{}), s.Provider()
	go func() {
		defer close(ended)
		for times := 0; !done.Load(); times++ {
			sets, err := provider.Get(context.Background(), keys...)
			if err != nil || len(sets) != len(keys) {
				s.Errorf("asked for the records: got %v %v, want %d sets", sets, err, len(keys))
				done.Store(true)
			}
			if times == 0 {
				close(begun)
			}
		}
	}()
	<-begun
	return func() {
		done.Store(true)
		<-ended
	}
}

func transfer(s suite) {
	before := s.Dump()
	a, b := s.cluster(1), s.cluster(2)
	theirs, ours := s.units(5269, "203.0.113.130", "2001:db8::5"), accepting(s.units(5299, "203.0.113.131"))
	a.must(theirs...)
	stop := s.asked(s.units(5269, "203.0.113.130"))
	b.mustConflict("spec.dns.transferTo: "+b.ID, ours...)
	if r := a.to(b).must(theirs...); len(r.Offered) != 4 || !r.Changed {
		s.Errorf("offering: got %+v, want four record sets", r)
	}
	if r := a.to(b).must(theirs...); r.Changed {
		s.Error("offering again: the zone changed")
	}
	s.published(theirs...)
	b.mustConflict("spec.takeover", s.units(5299, "203.0.113.131")...)
	s.cluster(3).mustConflict(a.ID, ours...)
	if r := b.must(ours...); len(r.Adopted) != 4 || len(r.Dropped) != 1 {
		s.Errorf("accepting: got %+v, want three records of which one that is not wanted goes", r)
	}
	s.published(ours...)
	stop()
	if r := a.to(b).must(theirs...); len(r.Offered) != 0 {
		s.Errorf("after the transfer: %v is still offered", r.Offered)
	}
	a.mustConflict(b.ID, theirs...)
	a.must()
	s.published(ours...)
	b.must()
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}

func transferWithdrawn(s suite) {
	a, b := s.cluster(1), s.cluster(2)
	units := accepting(s.units(5269, "203.0.113.130"))
	a.must(units...)
	a.to(b).must(units...)
	a.must(units...)
	b.mustConflict(a.ID, units...)
	a.to(b).must(units...)
	b.must(units...)
	b.to(a).must(units...)
	a.must(units...)
	s.published(units...)
	b.to(a).must(units...)
	a.must()
	if left := strings.Join(s.Dump(), "\n"); strings.Contains(left, "_xmpp") {
		s.Errorf("records are left:\n%s", left)
	}
}

// transferCutOff ends runs of both owners at random moments while names go back and forth.
func transferCutOff(s suite) {
	before := s.Dump()
	clusters := []cluster{s.cluster(1), s.cluster(2)}
	units := accepting(s.units(5269, "203.0.113.130"))
	clusters[0].must(units...)
	stop := s.asked(units)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 100 {
		from, to := clusters[i/10%2], clusters[(i/10+1)%2]
		runs := []cluster{from.to(to), to}
		run := runs[random.IntN(2)]
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(3000))*time.Microsecond)
		_, err := dns.Converge(ctx, s.Provider(), run.signer, run.Owner, units)
		cancel()
		if e, ok := dns.AsError(err); ok && e.Permanent && e.Reason != v1alpha1.ReasonOwnershipConflict {
			s.Fatalf("run %d: %v", i, err)
		}
	}
	stop()
	a, b := clusters[0], clusters[1]
	for _, c := range []cluster{a.to(b), b, a.to(b)} {
		c.must(units...)
	}
	s.published(units...)
	if n := len(s.Dump()) - len(before); n != 3+3 {
		s.Errorf("the zone has %d records more than before, want 3 and 3 ownership records:\n%s", n, strings.Join(s.Dump(), "\n"))
	}
	a.must()
	b.must()
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone differs after all is released (-before +after):\n%s", diff)
	}
}
