// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

var (
	sequences = flag.Int("sequences", 200, "how many random sequences to play at least")
	campaign  = flag.Duration("campaign", duration(), "for how long to go on beyond that number; MODEL_DURATION says so, too")
	seed      = flag.Uint64("seed", testkit.Campaign(1, uint64(time.Now().UnixNano())), "where the random numbers begin")
	replay    = flag.String("replay", "", "one sequence to play, as a failure prints it")
	trace     = flag.Bool("trace", false, "print what the operator writes, and what there is when a model is not met; for a replay")
)

// duration of a campaign.
func duration() time.Duration {
	stated, err := time.ParseDuration(cmp.Or(os.Getenv("MODEL_DURATION"), testkit.Campaign("0s", "1h")))
	if err != nil {
		panic(fmt.Sprintf("reading MODEL_DURATION: %v", err))
	}
	return stated
}

const (
	// interval between two looks at whether everything rests.
	interval = 10 * time.Second
	// restFor is longer than anything that the operator waits for: a TTL, an interval, the longest back-off.
	restFor = 12 * time.Minute
	// restWithin is when a world that is left alone must have come to rest.
	restWithin = 3 * time.Hour
	// playWithin is how much of real time a sequence may take, of which most take less than a second.
	playWithin = 5 * time.Minute
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	klog.SetOutput(io.Discard)
	// The default handlers slow down errors by a clock that is not the bubble's.
	utilruntime.ErrorHandlers = nil
	debug.SetGCPercent(400) // a world is small, and soon gone
	m.Run()
}

// TestModel plays random sequences. Each ends in a world at rest that must be what the model says.
func TestModel(t *testing.T) {
	if *replay != "" {
		sequence, err := parse(*replay)
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range play(t, sequence) {
			t.Error(complaint)
		}
		return
	}
	end := time.Now().Add(*campaign)
	played, performed, failed := 0, 0, 0
	for ; played < *sequences || time.Now().Before(end); played++ {
		random := rand.New(rand.NewPCG(*seed, uint64(played))) // a sequence has to be the same again
		sequence := draw(random)
		performed += len(sequence)
		if complaints := play(t, sequence); len(complaints) > 0 {
			failed++
			shortest, complaints := shrink(t, sequence, complaints)
			t.Errorf("seed %d, sequence %d: go test ./test/model -run TestModel -replay '%s'\n\t%s",
				*seed, played, join(shortest), strings.Join(complaints, "\n\t"))
		}
	}
	t.Logf("seed %d: %d sequences of %d operations in all, of which %d failed", *seed, played, performed, failed)
}

// TestModel_Known plays sequences that found a fault of the operator or of the model, which are random no more.
func TestModel_Known(t *testing.T) {
	for name, text := range map[string]string{
		"a zone that is gone holds up a deletion, and others want a name in another zone": "create:0:454 rest:856:981 domains:152:149 " +
			"zone-gone:773:144 delete:912:160 create:233:136",
		"the operator dies between a CA and its certificate": "create:0:918 wait:438:410 create:58:423 clock:126:307 rest:716:374 swap:960:853 die-later:869:359 clock:72:880 " +
			"die-later:184:669 wait:334:467 rest:952:187 vandal:11:933 die-later:662:91 wait:222:316 wait:598:593 create:987:868",
		"a host name in another zone is somebody else's": "create:0:7 rest:0:0 foreign:1:0 host:0:1",
		"a Federation wants the host name of another":    "create:0:728 create:119:768 rest:169:935 host:143:801 host:836:437",
		"a search after a restore can't be written down": "create:0:773 rest:808:547 restore:484:293 domains:616:393",
		"the zone of a domain that was released is gone": "create:551:474 rest:649:590 zone-gone:625:454 domains:331:120",
		"the giver of a transfer goes on being checked":  "create:0:902 rest:56:677 create:887:956 move:692:663",
	} {
		t.Run(name, func(t *testing.T) {
			sequence, err := parse(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, complaint := range play(t, sequence) {
				t.Error(complaint)
			}
		})
	}
}

// play plays a sequence in a world of its own and returns what is wrong at its end, or at a rest in between.
func play(t *testing.T, sequence []operation) (complaints []string) {
	t.Helper()
	// Time in the bubble passes only when everybody waits, so an operator that goes round without a pause stops it.
	stuck := time.AfterFunc(playWithin, func() {
		panic(fmt.Sprintf("without an end: go test ./test/model -run TestModel -replay '%s'", join(sequence)))
	})
	defer stuck.Stop()
	synctest.Test(t, func(*testing.T) {
		w, err := newWorld()
		if err == nil {
			err = w.startOperator()
		}
		if err != nil {
			complaints = []string{err.Error()}
			return
		}
		defer func() {
			if err := w.kill(); err != nil {
				complaints = append(complaints, "ending: "+err.Error())
			}
		}()
		complaints = w.playAll(sequence)
	})
	return complaints
}

func (w *world) playAll(sequence []operation) []string {
	for i, o := range sequence {
		tell("*** %s", o)
		if err := w.perform(o); err != nil {
			return []string{fmt.Sprintf("performing %s: %v", o, err)}
		}
		if err := w.revive(); err != nil {
			return []string{err.Error()}
		}
		// Operations come while those before are still under way, except after a rest.
		if o.Kind == "rest" || i == len(sequence)-1 {
			if complaints := w.rest(); len(complaints) > 0 {
				return complaints
			}
		}
	}
	return nil
}

// rest lets everything come to rest and compares.
func (w *world) rest() []string {
	if err := w.settle(); err != nil {
		return []string{err.Error()}
	}
	complaints, err := w.violations(context.Background())
	if err != nil {
		return []string{err.Error()}
	}
	if len(complaints) > 0 {
		w.dump()
	}
	return complaints
}

// revive starts the operator again if it has died.
func (w *world) revive() error {
	synctest.Wait()
	if !w.life.dead.Load() {
		return nil
	}
	if err := w.kill(); err != nil {
		return err
	}
	return w.startOperator()
}

// shrink leaves operations out as long as the rest still fails.
func shrink(t *testing.T, sequence []operation, complaints []string) ([]operation, []string) {
	t.Helper()
	for size := len(sequence) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(sequence); {
			rest := slices.Delete(slices.Clone(sequence), at, at+size)
			if found := play(t, rest); len(found) > 0 {
				sequence, complaints, shorter = rest, found, true
				continue
			}
			at += size
		}
		if !shorter {
			size /= 2
		}
	}
	return sequence, complaints
}

func join(sequence []operation) string {
	words := make([]string, 0, len(sequence))
	for _, o := range sequence {
		words = append(words, o.String())
	}
	return strings.Join(words, " ")
}

func lookup(zone *dnstest.Memory, key dns.Key) (dns.RRset, bool) {
	for _, set := range zone.Sets() {
		if set.Key() == key {
			return set, true
		}
	}
	return dns.RRset{}, false
}

func occupied(zone *dnstest.Memory, key dns.Key) bool {
	_, exists := lookup(zone, key)
	return exists
}

// apexOf is the zone of a name of this model.
func apexOf(name string) string {
	for _, apex := range apexes {
		if dns.InZone(dns.Canonical(name), dns.Canonical(apex)) {
			return apex
		}
	}
	return ""
}

func zoneName(apex string) string { return strings.ReplaceAll(apex, ".", "-") }

func trimDot(name string) string { return strings.TrimSuffix(name, ".") }
