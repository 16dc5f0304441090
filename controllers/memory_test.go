// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/patrol"
)

// newForgetful returns a reconciler of a cluster without Federations, and has it remember something of one.
func newForgetful(t *testing.T) (*FederationReconciler, *v1alpha1.Federation) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).Build()
	r := &FederationReconciler{
		Zones: NewZones(time.Now), Client: api, Applier: apply.New(api, api), Now: time.Now, Peers: patrol.New(patrol.Wire{}, func(types.NamespacedName) {}),
	}
	fed := &v1alpha1.Federation{}
	fed.Namespace, fed.Name, fed.UID = retryRequest.Namespace, retryRequest.Name, "first"
	r.recall(fed)
	r.verdicts.begin(fed.UID, "inputs")
	r.access.begin(fed.UID, "inputs")
	r.signings.begin(fed.UID)
	r.lasting.note(fed.UID, fed.Generation, map[string]finding{
		v1alpha1.ConditionServerReady: {err: outcome.Waiting("Reason", time.Second, "soon")},
	}, time.Now())
	if _, err := r.retries.settle(retryRequest, ctrl.Result{}, errStale); err != nil {
		t.Fatal(err)
	}
	return r, fed
}

func (r *FederationReconciler) remembered() int {
	return len(r.uids.byName) + len(r.verdicts.byFed) + len(r.access.byFed) + len(r.signings.byFed) + len(r.lasting.byFed) + len(r.retries.known)
}

func TestMemory_NothingIsLeftOfAFederationWhoseFinalizerWasRemovedByHand(t *testing.T) {
	r, _ := newForgetful(t)
	if got := r.remembered(); got != 6 {
		t.Fatalf("%d things are remembered, want 6", got)
	}
	if _, err := r.Reconcile(t.Context(), retryRequest); err != nil {
		t.Fatal(err)
	}
	if got := r.remembered(); got != 0 {
		t.Errorf("%d things are remembered of a Federation that is gone", got)
	}
}

func TestMemory_AFederationThatFollowsUnderTheNameInheritsNothing(t *testing.T) {
	r, fed := newForgetful(t)
	second := fed.DeepCopy()
	second.UID = "second"
	r.recall(second)
	if len(r.verdicts.byFed)+len(r.access.byFed)+len(r.signings.byFed)+len(r.lasting.byFed) != 0 {
		t.Error("something is remembered of the Federation that had the name before")
	}
	r.verdicts.begin(second.UID, "inputs")
	r.recall(second)
	if len(r.verdicts.byFed) != 1 {
		t.Error("what is known of the Federation itself was forgotten")
	}
}
