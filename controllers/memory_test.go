// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/patrol"
)

// newForgetful returns a reconciler of a cluster without Federations, and has it remember something of one.
func newForgetful(t *testing.T) (*FederationReconciler, *v1alpha1.Federation) {
	t.Helper()
	api := newCluster(t)
	r := &FederationReconciler{
		Zones: NewZones(time.Now), Client: api, Applier: apply.New(api, api), Now: time.Now,
		Peers: patrol.New(patrol.Wire{}, func(types.NamespacedName) {}),
	}
	fed := &v1alpha1.Federation{}
	fed.Namespace, fed.Name, fed.UID = retryRequest.Namespace, retryRequest.Name, "first"
	r.recall(fed)
	applied := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: fed.Namespace, Name: desired.ConfigName(fed)}}
	if err := r.Applier.Apply(t.Context(), applied); err != nil {
		t.Fatal(err)
	}
	r.verdicts.begin(fed.UID, "inputs")
	r.access.begin(fed.UID, "inputs")
	r.proofs.begin(fed.UID, "inputs")
	r.signings.begin(fed.UID)
	r.searches.made(fed.UID, time.Now())
	r.verified.put(fed.UID, verifiedDNS{inputs: "inputs"})
	r.Zones.repairs.note(fed.UID, []repair{{zone: "cupdomain.com", at: time.Now()}})
	r.lasting.note(fed.UID, fed.Generation, map[string]finding{
		v1alpha1.ConditionServerReady: {err: outcome.Waiting("Reason", time.Second, "soon")},
	}, time.Now())
	if _, err := r.retries.settle(retryRequest, ctrl.Result{}, errStale); err != nil {
		t.Fatal(err)
	}
	r.shrinkages.note(fed.UID, shrinkage{})
	r.refusals.of(fed.UID)
	r.delays.of(fed.UID)
	return r, fed
}

// memories returns how much is in each map in which the reconciler remembers something of Federations, by its field.
func (r *FederationReconciler) memories() map[string]int {
	found := map[string]int{
		"Zones.repairs": len(r.Zones.repairs.byFed), "Applier": reflect.ValueOf(r.Applier).Elem().FieldByName("seen").Len(),
	}
	fields := reflect.ValueOf(r).Elem()
	for i := range fields.NumField() {
		field, value := fields.Type().Field(i), fields.Field(i)
		if field.IsExported() || value.Kind() != reflect.Struct {
			continue
		}
		for j := range value.NumField() {
			if memory := value.Field(j); memory.Kind() == reflect.Map {
				found[field.Name] += memory.Len()
			}
		}
	}
	return found
}

// forgetting notes whose partners are not watched any more.
type forgetting struct {
	PeerWatcher
	names []types.NamespacedName
}

func (f *forgetting) Forget(name types.NamespacedName) { f.names = append(f.names, name) }

func TestMemory_NothingIsLeftOfAFederationWhoseFinalizerWasRemovedByHand(t *testing.T) {
	r, _ := newForgetful(t)
	peers := &forgetting{}
	r.Peers = peers
	for memory, size := range r.memories() {
		if size == 0 {
			t.Errorf("nothing is in %s, so that it can't be seen whether that is forgotten", memory)
		}
	}
	if _, err := r.Reconcile(t.Context(), retryRequest); err != nil {
		t.Fatal(err)
	}
	for memory, size := range r.memories() {
		if size != 0 {
			t.Errorf("%s remembers a Federation that is gone", memory)
		}
	}
	if !slices.Equal(peers.names, []types.NamespacedName{retryRequest.NamespacedName}) {
		t.Errorf("partners are not watched any more of %v", peers.names)
	}
}

func TestMemory_AFederationThatFollowsUnderTheNameInheritsNothing(t *testing.T) {
	r, fed := newForgetful(t)
	second := fed.DeepCopy()
	second.UID = "second"
	r.recall(second)
	for memory, size := range r.memories() {
		if byName := slices.Contains([]string{"uids", "retries", "Applier"}, memory); !byName && size != 0 {
			t.Errorf("%s remembers the Federation that had the name before", memory)
		}
	}
	r.verdicts.begin(second.UID, "inputs")
	r.recall(second)
	if len(r.verdicts.byFed) != 1 {
		t.Error("what is known of the Federation itself was forgotten")
	}
}
