// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const (
	// sharedDomains are served by both clusters.
	sharedDomains = 20
	// turmoil is how long targets change while operators are killed.
	turmoil = 15 * time.Second
)

// Two clusters serve the same domains. Both join at the same moment; then both change their own targets at random while
// their operators are killed at random; then one leaves. There is no version of the zone in which the target of one was
// changed or missing because of the other, and other records stand as they were.
func TestDNSShared(t *testing.T) {
	needs(t, exclusive(stageAddresses))
	all := names("both", sharedDomains)
	foreign := "www A 203.0.113.7\nmail MX 10 www\n"
	for _, name := range all {
		foreign += "_xmpp-server._tcp." + name + " TXT \"somebody else's\"\n" + name + " MX 10 www\n"
	}
	r := &sharing{contest: startContest(t, true, foreign, all), names: all, changed: map[string]target{}}
	before := r.referee.Foreign()
	for _, rival := range r.rivals {
		r.must(rival.operator.Start())
		r.Expect(rival.operator.Ready(r.ctx)).To(Succeed())
	}
	r.join()
	r.change()

	leaves, stays := r.rivals[0], r.rivals[1]
	for _, name := range all {
		r.delete(leaves, name)
	}
	r.eventually("one cluster to leave", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		g.Expect(federations[0]).To(BeEmpty())
		for _, name := range all {
			g.Expect(published(federations[1][name]).Status).To(Equal(metav1.ConditionTrue), name)
		}
	})
	r.judge()
	for _, name := range all {
		r.Expect(r.targets(name)).To(ConsistOf(r.target(stays, name)), "who else serves %s", name)
	}

	for _, name := range all {
		r.delete(stays, name)
	}
	r.eventually("the other to leave", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		g.Expect(federations[1]).To(BeEmpty())
	})
	r.judge()
	r.Expect(r.referee.Foreign()).To(Equal(before), "records of others")
	r.Expect(r.referee.Owners()).To(BeEmpty())
	counts := r.referee.Counts()
	r.Logf("%d ownership records claimed and released; 0 versions of the zone of %d without the target of one who shares, "+
		"0 records of others touched", counts.Releases, counts.Updates)
}

// sharing is a contest of those who don't contend.
type sharing struct {
	*contest
	names []string
	// changed targets by host name, as their Federations have them now.
	changed map[string]target
}

// target is what a cluster may change of its service records.
type target struct{ weight, port int32 }

// join has both clusters ask for all domains at the same moment.
func (r *sharing) join() {
	r.Helper()
	var all sync.WaitGroup
	for _, rival := range r.rivals {
		all.Go(func() {
			for _, name := range r.names {
				r.must(rival.Client.Create(r.ctx, rival.federation(name)))
			}
		})
	}
	all.Wait()
	r.settle("both clusters to serve all domains")
	r.Expect(r.referee.Counts().Claims).To(Equal(4*sharedDomains), "ownership records: of each cluster one for the domain, one for its host")
}

// settle waits until both are published, and makes sure that each domain has the targets of both.
func (r *sharing) settle(what string) {
	r.Helper()
	r.eventually(what, func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		for _, byName := range federations {
			for _, name := range r.names {
				said := published(byName[name])
				g.Expect(said.Status).To(Equal(metav1.ConditionTrue), "%s: %s", name, said.Message)
			}
		}
	})
	r.judge()
	for _, name := range r.names {
		r.Expect(r.targets(name)).To(ConsistOf(r.target(r.rivals[0], name), r.target(r.rivals[1], name)), name)
	}
}

// change has both clusters change weight and port of their targets all the time while their operators are killed.
func (r *sharing) change() {
	r.Helper()
	began, kills := r.referee.Counts().Updates, make([]int, len(r.rivals))
	ctx, cancel := context.WithTimeout(r.ctx, turmoil)
	defer cancel()
	changed := make([]map[string]target, len(r.rivals))
	var all sync.WaitGroup
	for i, rival := range r.rivals {
		changed[i] = map[string]target{}
		all.Go(func() {
			for pause(ctx, time.Second+rand.N(4*time.Second)) {
				rival.operator.Kill()
				kills[i]++
				r.must(rival.operator.Start())
			}
		})
		all.Go(func() {
			for pause(ctx, rand.N(100*time.Millisecond)) {
				name, to := r.names[rand.N(len(r.names))], target{rand.N[int32](60000), rival.port + rand.N[int32](2)*otherPort}
				r.must(edit(r.ctx, rival.Client, rival.federation(name), func(fed *v1alpha1.Federation) {
					fed.Spec.DNS.Weight, fed.Spec.Exposure.Port = to.weight, to.port
				}))
				changed[i][rival.host(name)] = to
			}
		})
	}
	all.Wait()
	for _, by := range changed {
		maps.Copy(r.changed, by)
	}
	r.settle("the last changes to be published")
	r.Logf("%d updates of shared records while operator A was killed %d times and B %d times", r.referee.Counts().Updates-began, kills[0], kills[1])
}

// targets of a domain.
func (r *sharing) targets(name string) []string {
	r.Helper()
	found, err := lab.Query(r.ctx, stageServer, "_xmpp-server._tcp."+name+"."+rivalZone, dns.TypeSRV)
	r.Expect(err).NotTo(HaveOccurred())
	return found
}

// target of one cluster, as its Federation wants it.
func (r *sharing) target(rival *rival, name string) string {
	host := rival.host(name)
	now, changed := r.changed[host]
	if !changed {
		now.port = rival.port
	}
	return fmt.Sprintf("0 %d %d %s.", now.weight, now.port, host)
}
