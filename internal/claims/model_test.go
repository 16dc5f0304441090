// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// estate is a model of a cluster and a zone: Federations that are looked at only when something they depend on changed, and who has
// each name in the DNS.
type estate struct {
	*testing.T
	rand  *rand.Rand
	feds  []v1alpha1.Federation
	inDNS map[string]string
	due   map[string]bool
	log   []string
	// edited is set when somebody else changed the DNS.
	edited bool
}

var modelNames = []string{"w", "x", "y", "z"}

func newEstate(t *testing.T, seed uint64) *estate {
	e := &estate{T: t, rand: rand.New(rand.NewPCG(seed, seed)), inDNS: map[string]string{}, due: map[string]bool{}}
	for i := range 4 {
		name := string(rune('a' + i))
		e.feds = append(e.feds, federation(name, i, e.someNames()...))
		e.due[name] = true
	}
	return e
}

// someNames are one to three names.
func (e *estate) someNames() []string {
	names := slices.Clone(modelNames)
	e.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:1+e.rand.IntN(3)]
}

func (e *estate) notef(format string, args ...any) {
	e.log = append(e.log, fmt.Sprintf(format, args...))
}

// write replaces a Federation and has those looked at that depend on it.
func (e *estate) write(i int, after v1alpha1.Federation) {
	before := e.feds[i]
	e.feds[i] = after
	if reflect.DeepEqual(before, after) {
		return
	}
	for _, version := range []v1alpha1.Federation{before, after} {
		names := append(desired.Claims(&version), claims.Published(&version)...)
		for _, other := range e.feds {
			wants := func(name string) bool { return slices.Contains(names, name) }
			found := func(c v1alpha1.NameConflict) bool { return c.Owner == version.Status.DNSOwner }
			if other.Name != after.Name && (slices.ContainsFunc(desired.Claims(&other), wants) ||
				slices.ContainsFunc(other.Status.Conflicts, found)) {
				e.due[other.Name] = true
			}
		}
	}
}

// disturb changes something at random.
func (e *estate) disturb() {
	e.edited = false
	i, name := e.rand.IntN(len(e.feds)), modelNames[e.rand.IntN(len(modelNames))]
	fed := *e.feds[i].DeepCopy()
	switch e.rand.IntN(5) {
	case 0, 1:
		fed.Spec.Domains = federation("", 0, e.someNames()...).Spec.Domains
		e.notef("%s wants %v", fed.Name, fed.Spec.Domains)
	case 2:
		fed.ObjectMeta = made("chat", fed.Name, 10+len(e.log))
		fed.Status = v1alpha1.FederationStatus{}
		e.notef("%s is restored last and without status", fed.Name)
	case 3:
		if e.inDNS[name] != "" {
			e.inDNS[name], e.edited = fed.Name, true
			e.notef("the zone is restored with %s as the owner of %s", fed.Name, name)
		}
		e.lookAtAll()
	case 4:
		for j := range e.feds {
			e.feds[j].Status = v1alpha1.FederationStatus{}
		}
		fed.Status = v1alpha1.FederationStatus{}
		e.notef("all lose their status")
		e.lookAtAll()
	}
	e.write(i, fed)
	e.due[fed.Name] = true
}

func (e *estate) lookAtAll() {
	for i := range e.feds {
		e.due[e.feds[i].Name] = true
	}
}

// settle looks at those that are due, in any order, until none is.
func (e *estate) settle() {
	e.Helper()
	for range 400 {
		var due []int
		for i := range e.feds {
			if e.due[e.feds[i].Name] {
				due = append(due, i)
			}
		}
		if len(due) == 0 {
			return
		}
		e.reconcile(due[e.rand.IntN(len(due))])
	}
	e.Fatalf("does not come to rest:\n%s", strings.Join(e.log, "\n"))
}

