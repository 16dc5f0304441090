// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var (
	federations  = schema.GroupResource{Group: "xmppfed.io", Resource: "federations"}
	errStale     = apierrors.NewConflict(federations, "cup", errors.New("it changed meanwhile"))
	errDenied    = apierrors.NewForbidden(federations, "cup", errors.New("a policy forbids it"))
	errSlow      = apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
	errNotThere  = &url.Error{Op: "Get", URL: "https://api", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	retryRequest = reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "chat", Name: "cup"}}
)

// longest settles the same error many times as a queue does, and returns the longest delay and the delay that comes first.
func longest(r *retries, err error) (first, last time.Duration) {
	for i := range 40 {
		result, returned := r.settle(retryRequest, ctrl.Result{}, err)
		delay := result.RequeueAfter
		if returned != nil {
			delay = r.When(retryRequest)
		}
		r.Forget(retryRequest) // as the queue does after each result without an error
		if i == 0 {
			first = delay
		}
		last = max(last, delay)
	}
	return first, last
}

func TestRetries_DelayGrowsToABoundThatFitsTheError(t *testing.T) {
	for name, test := range map[string]struct {
		err         error
		first, last time.Duration
	}{
		"a conflict":                      {errStale, firstConflict, lastConflict},
		"a conflict inside another error": {fmt.Errorf("writing status: %w", errStale), firstConflict, lastConflict},
		"a slow API server":               {fmt.Errorf("applying: %w", errSlow), firstRetry, lastRetryOutage},
		"an API server that is down":      {fmt.Errorf("applying: %w", errNotThere), firstRetry, lastRetryOutage},
		"a request that took too long":    {fmt.Errorf("reading: %w", context.DeadlineExceeded), firstRetry, lastRetryOutage},
		"an outage beside a refusal":      {errors.Join(errDenied, errSlow), firstRetry, lastRetryOutage},
		"a refusal":                       {errDenied, firstRetry, lastRetryRefusal},
		"a fault of the operator's own":   {errors.New("rendering the configuration"), firstRetry, lastRetryRefusal},
	} {
		t.Run(name, func(t *testing.T) {
			first, last := longest(&retries{}, test.err)
			within := func(what string, got, want time.Duration) {
				if most := want + time.Duration(scatter*float64(want)); got < want || got > most {
					t.Errorf("the %s delay is %s, want between %s and %s", what, got, want, most)
				}
			}
			within("first", first, test.first)
			within("longest", last, test.last)
		})
	}
}

func TestRetries_AConflictHidesNoOtherError(t *testing.T) {
	for name, err := range map[string]error{
		"the conflict first":       errors.Join(errStale, errSlow),
		"the conflict last":        errors.Join(errSlow, errStale),
		"joined and wrapped":       fmt.Errorf("reconciling: %w", errors.Join(errStale, errors.Join(errStale, errSlow))),
		"with an error of no kind": errors.Join(errStale, errors.New("rendering the configuration")),
	} {
		t.Run(name, func(t *testing.T) {
			result, got := (&retries{}).settle(retryRequest, ctrl.Result{RequeueAfter: time.Hour}, err)
			if !errors.Is(got, err) || result.RequeueAfter != 0 {
				t.Errorf("got %v and %v, want %v alone", result, got, err)
			}
		})
	}
	for name, err := range map[string]error{
		"two conflicts": errors.Join(errStale, fmt.Errorf("writing: %w", errStale)), "one conflict, joined": errors.Join(nil, errStale),
	} {
		t.Run(name, func(t *testing.T) {
			if result, got := (&retries{}).settle(retryRequest, ctrl.Result{}, err); got != nil || result.RequeueAfter == 0 {
				t.Errorf("got %v and %v, want another look", result, got)
			}
		})
	}
}

func TestRetries_SuccessBringsTheFirstDelayBackAndLeavesNothing(t *testing.T) {
	for name, err := range map[string]error{"after conflicts": errStale, "after an outage": errSlow, "after refusals": errDenied} {
		t.Run(name, func(t *testing.T) {
			r := &retries{}
			first, _ := longest(r, err)
			result, got := r.settle(retryRequest, ctrl.Result{RequeueAfter: time.Hour}, nil)
			if got != nil || result.RequeueAfter != time.Hour {
				t.Errorf("got %v and %v, want the result as it is", result, got)
			}
			if len(r.known) != 0 {
				t.Errorf("%d objects are remembered", len(r.known))
			}
			if again, _ := longest(r, err); again > 2*first {
				t.Errorf("the first delay is %s now, was %s", again, first)
			}
		})
	}
}

func TestRetries_ThoseThatWaitForTheSameDoNotComeBackAtOnce(t *testing.T) {
	r, delays := &retries{}, map[time.Duration]bool{}
	for i := range 20 {
		req := retryRequest
		req.Name = fmt.Sprintf("cup%d", i)
		_, _ = r.settle(req, ctrl.Result{}, errSlow) // the error is the one that is given
		delays[r.When(req)] = true
	}
	if len(delays) < 2 {
		t.Error("all come back at the same moment")
	}
}
