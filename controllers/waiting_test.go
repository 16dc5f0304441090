// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestTurns_WhoHasNoneMakesRoomForThoseInOtherZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := make(chan struct{}, 1)
		end, err := take(t.Context(), turns)
		if err != nil {
			t.Fatal(err)
		}
		_, err = take(t.Context(), turns) // blocks for ever unless there is a bound
		var late *outcome.Error
		if !errors.As(err, &late) || !late.Keep || late.Again(0) <= 0 || late.Again(time.Hour) != rarestTry {
			t.Errorf("got %#v, want what keeps the condition and comes back later and later", err)
		}
		end()
		if end, err = take(t.Context(), turns); err != nil {
			t.Fatal(err)
		}
		end()
	})
}

// slowSigned is a Verifier whose resolvers take long.
type slowSigned struct {
	Verifier
	answer chan signingAnswer
}

func (v slowSigned) Signed(context.Context, dns.Provider, []string, time.Time) (string, error) {
	a := <-v.answer
	return a.unsigned, a.err
}

func TestSigned_DeadResolversHoldNoWorkerUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := slowSigned{answer: make(chan signingAnswer)}
		r := &FederationReconciler{
			Verifier: v, Zones: NewZones(time.Now), Now: time.Now, Checked: make(chan event.TypedGenericEvent[*v1alpha1.Federation], 9),
		}
		fed := &v1alpha1.Federation{}
		fed.UID = "cup"
		ask := func(want string, wantErr error) {
			t.Helper()
			if got, err := r.signed(fed, dnstest.NewMemory("cupdomain.com")); got != want || !errors.Is(err, wantErr) {
				t.Errorf("got %q and %v, want %q and %v", got, err, want, wantErr)
			}
		}
		ask("", errSigningUnknown) // blocks for ever if it waits for the resolvers
		ask("", errSigningUnknown) // and does not ask them twice at once
		v.answer <- signingAnswer{unsigned: "no DS"}
		if about := <-r.Checked; about.Object.UID != fed.UID {
			t.Errorf("news of %v", about.Object)
		}
		ask("no DS", nil) // the answer before, as they take long again
		v.answer <- signingAnswer{unsigned: "no DS"}
		synctest.Wait()
		if len(r.Checked) > 0 {
			t.Error("the same answer is no news")
		}
		fed.Spec.Verification.Resolvers = []v1alpha1.ServerAddress{"192.0.2.1:53"}
		ask("", errSigningUnknown) // those who are asked now have not answered
		r.signings.forget(fed.UID)
		v.answer <- signingAnswer{}
		synctest.Wait()
		if len(r.signings.byFed) != 0 || len(r.Checked) > 0 {
			t.Error("a Federation that is gone is remembered, or looked at")
		}
	})
}
