// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// missed checks that an error keeps the condition, and brings the Federation back later and later.
func missed(t *testing.T, err error) {
	t.Helper()
	var late *outcome.Error
	if !errors.As(err, &late) || !late.Keep || late.Again(0) <= 0 || late.Again(time.Hour) != lastTurnRetry {
		t.Errorf("got %#v, want what keeps the condition and comes back later and later", err)
	}
}

func TestTurns_NobodyWaitsForEverAtASlowPrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{make(chan struct{}, 1), &atomic.Int64{}}
		end, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.take(t.Context()) // blocks for ever unless there is a bound
		missed(t, err)
		end()
		if end, err = q.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		end()
		if left := q.waiting.Load(); left != 0 {
			t.Errorf("%d are still counted as waiting", left)
		}
	})
}

func TestTurns_ThoseWhoWaitAtSlowPrimariesLeaveWorkersToOtherZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zones := NewZones(time.Now)
		slow, busy, idle := dnstest.NewMemory("slow.example"), dnstest.NewMemory("busy.example"), dnstest.NewMemory("idle.example")
		ctx, stop := context.WithCancel(t.Context())
		for range maxTurns + maxWaiting {
			go func() {
				if _, err := zones.turnsAt(slow).primary.take(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}()
		}
		for range maxTurns {
			if _, err := zones.turnsAt(busy).primary.take(ctx); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		began := time.Now()
		_, err := zones.turnsAt(busy).primary.take(ctx)
		missed(t, err)
		if end, err := zones.turnsAt(idle).primary.take(ctx); err != nil {
			t.Error(err)
		} else {
			end()
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a worker was kept for %s", waited)
		}
		stop()
		synctest.Wait()
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
