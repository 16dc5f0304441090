// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/referee"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// contest is a zone with two rivals and a referee.
type contest struct {
	*testing.T
	*WithT
	ctx     context.Context
	named   *dnstest.Daemon
	rivals  []*rival
	watch   *referee.Watch
	referee *referee.Referee

	mu sync.Mutex
	// wanted federations by owner, and whether that one was told to let go.
	owners   map[string]ownerOf
	released map[string]bool
}

// ownerOf an ownership record.
type ownerOf struct {
	rival int
	name  string
}

// otherPort is how far from its port a rival may publish as well.
const otherPort = 10000

// startContest begins with foreign records, and two rivals that want the names, together or each for itself.
func startContest(t *testing.T, shared bool, foreign string, names []string) *contest {
	t.Helper()
	uses(t, exclusive(stageAddresses))
	ctx, cancel := context.WithCancel(t.Context())
	r := &contest{T: t, WithT: NewWithT(t), ctx: ctx, owners: map[string]ownerOf{}, released: map[string]bool{}}
	r.named = dnstest.StartNamed(t, dnstest.NamedOptions{Port: 53, Zones: map[string]string{rivalZone: foreign}})
	program := operatorProgram(t)
	for i, name := range []string{"A", "B"} {
		r.rivals = append(r.rivals, newRival(t, program, name, fmt.Sprintf("198.51.100.%d", i+1), int32(15269+i)))
		r.rivals[i].shares = shared
	}
	for i, rival := range r.rivals {
		for _, name := range names {
			r.owners[rival.owner(name)] = ownerOf{i, name}
		}
	}
	watch, records, err := referee.Read(rivalZone, r.named.Address)
	r.Expect(err).NotTo(HaveOccurred())
	r.watch = watch
	r.referee = referee.New(referee.Rules{Apex: rivalZone + ".", Fits: r.fits, MayRelease: r.mayRelease}, records)
	watched := make(chan error, 1)
	go func() { watched <- watch.Run(ctx, r.referee.Observe) }()
	t.Cleanup(func() {
		cancel()
		NewWithT(t).Expect(<-watched).To(Succeed(), "watching the zone")
	})
	return r
}

// fits tells whether a record is one that the owner's Federation asks for.
func (r *contest) fits(owner string, record miekg.RR) bool {
	of, known := r.owners[owner]
	if !known {
		return false
	}
	rival := r.rivals[of.rival]
	host, ports := rival.host(of.name)+".", []int32{rival.port, rival.port + otherPort}
	switch record := record.(type) {
	case *miekg.SRV:
		return record.Hdr.Name == "_xmpp-server._tcp."+of.name+"."+rivalZone+"." && record.Target == host && slices.Contains(ports, int32(record.Port))
	case *miekg.A:
		return record.Hdr.Name == host && record.A.String() == rival.address
	default:
		return false
	}
}

func (r *contest) mayRelease(owner, _ string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.released[owner]
}

// tell an owner to let go, or to hold on.
func (r *contest) tell(owner string, release bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released[owner] = release
}

// must fails the test, from any goroutine.
func (r *contest) must(err error) {
	r.Helper()
	if err != nil {
		r.Error(err)
	}
}

// eventually waits until all is as it should be in both clusters.
func (r *contest) eventually(what string, check func(g Gomega, federations []map[string]*v1alpha1.Federation)) {
	r.Helper()
	began := time.Now()
	r.Eventually(func(g Gomega) {
		var federations []map[string]*v1alpha1.Federation
		for _, rival := range r.rivals {
			found, err := rival.federations(r.ctx)
			g.Expect(err).NotTo(HaveOccurred())
			federations = append(federations, found)
		}
		check(g, federations)
	}, settleTime, time.Second).Should(Succeed(), what)
	r.Logf("it took %s for %s", time.Since(began).Round(time.Second), what)
}

// judge ends the test if the referee saw a rule broken.
func (r *contest) judge() {
	r.Helper()
	r.must(r.watch.CaughtUp(r.ctx))
	violations := r.referee.Violations()
	r.Expect(violations[:min(len(violations), 20)]).To(BeEmpty(), "of %d violations", len(violations))
}

func (r *contest) delete(rival *rival, name string) {
	r.Helper()
	r.tell(rival.owner(name), true)
	r.must(client.IgnoreNotFound(rival.Client.Delete(r.ctx, rival.federation(name))))
}
