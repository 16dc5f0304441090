// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// inWorld plays a scenario that is not random in a world of its own.
func inWorld(t *testing.T, scenario func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld()
		if err == nil {
			err = w.startOperator()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.kill(); err != nil {
				t.Error(err)
			}
		}()
		scenario(t, w)
	})
}

func (w *world) mustRest(t *testing.T) {
	t.Helper()
	for _, complaint := range w.rest() {
		t.Error(complaint)
	}
}

func (w *world) read(t *testing.T, key client.ObjectKey) *v1alpha1.Federation {
	t.Helper()
	fed := &v1alpha1.Federation{}
	if err := w.api.Get(context.Background(), key, fed); err != nil {
		t.Fatal(err)
	}
	return fed
}

// writeStatus changes a status by hand.
func (w *world) writeStatus(t *testing.T, key client.ObjectKey, by func(*v1alpha1.FederationStatus)) {
	t.Helper()
	for {
		fed := w.read(t, key)
		by(&fed.Status)
		switch err := w.api.Status().Update(context.Background(), fed); {
		case err == nil:
			return
		case !apierrors.IsConflict(err):
			t.Fatal(err)
		}
	}
}

var (
	victim = keyOf(0)
	other  = keyOf(1)
	// endOfTime is further away than anything.
	endOfTime = metav1.NewTime(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
)

const longestTTL = 1<<31 - 1

// claim is a line of a status that says that a name is published.
func claim(name, recordType, data string) v1alpha1.RecordStatus {
	return v1alpha1.RecordStatus{Name: name, Type: recordType, TTL: longestTTL, Data: []string{data}, State: v1alpha1.RecordPublished}
}

// nonsense is what somebody may write into the status of the victim by hand.
var nonsense = map[string]func(*v1alpha1.FederationStatus){
	"service records of nobody, hundreds of them": func(status *v1alpha1.FederationStatus) {
		for i := range 300 {
			status.Records = append(status.Records, claim(fmt.Sprintf("_xmpp-server._tcp.z%d.one.example", i), "SRV", "0 0 22 f1.one.example."))
		}
	},
	"records of another Federation": func(status *v1alpha1.FederationStatus) {
		status.Records = append(status.Records, claim("_xmpp-server._tcp.b.one.example", "SRV", "0 0 5269 f1.one.example."),
			claim("f1.one.example", "A", "203.0.113.9"))
	},
	"the host name of another Federation": func(status *v1alpha1.FederationStatus) {
		status.Hostname = "f1.one.example"
		status.Records = append(status.Records, claim("f1.one.example", "A", "203.0.113.9"))
	},
	"former host names": func(status *v1alpha1.FederationStatus) {
		status.FormerHosts = []v1alpha1.FormerHost{
			{Hostname: "f1.one.example", TTL: longestTTL, Until: &endOfTime}, {Hostname: "nowhere.example", TTL: longestTTL},
		}
	},
	"former domains and ports": func(status *v1alpha1.FederationStatus) {
		status.FormerDomains = []v1alpha1.FormerDomain{
			{Domain: "b.one.example", TTL: longestTTL, Until: &endOfTime}, {Domain: "gmail.com", TTL: longestTTL}, {Domain: "x.one.example", TTL: -1},
		}
		status.FormerPorts = []v1alpha1.FormerPort{
			{Port: 22, Target: "s2s", TTL: longestTTL, Until: &endOfTime}, {Port: 23, Target: "c2s", TTL: longestTTL},
		}
	},
	"the owner and the conflicts of another": func(status *v1alpha1.FederationStatus) {
		status.DNSOwner = ownerOf(other)
		status.Conflicts = []v1alpha1.NameConflict{{Name: "a.one.example", Owner: ownerOf(other)}, {Name: "x.example", Owner: "nobody"}}
	},
	"its own records with other data and TTLs": func(status *v1alpha1.FederationStatus) {
		for i := range status.Records {
			status.Records[i].TTL, status.Records[i].Data = longestTTL, []string{"0 0 0 ."}
		}
	},
	"a withdrawal": func(status *v1alpha1.FederationStatus) { status.ServiceRecordsWithdrawn = &endOfTime },
}

// Whatever stands in a status, what comes of it is what the DNS, the server and the Service say, and not what stood there.
func TestStatus_NonsenseGivesWayToTheTruth(t *testing.T) {
	for _, name := range append(slices.Sorted(maps.Keys(nonsense)), "all of it") {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				for key, domains := range map[client.ObjectKey][]v1alpha1.DomainName{victim: {"a.one.example", "d.two.example"}, other: {"b.one.example"}} {
					if err := w.api.Create(context.Background(), federation(key, domains)); err != nil {
						t.Fatal(err)
					}
				}
				w.mustRest(t)
				was := w.read(t, victim).Status
				w.writeStatus(t, victim, func(status *v1alpha1.FederationStatus) {
					for each, write := range nonsense {
						if each == name || name == "all of it" {
							write(status)
						}
					}
				})
				w.mustRest(t)
				is := w.read(t, victim).Status
				was.Conditions, is.Conditions = nil, nil
				if diff := cmp.Diff(was, is); diff != "" {
					t.Errorf("status (-before +after):\n%s", diff)
				}
				w.expectOrderlyDeletion(t)
			})
		})
	}
}

// expectOrderlyDeletion deletes the victim. Its address is kept until nobody can have its service records cached, and the other
// Federation keeps all that it has.
func (w *world) expectOrderlyDeletion(t *testing.T) {
	t.Helper()
	before := w.zones["one.example"].Dump()
	if err := w.opDelete(0, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Second) // in the synctest bubble, where it takes no time; resolvers remember records for longer
	if err := w.api.Get(context.Background(), client.ObjectKey{Namespace: victim.Namespace, Name: victim.Name + "-s2s"}, &corev1.Service{}); err != nil {
		t.Errorf("resolvers may have the service records, and the address is gone: %v", err)
	}
	w.mustRest(t)
	if err := w.api.Get(context.Background(), victim, &v1alpha1.Federation{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	for _, line := range before {
		if others := strings.Contains(line, "b.one.example") || strings.Contains(line, "f1.one.example"); others && !slices.Contains(w.zones["one.example"].Dump(), line) {
			t.Errorf("%s is gone", line)
		}
	}
}

// Nobody can see that a zone without a DNSZone holds nothing, so status says that it can't be looked at, and what to do.
func TestStatus_AZoneThatNobodyKnowsIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if err := w.opCreate(0, 0); err != nil {
			t.Fatal(err)
		}
		w.mustRest(t)
		w.writeStatus(t, victim, func(status *v1alpha1.FederationStatus) { status.Zones = append(status.Zones, "nowhere.example") })
		if err := w.settle(); err != nil {
			t.Fatal(err)
		}
		published := meta.FindStatusCondition(w.read(t, victim).Status.Conditions, v1alpha1.ConditionDNSPublished)
		if want := v1alpha1.AnnotationAbandonRecordsIn + "=nowhere.example"; published.Status != metav1.ConditionUnknown || !strings.Contains(published.Message, want) {
			t.Errorf("got %s %s, want that it tells of %s", published.Status, published.Message, want)
		}
		if err := w.edit(victim, func(fed *v1alpha1.Federation) {
			fed.Annotations = map[string]string{v1alpha1.AnnotationAbandonRecordsIn: "nowhere.example"}
		}); err != nil {
			t.Fatal(err)
		}
		w.mustRest(t)
		if zones := w.read(t, victim).Status.Zones; slices.Contains(zones, "nowhere.example") {
			t.Errorf("got zones %v", zones)
		}
	})
}
