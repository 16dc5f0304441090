// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"fmt"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestPool(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	open := func() *pool {
		t.Helper()
		p, err := openPool("203.0.113.128-203.0.113.130", file)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := func(addr interface{ String() string }, err error, wanted string) {
		t.Helper()
		if err != nil || addr.String() != wanted {
			t.Fatalf("got %v, %v; want %s", addr, err, wanted)
		}
	}
	p := open()
	addr, err := p.ensure("a/one")
	want(addr, err, "203.0.113.128")
	addr, err = p.ensure("a/two")
	want(addr, err, "203.0.113.129")

	p = open() // a restart keeps what is held
	addr, err = p.ensure("a/one")
	want(addr, err, "203.0.113.128")
	addr, err = p.move("a/one")
	want(addr, err, "203.0.113.130")
	if err := p.release("a/two"); err != nil {
		t.Fatal(err)
	}
	addr, err = p.ensure("a/three") // goes round instead of reusing the lowest
	want(addr, err, "203.0.113.128")
	addr, err = p.ensure("a/four")
	want(addr, err, "203.0.113.129")
	if addr, err := p.ensure("a/five"); err == nil {
		t.Fatalf("got %v from a pool that is used up", addr)
	}
	if addr, err := p.move("a/none"); err == nil {
		t.Fatalf("moved a Service without an address to %v", addr)
	}
}

func TestServicesHaveAnAddressOfEachFamilyTheyWant(t *testing.T) {
	p, err := openPools([]string{"203.0.113.128-203.0.113.130", "2001:db8:128::1-2001:db8:128::3"}, filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name     string
		families []v1.IPFamily
		want     string
	}{
		{"single stack", []v1.IPFamily{v1.IPv4Protocol}, "[203.0.113.128]"},
		{"dual stack keeps the address", []v1.IPFamily{v1.IPv4Protocol, v1.IPv6Protocol}, "[203.0.113.128 2001:db8:128::1]"},
		{"the other family alone", []v1.IPFamily{v1.IPv6Protocol}, "[2001:db8:128::1]"},
		{"none", nil, "[]"},
		{"both anew", []v1.IPFamily{v1.IPv6Protocol, v1.IPv4Protocol}, "[203.0.113.129 2001:db8:128::2]"},
	} {
		if err := p.ensure("a/one", step.families); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := fmt.Sprint(p.held("a/one")); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	if err := p.move("a/one"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.held("a/one")); got != "[203.0.113.130 2001:db8:128::3]" {
		t.Errorf("moved to %s", got)
	}
	if err := p.move("a/two"); err == nil {
		t.Error("moved a Service without an address")
	}
}
