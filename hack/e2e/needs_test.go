// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/xmppfed/xmppfed/hack/e2e/share"
)

// What tests use, besides the namespace and the domains of their own. Partners are resources too: partner.server.
const (
	// theOperator is that of the lab. It is disturbed by whoever kills it, and by every other test as far as it is to be idle.
	theOperator share.Resource = "the operator"
	// publicDNS is the lab's primary and secondary, which answer for every zone.
	publicDNS share.Resource = "the public DNS"
	// reference is the Federation of the samples with its users.
	reference share.Resource = "the reference scenario"
	// benchZone and signedZone are zones that several tests make their own DNSZone for.
	benchZone, signed share.Resource = "zone bench.example", "zone signed.example"
	// stageAddresses are those at which the BIND and the other servers of a stage listen.
	stageAddresses share.Resource = "the node's loopback addresses"
	// attackersAddresses are those on the node that attacks come from.
	attackersAddresses share.Resource = "the attackers' addresses"
	// processor is used by every test; whoever measures how fast something is needs it alone.
	processor share.Resource = "the processor"
)

// sideBySide is how many tests run at the same time at most. They wait most of the time, but each starts servers.
const sideBySide = 6

var (
	turns   = share.NewTable(sideBySide)
	turnsOf sync.Map // by the name of the test
)

// shared are resources that a test uses as others do.
func shared(resources ...share.Resource) []share.Need { return needsOf(false, resources) }

// exclusive are resources that a test disturbs for others, or can't use while others do.
func exclusive(resources ...share.Resource) []share.Need { return needsOf(true, resources) }

func needsOf(exclusive bool, resources []share.Resource) []share.Need {
	var needs []share.Need
	for _, r := range resources {
		needs = append(needs, share.Need{Resource: r, Exclusive: exclusive})
	}
	return needs
}

// usual is what every test with a site needs.
var usual = shared(theOperator, publicDNS)

// needs lets the test run beside others, once nobody is in its way. It is the first thing that a test does. A test without it runs
// alone, before all that have it.
func needs(t *testing.T, lists ...[]share.Need) {
	t.Helper()
	all, alone := []share.Need{}, false
	for _, list := range lists {
		for _, need := range list {
			all, alone = append(all, need), alone || need.Resource == processor
		}
	}
	if !alone {
		all = append(all, shared(processor)...)
	}
	turn := turns.Request(t.Name(), all...)
	turnsOf.Store(t.Name(), turn)
	t.Cleanup(turn.End) // after everything else that the test cleans up
	t.Parallel()        // returns when every test that may run beside others has entered its request
	t.Attr("waited", fmt.Sprintf("%.1f", turn.Wait().Seconds()))
}

// uses ends a test that runs beside others and is about to use what it did not declare.
func uses(t *testing.T, lists ...[]share.Need) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	turn, beside := turnsOf.Load(name)
	if !beside {
		return
	}
	for _, list := range lists {
		for _, need := range list {
			if err := turn.(*share.Turn).Check(need); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// usesCommand is uses for a command of the lab, as far as it disturbs others.
func usesCommand(t *testing.T, args ...string) {
	t.Helper()
	switch {
	case len(args) > 2 && args[0] == "partner" && args[1] != "shell":
		uses(t, exclusive(serverOf(args[2])))
	case len(args) > 1 && args[0] == "dns" && args[1] != "update":
		uses(t, exclusive(publicDNS))
	case len(args) > 0 && args[0] == "kill-operator":
		uses(t, exclusive(theOperator))
	case len(args) > 0 && args[0] == "kubelet":
		uses(t, exclusive(processor))
	}
}

// serverOf a partner is its server, the records of its domain, and the way there.
func serverOf(name string) share.Resource { return share.Resource("partner " + name) }

// server is what a test needs exclusively that gives the partner faults.
func (p partner) server() share.Resource { return serverOf(p.name) }

// ownZones are what a test may have for itself (hack/lab/lib/dns.sh); more than run side by side.
var ownZones = func() chan string {
	zones := make(chan string, 8)
	for i := range cap(zones) {
		zones <- fmt.Sprintf("own%d.example", i+1)
	}
	return zones
}()

// ownZone is a zone that no other test uses until this one has ended, with a DNSZone like that of example.net: for tests that look at
// everything in it.
func ownZone(t *testing.T) string {
	t.Helper()
	apex := <-ownZones
	t.Cleanup(func() { ownZones <- apex })
	dnsZone := testZone("e2e-"+strings.TrimSuffix(apex, ".example"), apex)
	discardZone(t, dnsZone) // of an earlier run
	t.Cleanup(func() { discardZone(t, dnsZone) })
	if err := cluster.Create(t.Context(), dnsZone); err != nil {
		t.Fatal(err)
	}
	return apex
}
