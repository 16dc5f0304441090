// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/referee"
	"github.com/xmppfed/xmppfed/internal/dns"
	dnswire "github.com/xmppfed/xmppfed/internal/dns/wire"
)

const (
	// contested names are wanted in both clusters; blocked ones besides, but somebody else has them.
	contested, blocked = 500, 10
	// raceTime is how long operators are killed and Federations created, changed and deleted.
	raceTime = time.Minute
	// arrivals is the time in which all names are asked for, in both clusters at the same moment.
	arrivals = 35 * time.Second
	// headStart is what one of the two may have at most.
	headStart = 20 * time.Millisecond
	// settleTime is enough for whoever lost a name to look again (every 30 seconds), on a machine that is very busy.
	settleTime = 4 * time.Minute
	// longestRun of an operator between two kills, long enough to get through its Federations now and then.
	longestRun = 6 * time.Second
)

// Two operators in two clusters want the same 500 names in one zone. For a minute both are killed and started again at
// random moments, while Federations come, change and go in both clusters and somebody else writes other records beside
// theirs. A referee sees every version of the zone. Whoever gets a name keeps it until it is told to let go; then the
// other gets it.
func TestDNSRace(t *testing.T) {
	needs(t, exclusive(stageAddresses))
	r := &race{contest: startContest(t, false, foreignRecords(), append(contestedNames(), blockedNames()...)), kills: make([]int, 2)}
	before := r.referee.Foreign()
	r.run()
	r.settle()
	counts := r.report()
	r.Expect(counts.Claims).To(BeNumerically(">=", 2*contested), "ownership records claimed")

	winners := r.deleteWinners()
	r.eventually("every loser to get the name", func(g Gomega, federations []map[string]*v1alpha1.Federation) {
		for name, winner := range winners {
			g.Expect(federations[winner]).NotTo(HaveKey(name), "Federation that had the name")
			g.Expect(published(federations[1-winner][name]).Status).To(Equal(metav1.ConditionTrue), "%s", name)
		}
	})
	r.judge()
	r.Logf("the winners' Federations were deleted: the losers got all %d names", len(winners))

	r.deleteAll()
	r.judge()
	r.Expect(without(r.named.Dump(rivalZone), r.referee.Foreign())).To(BeEmpty(), "records of Federations that are all gone")
	r.Expect(without(before, r.referee.Foreign())).To(BeEmpty(), "records of others that never changed")
}

// race is a contest in which operators are killed, Federations come and go, and somebody else writes to the zone.
type race struct {
	*contest
	// kills of each operator.
	kills []int
	// loser is what the Federation of one says.
	loser string
}

func contestedNames() []string { return names("cup", contested) }
func blockedNames() []string   { return names("blocked", blocked) }

func names(prefix string, count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

// foreignRecords stand in the zone before the race: what many zones have, and what is in the way of the blocked names.
func foreignRecords() string {
	text := "www A 203.0.113.7\n@ TXT \"v=spf1 -all\"\nmail MX 10 www\n"
	for i, name := range blockedNames() {
		if i%2 == 0 {
			text += "_xmpp-server._tcp." + name + " SRV 0 0 5269 www\n"
		} else {
			text += "xmpp." + name + " CNAME www\n"
		}
	}
	return text
}

// run lets everybody loose, and ends with two operators that work and all Federations in both clusters.
func (r *race) run() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, raceTime)
	defer cancel()
	var all sync.WaitGroup
	for i := range r.rivals {
		all.Go(func() { r.killAtRandom(ctx, i) })
		all.Go(func() { r.comeAndGo(ctx, i) })
	}
	all.Go(func() { r.arrive(ctx) })
	all.Go(func() { r.writeForeign(ctx) })
	all.Wait()
	for i := range r.rivals {
		for _, name := range append(contestedNames(), blockedNames()...) {
			r.must(r.ensure(i, name))
		}
	}
}

