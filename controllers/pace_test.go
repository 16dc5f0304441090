// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// paceOf is how many Federations, or DNSZones, the larger worlds have.
var paceOf = flag.Int("pace-of", 5, "how many Federations, or DNSZones, the larger worlds of TestPace have")

// paceCase is something that begins, and then stays the same for an hour.
type paceCase struct {
	begin func(p *paced)
	// most is what each Federation may cost in that hour, beside its zone.
	most load
}

// calm is what may be seen or mended without a look at the DNS: the way in is checked every five minutes, each check is followed by a
// look at its verdict, and some looks come soon after the beginning.
var calm = load{Federations: 40, Reads: 120, Writes: 4, Queries: 600}

var paceCases = map[string]paceCase{
	"healthy": {func(*paced) {}, load{Federations: 26, Reads: 80, Writes: 2, Queries: 600}},
	"image can't be pulled": {func(p *paced) {
		for _, fed := range p.federations {
			pod := read[corev1.Pod](p.world, fed.Name+"-0")
			pod.Status.Phase = corev1.PodPending
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "prosody", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}},
			}}
			p.Expect(p.api.Status().Update(p.t.Context(), pod)).To(gomega.Succeed())
		}
	}, calm},
	"server does not answer": {func(p *paced) { p.server.silent = true }, calm},
	"load balancer pending": {func(p *paced) {
		for _, fed := range p.federations {
			p.assignAddress(fed.Name)
		}
	}, calm},
	"deleted, load balancer stays": {func(p *paced) {
		for _, fed := range p.federations {
			service := read[corev1.Service](p.world, fed.Name+"-s2s")
			service.Finalizers = []string{"service.kubernetes.io/load-balancer-cleanup"}
			p.Expect(p.api.Update(p.t.Context(), service)).To(gomega.Succeed())
			p.startDeletion(fed.Name)
		}
	}, load{Federations: 40, Reads: 120, Writes: 6, Queries: 600}},
	"secondary name server dead": {func(p *paced) {
		p.zone.SetNameServers("ns1.cupdomain.com", "ns2.cupdomain.com")
		p.edit(addressRecord("ns2.cupdomain.com", "127.0.0.2"))
	}, calm},
	"primary name server dead": {func(p *paced) { p.fail(v1alpha1.ReasonServerUnavailable, false) }, calm},
	"TSIG key wrong":           {func(p *paced) { p.fail(v1alpha1.ReasonTSIGBadSignature, true) }, calm},
}

// TestPace_OfFederations holds what an hour costs in which something is wrong with all Federations of a zone.
func TestPace_OfFederations(t *testing.T) {
	loads := map[string]load{}
	for _, name := range slices.Sorted(maps.Keys(paceCases)) {
		for _, n := range []int{1, *paceOf} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				p := newPaced(t, n)
				paceCases[name].begin(p)
				p.start()
				got := p.run(time.Hour)
				loads[fmt.Sprintf("%s, %d", name, n)] = got
				got.expectAtMost(p, paceCases[name].most.times(n).plus(zoneAtRest))
			})
		}
	}
	table(t, loads)
}

// zoneAtRest is what a zone with a primary may cost in an hour: 1,200 probes, and a look at its name servers every minute.
var zoneAtRest = load{Zones: 1202, Writes: 3, Queries: 1200 + 60*8}

// TestPace_OfZones holds what an hour of zones costs in which nobody has names.
func TestPace_OfZones(t *testing.T) {
	broken := load{Zones: 75, Writes: 2, Queries: 80}
	loads := map[string]load{}
	for name, most := range map[string]load{"healthy": zoneAtRest, "primary name server dead": broken, "TSIG key wrong": broken} {
		for _, n := range []int{1, *paceOf} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				p := newPaced(t, 0)
				p.addZones(n - 1)
				paceCases[name].begin(p)
				p.start()
				got := p.run(time.Hour)
				loads[fmt.Sprintf("%s, %d", name, n)] = got
				most := most.times(n)
				most.Reads = n // the Secret, for the first time
				got.expectAtMost(p, most)
			})
		}
	}
	table(t, loads)
}

func (l load) times(n int) load {
	return load{l.Federations * n, l.Zones * n, l.Reads * n, l.Writes * n, l.Queries * n}
}

func (l load) plus(other load) load {
	return load{
		l.Federations + other.Federations, l.Zones + other.Zones, l.Reads + other.Reads, l.Writes + other.Writes, l.Queries + other.Queries,
	}
}

func (l load) String() string {
	return fmt.Sprintf("%7d %7d %7d %7d %8d", l.Federations, l.Zones, l.Reads, l.Writes, l.Queries)
}

// expectAtMost fails for each number that is larger.
func (l load) expectAtMost(p *paced, most load) {
	p.t.Helper()
	for what, got := range map[string][2]int{
		"reconciles of Federations": {l.Federations, most.Federations}, "reconciles of DNSZones": {l.Zones, most.Zones},
		"reads past the cache": {l.Reads, most.Reads}, "writes": {l.Writes, most.Writes}, "queries": {l.Queries, most.Queries},
	} {
		if got[0] > got[1] {
			p.t.Errorf("%d %s in an hour, want at most %d", got[0], what, got[1])
		}
	}
}

// table prints loads by name.
func table(t *testing.T, loads map[string]load) {
	t.Helper()
	lines := []string{fmt.Sprintf("%-44s %7s %7s %7s %7s %8s", "all together, in an hour", "feds", "zones", "reads", "writes", "queries")}
	for _, name := range slices.Sorted(maps.Keys(loads)) {
		lines = append(lines, fmt.Sprintf("%-44s %s", name, loads[name]))
	}
	t.Log("\n" + strings.Join(lines, "\n"))
}
