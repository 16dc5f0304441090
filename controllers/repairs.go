// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const (
	// repairWindow is for how long the condition tells of a record that others changed.
	repairWindow = time.Hour
	// maxRepairs bounds what is remembered of one Federation.
	maxRepairs = 1000
)

// dnsRepairs counts record sets that were put back because others had changed or removed them.
var dnsRepairs = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "xmppfed_dns_repairs_total",
	Help: "Record sets of Federations that somebody else had changed or removed, and that were put back.",
}, []string{"zone"})

// repair is a record set that others changed or removed, and that was put back.
type repair struct {
	zone string
	key  dns.Key
	at   time.Time
}

// repairs remembers those of each Federation for a while.
type repairs struct {
	mu    sync.Mutex
	byFed map[types.UID][]repair
}

// note adds repairs that were just made.
func (r *repairs) note(uid types.UID, made []repair) {
	if len(made) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFed == nil {
		r.byFed = map[types.UID][]repair{}
	}
	all := append(r.byFed[uid], made...)
	r.byFed[uid] = all[max(0, len(all)-maxRepairs):]
}

// recent returns the repairs of a Federation that are not too old to be told of, the oldest first.
func (r *repairs) recent(uid types.UID, now time.Time) []repair {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.DeleteFunc(r.byFed[uid], func(made repair) bool {
		age := now.Sub(made.at)
		return age < 0 || age >= repairWindow
	})
	if len(left) == 0 {
		delete(r.byFed, uid)
		return nil
	}
	r.byFed[uid] = left
	return slices.Clone(left)
}

// forget a Federation that is gone.
func (r *repairs) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byFed, uid)
}

// changedByOthers says which records others changed or removed, and, when they do so again and again, who has to find out who.
func changedByOthers(made []repair) string {
	times := map[string]int{}
	for _, one := range made {
		times[fmt.Sprintf("%s in zone %s", one.key, one.zone)]++
	}
	names := slices.Sorted(maps.Keys(times))
	most := slices.MaxFunc(names, func(a, b string) int { return times[a] - times[b] })
	if times[most] == 1 {
		return "somebody else changed or removed within the last hour what was put back since: " + phrase.List(names, maxListed)
	}
	return fmt.Sprintf("somebody else goes on changing or removing records (%s: %d times within the last hour), which are put back "+
		"each time; the zone's administrator has to find out who does so: another operator, a scheduled job, or an ExternalDNS",
		most, times[most])
}

// standing are the record sets of a Federation that every name server of a zone had, by name and type.
func standing(fed *v1alpha1.Federation, apex string) []v1alpha1.RecordStatus {
	return slices.DeleteFunc(slices.Clone(fed.Status.Records), func(record v1alpha1.RecordStatus) bool {
		return record.State != v1alpha1.RecordPublished || !holds(fed, apex, record.Name)
	})
}

// repaired returns the record sets of a change that stood as they are wanted, so that somebody else must have changed or removed them,
// and the ownership records that are missing although records stood that they are about.
func repaired(change dns.Change, standing []v1alpha1.RecordStatus) []dns.Key {
	var keys []dns.Key
	for _, set := range change.Put {
		if ownership, _ := dns.Ownership(set.Key()); ownership {
			about := func(stood v1alpha1.RecordStatus) bool { return dns.OwnershipOf(set.Key(), stood.Name) }
			if slices.Contains(change.Absent, set.Key()) && slices.ContainsFunc(standing, about) {
				keys = append(keys, set.Key())
			}
			continue
		}
		wanted := v1alpha1.RecordStatus{
			Name: dns.Display(set.Name), Type: set.TypeName(), TTL: int32(set.TTL), Data: set.Strings(), State: v1alpha1.RecordPublished,
		}
		if slices.ContainsFunc(standing, func(stood v1alpha1.RecordStatus) bool { return equality.Semantic.DeepEqual(stood, wanted) }) {
			keys = append(keys, set.Key())
		}
	}
	return keys
}

// noteRepairs has it known that records of a Federation were put back.
func (z *Zones) noteRepairs(fed types.UID, apex string, keys []dns.Key) {
	if len(keys) == 0 {
		return
	}
	made := make([]repair, 0, len(keys))
	for _, key := range keys {
		made = append(made, repair{apex, key, z.now()})
	}
	z.repairs.note(fed, made)
	z.withDrift(apex, (*drift).harmed)
	dnsRepairs.WithLabelValues(apex).Add(float64(len(keys)))
}

// tellRepairs leaves an event about records that were put back in this reconcile, and has the condition tell of those of the last hour.
func (r *FederationReconciler) tellRepairs(s *scope, found finding) finding {
	made := r.Zones.repairs.recent(s.fed.UID, r.Now())
	if len(made) == 0 {
		return found
	}
	text := changedByOthers(made)
	if !made[len(made)-1].at.Before(s.began) {
		r.Recorder.Eventf(s.fed, nil, corev1.EventTypeWarning, v1alpha1.ReasonRecordsChangedByOthers, v1alpha1.ConditionDNSPublished,
			"%s", text)
	}
	if found.reason == v1alpha1.ReasonPublished {
		found.reason = v1alpha1.ReasonRecordsChangedByOthers
	}
	found.message += "; " + text
	if left := repairWindow - r.Now().Sub(made[0].at); found.after == 0 || left < found.after {
		found.after = left
	}
	return found
}