// killAtRandom starts and kills the operator; in the end it runs.
func (r *race) killAtRandom(ctx context.Context, i int) {
	operator := r.rivals[i].operator
	for {
		r.must(operator.Start())
		if !pause(ctx, time.Second+rand.N(longestRun)) {
			return
		}
		operator.Kill()
		r.kills[i]++
	}
}

// pause tells whether there is time left after it.
func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// arrive creates each Federation in both clusters at the same moment, in random order.
func (r *race) arrive(ctx context.Context) {
	all := append(contestedNames(), blockedNames()...)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, name := range all {
		var both sync.WaitGroup
		for i := range r.rivals {
			both.Go(func() {
				pause(ctx, rand.N(headStart))
				r.must(r.ensure(i, name))
			})
		}
		both.Wait()
		if !pause(ctx, arrivals/time.Duration(len(all))) {
			return
		}
	}
}

// ensure that a Federation exists, once one of its name that is being deleted is gone. Only then its owner has let go.
func (r *race) ensure(i int, name string) error {
	rival := r.rivals[i]
	fed := rival.federation(name)
	for {
		var there v1alpha1.Federation
		err := rival.Client.Get(r.ctx, client.ObjectKeyFromObject(fed), &there)
		if err == nil && there.DeletionTimestamp.IsZero() {
			return nil
		}
		if apierrors.IsNotFound(err) {
			break
		}
		if err != nil || !pause(r.ctx, poll) {
			return fmt.Errorf("waiting for the end of Federation %s of cluster %s: %w", name, rival.name, err)
		}
	}
	if r.mayRelease(rival.owner(name), "") {
		if err := r.watch.CaughtUp(r.ctx); err != nil {
			return err
		}
		r.tell(rival.owner(name), false)
	}
	return client.IgnoreAlreadyExists(rival.Client.Create(r.ctx, fed))
}

// comeAndGo changes Federations of a cluster, and deletes some and creates them again.
func (r *race) comeAndGo(ctx context.Context, i int) {
	rival := r.rivals[i]
	for pause(ctx, rand.N(200*time.Millisecond)) {
		name := contestedNames()[rand.N(contested)]
		var fed v1alpha1.Federation
		err := rival.Client.Get(ctx, client.ObjectKeyFromObject(rival.federation(name)), &fed)
		if err != nil || !fed.DeletionTimestamp.IsZero() {
			continue // it has not arrived yet, or is on its way out
		}
		if rand.N(3) == 0 {
			r.tell(rival.owner(name), true)
			r.must(client.IgnoreNotFound(rival.Client.Delete(r.ctx, &fed)))
			go func() { r.must(r.ensure(i, name)) }()
			continue
		}
		before := fed.DeepCopy()
		fed.Spec.DNS.Weight = rand.N[int32](60000)
		r.must(client.IgnoreNotFound(rival.Client.Patch(r.ctx, &fed, client.MergeFrom(before))))
	}
}

// writeForeign writes what others write: at the apex, elsewhere, and beside the records of the Federations.
func (r *race) writeForeign(ctx context.Context) {
	had := map[string][]miekg.RR{}
	for n := 0; pause(ctx, rand.N(100*time.Millisecond)); n++ {
		name := contestedNames()[rand.N(contested)] + "." + rivalZone + "."
		value := dns.TXT{fmt.Sprintf("written by somebody else, %d", n)}
		set := dns.RRset{Name: name, Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{value}}
		switch n % 5 {
		case 0:
			set.Name = "news." + rivalZone + "."
		case 1:
			set.Name = "_xmpp-server._tcp." + name
		case 2:
			set.Name = "xmpp." + name
		case 3:
			set = dns.RRset{Name: "alias." + name, Type: dns.TypeCNAME, TTL: 300, Data: []dns.Data{dns.Alias(fmt.Sprintf("www%d.example.org.", n))}}
		}
		key := set.Key().String()
		r.referee.Announce(referee.Delta{Removed: had[key], Added: dnswire.Records(set)})
		r.must(r.named.TryEdit(rivalZone, dns.Change{Put: []dns.RRset{set}}))
		had[key] = dnswire.Records(set)
	}
}
