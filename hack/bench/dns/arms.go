// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
)

// tool is what publishes names, and how its objects are handled.
type tool interface {
	// start a process that looks after the names of one set.
	start(ctx context.Context, set nameSet, flags ...string) (process, error)
	// prepare creates the objects of all names of a set. Nothing has an address yet.
	prepare(ctx context.Context, set nameSet) error
	// assign gives a name its address, as the load balancer of a cloud does.
	assign(ctx context.Context, set nameSet, i int, address string) error
	// setPort changes the port of a name's service record.
	setPort(ctx context.Context, set nameSet, i, port int) error
	// remove deletes a name's objects.
	remove(ctx context.Context, set nameSet, i int) error
}

// arm is a tool with its flags.
type arm struct {
	Name  string   `json:"name"`
	Words string   `json:"words"`
	Flags []string `json:"flags"`
	tool  tool
}

// letter tells the sets of the tools apart.
func (a arm) letter() string {
	if a.Name == "X1" {
		return "x"
	}
	return "e"
}

// The arms. What all of ExternalDNS's share is in externalDNSFlags.
func allArms(e *externalDNS, x *xmppfed) map[string]arm {
	return map[string]arm{
		"E1": {Name: "E1", Words: "ExternalDNS, defaults", tool: e},
		"E2": {Name: "E2", Words: "ExternalDNS, --events", Flags: []string{"--events"}, tool: e},
		"E3": {
			Name: "E3", Words: "ExternalDNS, tuned", tool: e,
			// With a thousand new names in one batch it ends itself: its update would be larger than a DNS message.
			Flags: []string{"--events", "--interval=1s", "--min-event-sync-interval=1s", "--rfc2136-batch-change-size=100"},
		},
		"X1": {Name: "X1", Words: "xmppfed, defaults", tool: x},
	}
}

// atOnce is how many objects are written side by side.
const atOnce = 32

// inParallel calls do for all numbers below n, and returns one of the errors.
func inParallel(n int, do func(i int) error) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	errs := make(chan error, n)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(i); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}