// reconcile does what the operator does with one Federation.
func (e *estate) reconcile(i int) {
	e.Helper()
	fed := *e.feds[i].DeepCopy()
	delete(e.due, fed.Name)
	fed.Status.DNSOwner = "owner-" + fed.Name
	known := slices.Clone(e.feds)
	known[i] = fed // what it knows of itself counts in its own decision
	names := desired.Claims(&fed)
	rival, name, err := contest(known).Rival(&fed, names...)
	if err != nil {
		e.Fatal(err)
	}
	had := fed.Status.Conflicts
	fed.Status.Conflicts = nil
	accepted := metav1.ConditionTrue
	if rival == nil {
		e.converge(&fed)
	} else {
		accepted = metav1.ConditionFalse
		e.notef("%s: %s belongs to %s", fed.Name, name, rival.Name)
		e.look(&fed)
	}
	fed.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: accepted}}
	if !slices.Equal(had, fed.Status.Conflicts) {
		e.due[fed.Name] = true
	}
	e.write(i, fed)
}

// look corrects what status says by who has the names in the DNS.
func (e *estate) look(fed *v1alpha1.Federation) {
	for _, name := range desired.Claims(fed) {
		if owner := e.inDNS[name]; owner != "" && owner != fed.Name {
			*fed = finding(*fed, name, owner)
		}
	}
	for i := range fed.Status.Records {
		record := &fed.Status.Records[i]
		if name := strings.TrimPrefix(record.Name, "_xmpp-server._tcp."); e.inDNS[name] != fed.Name {
			record.State = v1alpha1.RecordPending
		}
	}
}

// converge releases what is not wanted, and claims what is and is free.
func (e *estate) converge(fed *v1alpha1.Federation) {
	names := desired.Claims(fed)
	for _, name := range modelNames {
		if e.inDNS[name] == fed.Name && !slices.Contains(names, name) {
			delete(e.inDNS, name)
			e.notef("%s releases %s", fed.Name, name)
		}
	}
	fed.Status.Records = nil
	for _, name := range names {
		if e.inDNS[name] == "" {
			e.inDNS[name] = fed.Name
			e.notef("%s claims %s", fed.Name, name)
		}
		if owner := e.inDNS[name]; owner != fed.Name {
			*fed = finding(with(*fed, v1alpha1.RecordPending, name), name, owner)
			continue
		}
		*fed = with(*fed, v1alpha1.RecordPublished, name)
	}
}

// check holds what was reached against what should be.
func (e *estate) check() {
	e.Helper()
	for i := range e.feds {
		fed := &e.feds[i]
		accepted := isAccepted(fed)
		if kept := e.keptOut(fed); kept == accepted {
			e.Errorf("%s is accepted: %t, kept out by what is in the DNS, or by an older one: %t\n%s\n%v",
				fed.Name, accepted, kept, strings.Join(e.log, "\n"), e.inDNS)
		}
		for _, name := range desired.Claims(fed) {
			owner := e.inDNS[name]
			leaves := slices.ContainsFunc(e.feds, func(other v1alpha1.Federation) bool {
				return other.Name == owner && !isAccepted(&other)
			})
			if accepted && owner != fed.Name && !leaves {
				e.Errorf("%s is accepted, and %q has %s in the DNS\n%s", fed.Name, owner, name, strings.Join(e.log, "\n"))
			}
		}
	}
}

func isAccepted(fed *v1alpha1.Federation) bool {
	return meta.IsStatusConditionTrue(fed.Status.Conditions, v1alpha1.ConditionAccepted)
}

// keptOut reports whether another Federation has one of the names in the DNS and wants it, or is accepted with it.
func (e *estate) keptOut(fed *v1alpha1.Federation) bool {
	return slices.ContainsFunc(e.feds, func(other v1alpha1.Federation) bool {
		return other.Name != fed.Name && slices.ContainsFunc(desired.Claims(&other), func(name string) bool {
			return slices.Contains(desired.Claims(fed), name) && (e.inDNS[name] == other.Name || isAccepted(&other))
		})
	})
}

// Whatever happens to specs, status and the DNS, in whatever order Federations are looked at, and only when something changed: they
// come to rest, and who is accepted has all of its names, which nobody else has who wants them.
func TestContest_ComesToRestWithWhatTheDNSSays(t *testing.T) {
	for seed := range uint64(200) {
		e := newEstate(t, seed)
		e.settle()
		for range 6 {
			e.disturb()
			e.settle()
			if e.edited {
				// Nothing in the cluster says that the zone was changed, or that what was put there by hand was released. The pace
				// at which records are looked at again is not the matter here.
				e.lookAtAll()
				e.settle()
			}
			e.check()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}
