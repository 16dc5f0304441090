// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"path/filepath"
	"testing"
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
